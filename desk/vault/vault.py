"""Personal data at rest: sealed with AES-256-GCM, and found again by HMAC-SHA-256 under a second key.

A sealed value is: the seal's format (1 byte, 2), the version of its key (2 bytes), a nonce (12), ciphertext and tag
(16). Format, version, column and row are authenticated with it, so a value moved to another column or row doesn't open.

Format 1 is what the first edition wrote: key version 1, bound to its column only. It still opens while that key is
here, and `innringing keys rotate` seals it anew; with key version 1 retired no such value is taken any more.

A bare hash of eleven digits is guessed in seconds: hence the index's own key. An index is 32 bytes under index key
version 1, and begins with the version (2 bytes) under any later one. While the key is changed there are several: new
values get the first, and are found by any of them.
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

FORMAT = 2
FIRST_FORMAT = 1
FIRST_VERSION = 1
HEADER_BYTES = 3
NONCE_BYTES = 12
VERSIONED_INDEX_BYTES = 34

log = structlog.get_logger(__name__)


class Vault:
    """Seals under `identity_key`, of version `version`; opens also what `older` keys sealed. Keys are 32 bytes each.

    Indexes are made under `index_key`, of version `index_version`; `older_index` keys find what they once made.
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
        """What each value sealed now begins with: any other is to be sealed anew."""
        return _header(self.version)

    def seal(self, value: str, column: str, row: str | int, *, version: int | None = None) -> bytes:
        """`value` sealed for `column` ("table.column") of the row with that primary key; each time other bytes.

        By the key in use, unless another `version` is asked for.
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
            first = sealed[0] == FIRST_FORMAT
            start = 1 if first else HEADER_BYTES
            bound = bytes([FIRST_FORMAT]) + column.encode() if first else _bound(sealed[:HEADER_BYTES], column, row)
            nonce, rest = sealed[start : start + NONCE_BYTES], sealed[start + NONCE_BYTES :]
            try:
                return cipher.decrypt(nonce, rest, bound).decode()
            except (InvalidTag, ValueError):  # ValueError: too short for a nonce or a tag
                pass
        log.error("a sealed value does not open", column=column, row=str(row), version=version)
        raise CannotOpen

    @property
    def index_versions(self) -> frozenset[int]:
        """The versions of the index key whose indexes are looked for."""
        return frozenset(self._index_keys)

    def index(self, value: str, *, version: int | None = None) -> bytes:
        """The same bytes for the same value: what a sealed value is found by. By the key in use, or another `version`.

        32 bytes, after 2 with the version unless that is 1.
        """
        version = self.index_version if version is None else version
        made = hmac.new(self._index_keys[version], value.encode(), hashlib.sha256).digest()
        return made if version == FIRST_VERSION else version.to_bytes(2, "big") + made

    def indexes(self, value: str) -> tuple[bytes, ...]:
        """Every index the value may stand under, the one new rows get first."""
        return tuple(self.index(value, version=version) for version in self._index_keys)

    def derived(self, purpose: str) -> dict[int, bytes]:
        """A key of 32 bytes for `purpose` from each index key (HKDF-SHA-256), by version, the one in use first."""
        return {
            version: HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(key)
            for version, key in self._index_keys.items()
        }


def index_version_of(index: bytes) -> int:
    """The version of the key that made this index."""
    return int.from_bytes(index[:2], "big") if len(index) == VERSIONED_INDEX_BYTES else FIRST_VERSION


def version_of(sealed: bytes) -> int | None:
    """The key version a value says it was sealed with; None when it doesn't look sealed at all."""
    if sealed[:1] == bytes([FIRST_FORMAT]):
        return FIRST_VERSION
    if len(sealed) > HEADER_BYTES and sealed[0] == FORMAT:
        return int.from_bytes(sealed[1:HEADER_BYTES], "big")
    return None


def _header(version: int) -> bytes:
    return bytes([FORMAT]) + version.to_bytes(2, "big")


def _bound(header: bytes, column: str, row: str | int) -> bytes:
    return header + column.encode() + b"\0" + str(row).encode()
