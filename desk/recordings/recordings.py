"""What a caller said after the receipt, for the agent who rings back. See docs/decisions (recordings) for the why.

Each recording has a random key of its own: the sound is sealed with it (AES-256-GCM, bound to the callback's id), and
the key with the vault, bound to the same row. So keys are rotated without touching the sound, and a recording whose
row is gone can't be opened from a backup of the table's pages.

For whoever deletes a callback's personal data: `Recordings.delete(ids)` is one unit of work, and within another one
(`together`) a part of it; `desk.storage.recordings.remove(connection, ids)` does the same on a connection of yours.
"""

import base64
import os
from collections.abc import Collection

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks import repository as callback_rows
from desk.callbacks import transitions
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.history import history
from desk.history.history import CALLER, Entry
from desk.recordings import repository as rows
from desk.recordings.errors import RecordingNotFound
from desk.recordings.sound import as_wav, seconds
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

KEY_BYTES = 32
NONCE_BYTES = 12


class Recordings(UnitsOfWork):
    """The recordings of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock

    async def keep(self, callback_id: str, alaw: bytes) -> bool:
        """Seal and keep what was said (A-law, 8 kHz), with a row in the history; False if the callback has one already.

        Raises `CallbackNotFound`.
        """

        async def work(connection: Connection) -> bool:
            stored = await callback_rows.locked(connection, callback_id, scope=EVERYTHING)
            id, now = stored.callback.id, self._clock.now()
            if await rows.exists(connection, id):
                return False
            key = os.urandom(KEY_BYTES)
            sealed_key = self._vault.seal(base64.b64encode(key).decode(), rows.KEY, id)
            await rows.add(connection, id, now, key=sealed_key, sound=_sealed(alaw, key, id))
            details = {"seconds": round(seconds(alaw))}
            await transitions.transition(
                connection, stored, "recorded", CALLER, now, details=details, has_recording=True
            )
            return True

        return await self._write(work)

    async def hear(self, callback_id: str, agent: str, *, scope: Scope) -> bytes:
        """The recording as a WAV file. That `agent` heard it is in the history first.

        Raises `CallbackNotFound`, `RecordingNotFound`, `CannotOpen`.
        """

        async def work(connection: Connection) -> bytes:
            callback = await callback_rows.get(connection, callback_id, scope=scope)
            found = await rows.find(connection, callback.id, scope=scope)
            if found is None:
                raise RecordingNotFound
            alaw = opened(self._vault, *found, callback.id)
            entry = Entry(callback.id, callback.department, self._clock.now(), "recording_heard", agent)
            await history.append(connection, [entry])
            return alaw

        return as_wav(await self._write(work))

    async def delete(self, callback_ids: Collection[str]) -> int:
        """Delete the recordings of these callbacks, as their other data go; how many there were."""
        return await self._write(lambda connection: rows.remove(connection, callback_ids))


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
