"""Identity numbers at rest: sealed with AES-256-GCM, found again by HMAC-SHA-256 under a second key.

A sealed value is: key version (1 byte), nonce (12 bytes), ciphertext and tag. The column's name is authenticated with
it, so a value moved to another column doesn't open. A bare hash of eleven digits is guessed in seconds: hence the key.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from desk.errors import DeskError

KEY_VERSION = 1
NONCE_BYTES = 12
KEY_BYTES = 32


class CannotOpen(DeskError):
    """A sealed value doesn't open: it was sealed with another key or for another column, or has been changed."""

    id = "cannot-open"


class Vault:
    """Seals, opens and indexes. Both keys are 32 bytes, and never the same one."""

    def __init__(self, *, identity_key: bytes, index_key: bytes) -> None:
        if len(identity_key) != KEY_BYTES or len(index_key) != KEY_BYTES:
            raise ValueError("both keys are 32 bytes")
        if hmac.compare_digest(identity_key, index_key):
            raise ValueError("the two keys must differ")
        self._cipher = AESGCM(identity_key)
        self._index_key = index_key

    def __repr__(self) -> str:
        return "Vault()"

    def seal(self, value: str, column: str) -> bytes:
        """`value` sealed for `column` ("table.column"); sealing it again gives other bytes."""
        nonce = os.urandom(NONCE_BYTES)
        return bytes([KEY_VERSION]) + nonce + self._cipher.encrypt(nonce, value.encode(), self._bound(column))

    def open(self, sealed: bytes, column: str) -> str:
        """The value sealed for `column`; `CannotOpen` if key, column or version are not those it was sealed with."""
        if len(sealed) <= 1 + NONCE_BYTES or sealed[0] != KEY_VERSION:
            raise CannotOpen
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, self._bound(column)).decode()
        except InvalidTag:
            raise CannotOpen from None

    def index(self, value: str) -> bytes:
        """32 bytes, the same for the same value: what a sealed value is found by."""
        return hmac.new(self._index_key, value.encode(), hashlib.sha256).digest()

    @staticmethod
    def _bound(column: str) -> bytes:
        # the version byte is authenticated too: an old sealed value can't be passed off as a new one
        return bytes([KEY_VERSION]) + column.encode()
