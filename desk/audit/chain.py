"""The chain of the audit: each row's hash is made from its own bytes and the hash of the row before it.

    hash = HMAC-SHA-256(key, hash of the row before + bytes of the row and of the callbacks it is about)

The key is derived (HKDF) from the version of the index key that the row names. Someone who can write to the database
but does not have the key can't make a row that fits. After a change of the key the chain has rows of both versions.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Self

from desk.audit.repository import AuditRow
from desk.vault.vault import Vault

PURPOSE: Final = "innringing audit chain"
_COLUMNS: Final = tuple(field.name for field in fields(AuditRow) if field.name not in ("hash", "seen"))
_encoded: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_NIBBLES: Final = "abcdefghijklmnop"
_ANCHOR: Final = re.compile(r"([0-9]{1,19}):([a-p]{64})", re.ASCII)


def chain_keys(vault: Vault) -> Mapping[int, bytes]:
    """Return the chain's keys, by the version of the index key that each is derived from."""
    return vault.derived(PURPOSE)


def digest(row: AuditRow, before: bytes, key: bytes) -> bytes:
    """Compute the hash of `row` after a row whose hash is `before`. The row's own `hash` is not used."""
    return digests(row, [before], key)[0]


def digests(row: AuditRow, befores: Iterable[bytes], key: bytes) -> list[bytes]:
    """Compute the hash of `row` after each of these."""
    content = canonical(row)
    return [hmac.new(key, before + content, hashlib.sha256).digest() for before in befores]


def chained(row: AuditRow, before: bytes, key: bytes) -> AuditRow:
    """Return the row with its hash."""
    return replace(row, hash=digest(row, before, key))


def canonical(row: AuditRow) -> bytes:
    """Encode a row to the same bytes on both engines: JSON of its columns by name, and of its callbacks by id."""
    plain = {name: _plain(getattr(row, name)) for name in _COLUMNS}
    seen = sorted((each.callback_id, each.department, _plain(each.patient_index)) for each in row.seen)
    return _encoded([plain, seen]).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.hex() if isinstance(value, bytes) else value


@dataclass(frozen=True)
class Anchor:
    """How far the chain had come at some moment. Stored outside the database, it shows if the end was cut off later."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        """`SEQ:HASH`. The hash is written without digits: a log that masks numbers leaves it whole."""
        return f"{self.seq}:{''.join(_NIBBLES[int(nibble, 16)] for nibble in self.hash.hex())}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of an anchor. Raises ValueError."""
        match = _ANCHOR.fullmatch(text.strip())
        if match is None:
            raise ValueError("an anchor is a row's number, a colon and 64 letters, as the log and verify write it")
        return cls(int(match[1]), bytes.fromhex("".join(f"{_NIBBLES.index(letter):x}" for letter in match[2])))
