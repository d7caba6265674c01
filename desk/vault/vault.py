"""Personal data at rest: sealed with AES-256-GCM, and found again by HMAC-SHA-256 under a second key.

A sealed value is: the format (1 byte), the version of its key (2 bytes), a nonce (12), ciphertext and tag (16). Format,
version, column and row are authenticated with it, so a value moved to another column or row doesn't open.

An index is the version of its key (2 bytes) and an HMAC (32). It has a key of its own, because a bare hash of eleven
digits is guessed in seconds. While that key is changed, a value has several indexes: new rows get the first, and are
found by any of them.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from desk.vault.errors import CannotOpen
from desk.vault.keys import KEY_BYTES

FORMAT = 1
FIRST_VERSION = 1
VERSION_BYTES = 2
HEADER_BYTES = 1 + VERSION_BYTES
NONCE_BYTES = 12

log = structlog.get_logger(__name__)


class Vault:
    """Seals with `identity_key`, of version `version`; opens also what `older` keys sealed. Keys are 32 bytes each.

    Indexes are made with `index_key`, of version `index_version`; `older_index` keys find the rows they indexed.
    """

    def __init__(
        self,
        *,
        identity_key: bytes,
        index_key: bytes,
        version: int = FIRST_VERSION,
        older: Mapping[int, bytes] | None = None,
        index_version: int = FIRST_VERSION,
        older_index: Mapping[int, bytes] | None = None,
    ) -> None:
        keys = {**(older or {}), version: identity_key}
        index_keys = {index_version: index_key, **(older_index or {})}  # the one in use first
        if any(len(key) != KEY_BYTES for key in (*keys.values(), *index_keys.values())):
            raise ValueError("each key is 32 bytes")
        if any(hmac.compare_digest(key, index) for key in keys.values() for index in index_keys.values()):
            raise ValueError("the index keys must differ from those that seal")
        self.version = version
        self._ciphers = {each: AESGCM(key) for each, key in keys.items()}
        self.index_version = index_version
        self._index_keys = index_keys

    def __repr__(self) -> str:
        return f"Vault(version={self.version})"

    @property
    def versions(self) -> frozenset[int]:
        """The key versions whose values open."""
        return frozenset(self._ciphers)

    @property
    def header(self) -> bytes:
        """The first bytes of each value sealed now. A value with another header is due for rotation."""
        return _header(self.version)

    def seal(self, value: str, column: str, row: str | int, *, version: int | None = None) -> bytes:
        """`value` sealed for `column` ("table.column") of the row with that primary key; different bytes each time.

        Uses the key of that `version`, or by default the key in use.
        """
        nonce = os.urandom(NONCE_BYTES)
        header = self.header if version is None else _header(version)
        cipher = self._ciphers[self.version if version is None else version]
        return header + nonce + cipher.encrypt(nonce, value.encode(), _bound(header, column, row))

    def open(self, sealed: bytes, column: str, row: str | int) -> str:
        """The value sealed for `column` of that row.

        Raises `CannotOpen` if key, version, column or row are not those it was sealed with, or a bit has changed.
        """
        version = version_of(sealed)
        cipher = self._ciphers.get(version) if version is not None else None
        if cipher is not None:
            header, rest = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
            try:
                return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _bound(header, column, row)).decode()
            except (InvalidTag, ValueError):  # ValueError: too short for a nonce or a tag
                pass
        log.error("sealed value does not open", column=column, row=str(row), version=version)
        raise CannotOpen

    @property
    def index_versions(self) -> frozenset[int]:
        """The versions of the index keys by which values are found."""
        return frozenset(self._index_keys)

    def index(self, value: str, *, version: int | None = None) -> bytes:
        """The index of `value`, by which its row is found: the same 34 bytes each time.

        Uses the key of that `version`, or by default the key in use.
        """
        version = self.index_version if version is None else version
        hmac_of_value = hmac.new(self._index_keys[version], value.encode(), hashlib.sha256).digest()
        return version.to_bytes(VERSION_BYTES, "big") + hmac_of_value

    def indexes(self, value: str) -> tuple[bytes, ...]:
        """Every index the value may have, the one for new rows first."""
        return tuple(self.index(value, version=version) for version in self._index_keys)

    def derived(self, purpose: str) -> dict[int, bytes]:
        """A 32-byte key for `purpose` derived from each index key (HKDF-SHA-256), by version, the one in use first."""
        return {
            version: HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(key)
            for version, key in self._index_keys.items()
        }


def version_of(sealed: bytes) -> int | None:
    """The key version in a sealed value's header; None when the value doesn't look sealed."""
    if len(sealed) > HEADER_BYTES and sealed[0] == FORMAT:
        return int.from_bytes(sealed[1:HEADER_BYTES], "big")
    return None


def _header(version: int) -> bytes:
    return bytes([FORMAT]) + version.to_bytes(VERSION_BYTES, "big")


def _bound(header: bytes, column: str, row: str | int) -> bytes:
    return header + column.encode() + b"\0" + str(row).encode()
