"""What a caller said after the receipt, for the agent who rings back. See docs/decisions (recordings) for the why.

Each recording has a random key of its own: the sound is sealed with it (AES-256-GCM, bound to the callback's id), and
the key with the vault, bound to the same row. So keys are rotated without touching the sound, and a recording whose
row is gone can't be opened from a backup of the table's pages.
"""

import base64
import os
from collections.abc import Collection

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from desk.callbacks import repository as callback_rows
from desk.callbacks import transitions
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.history import history
from desk.history.history import Entry
from desk.recordings import repository as rows
from desk.recordings.errors import RecordingNotFound
from desk.recordings.sound import as_wav, seconds
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

KEY_BYTES = 32
NONCE_BYTES = 12


class Recordings(Service):
    """The recordings of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    @unit_of_work
    async def keep(self, unit: Unit, callback_id: str, alaw: bytes) -> bool:
        """Seal and store a recording (A-law, 8 kHz), with a row in the history; False if the callback has one already.

        Raises `CallbackNotFound`.
        """
        stored = await callback_rows.locked(unit.connection, callback_id, scope=unit.scope)
        id = stored.callback.id
        if await rows.exists(unit.connection, id):
            return False
        key = os.urandom(KEY_BYTES)
        sealed_key = self._vault.seal(base64.b64encode(key).decode(), rows.KEY, id)
        await rows.add(unit.connection, id, unit.now, key=sealed_key, sound=_sealed(alaw, key, id))
        details = {"seconds": round(seconds(alaw))}
        await transitions.transition(
            unit.connection, stored, "recorded", unit.actor.name, unit.now, details=details, has_recording=True
        )
        return True

    @unit_of_work
    async def hear(self, unit: Unit, callback_id: str) -> bytes:
        """The recording as a WAV file. The history says who heard it, before they do.

        Raises `CallbackNotFound`, `RecordingNotFound`, `CannotOpen`.
        """
        callback = await callback_rows.get(unit.connection, callback_id, scope=unit.scope)
        unit.trail.saw(callback.id)
        found = await rows.find(unit.connection, callback.id, scope=unit.scope)
        if found is None:
            raise RecordingNotFound
        alaw = opened(self._vault, *found, callback.id)
        entry = Entry(callback.id, callback.department, unit.now, "recording_heard", unit.actor.name)
        await history.append(unit.connection, [entry])
        return as_wav(alaw)

    @unit_of_work
    async def delete(self, unit: Unit, callback_ids: Collection[str]) -> int:
        """Delete the recordings of these callbacks. Returns how many there were."""
        return await rows.remove(unit.connection, callback_ids)


def opened(vault: Vault, sealed_key: bytes, sound: bytes, callback_id: str) -> bytes:
    """What was said, A-law. Raises `CannotOpen`."""
    return _opened(sound, base64.b64decode(vault.open(sealed_key, rows.KEY, callback_id)), callback_id)


def _sealed(alaw: bytes, key: bytes, callback_id: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, alaw, callback_id.encode())


def _opened(sound: bytes, key: bytes, callback_id: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sound[:NONCE_BYTES], sound[NONCE_BYTES:], callback_id.encode())
    except (InvalidTag, ValueError):
        raise CannotOpen from None
