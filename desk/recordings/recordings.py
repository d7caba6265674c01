"""What a caller said after the receipt, for the agent who calls back. The decisions on recordings say why.

Each recording has a random key of its own. The sound is sealed with that key (AES-256-GCM, bound to the callback's
id), and the key is sealed by the vault, bound to the same row. So keys are rotated without touching the sound, and a
recording whose row is deleted can't be opened from a backup of the table's pages.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from desk.callbacks import repository as callbacks
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.ids import CallbackId
from desk.inquiries import transitions
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
    async def keep(self, unit: Unit, callback_id: CallbackId, alaw: bytes) -> bool:
        """Seal and store a recording (A-law, 8 kHz), with a row in the history. False if the callback has one already.

        Raises CallbackNotFound.
        """
        callback = await callbacks.locked(unit, callback_id)
        if await rows.exists(unit, callback.id):
            return False
        key = os.urandom(KEY_BYTES)
        sealed_key = self._vault.seal(base64.b64encode(key).decode(), rows.KEY, callback.id)
        await rows.add(unit, callback.id, key=sealed_key, sound=_sealed(alaw, key, callback.id))
        details = {"seconds": round(seconds(alaw))}
        await callbacks.change_own(unit, callback, has_recording=True)
        await transitions.transition(unit, callback, "recorded", details=details)
        return True

    @unit_of_work
    async def hear(self, unit: Unit, callback_id: CallbackId) -> bytes:
        """Return the recording as a WAV file. The history says first who hears it.

        Raises CallbackNotFound, RecordingNotFound, CannotOpen.
        """
        callback = await callbacks.get(unit, callback_id)
        found = await rows.find(unit, callback.id)
        if found is None:
            raise RecordingNotFound
        alaw = opened(self._vault, *found, callback.id)
        await history.add(unit, [HistoryEntry(callback.id, callback.department, "recording_heard")])
        return as_wav(alaw)


def opened(vault: Vault, sealed_key: bytes, sound: bytes, callback_id: str) -> bytes:
    """Unseal a recording. Returns A-law. Raises CannotOpen."""
    return _opened(sound, base64.b64decode(vault.open(sealed_key, rows.KEY, callback_id)), callback_id)


def _sealed(alaw: bytes, key: bytes, callback_id: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, alaw, callback_id.encode())


def _opened(sound: bytes, key: bytes, callback_id: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sound[:NONCE_BYTES], sound[NONCE_BYTES:], callback_id.encode())
    except (InvalidTag, ValueError):
        raise CannotOpen from None
