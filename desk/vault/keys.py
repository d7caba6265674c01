"""Keys as an operator writes them: one, or several with their versions, the one in use first.

`<base64>` is version 1; `2:<base64> 1:<base64>` seals with version 2 and still opens what version 1 sealed. A key may
be in a file instead (a Docker or Kubernetes secret), named by the variable that ends with _FILE.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KEY_BYTES = 32
NEWEST_VERSION = 0xFFFF
KEY_ADVICE = "make one with: openssl rand -base64 32"
LARGEST_FILE = 10_000

_VERSIONED = re.compile(r"(?:(?P<version>[0-9]{1,5}):)?(?P<key>[A-Za-z0-9+/]+={0,2})", re.ASCII)


@dataclass(frozen=True, repr=False)
class VersionedKeys:
    """Keys of one kind by version. `current` is used for new values, the others for old ones."""

    current: int
    by_version: Mapping[int, bytes]

    @property
    def key(self) -> bytes:
        """The key in use, 32 bytes."""
        return self.by_version[self.current]

    @property
    def older(self) -> dict[int, bytes]:
        """The others."""
        return {version: key for version, key in self.by_version.items() if version != self.current}

    def __repr__(self) -> str:
        return f"VersionedKeys(current={self.current}, versions={sorted(self.by_version)})"


def parse_keys(text: str) -> VersionedKeys:
    """Read the keys in `text`. Raises ValueError, whose message says what to fix and never holds a key."""
    found: dict[int, bytes] = {}
    for word in text.replace(",", " ").split():
        match = _VERSIONED.fullmatch(word)
        version = int(match["version"] or 1) if match else 1
        if not 1 <= version <= NEWEST_VERSION:
            raise ValueError(f"a key's version is 1 to {NEWEST_VERSION}")
        if version in found:
            raise ValueError(f"there are two keys of version {version}: give each its own, 2:<base64> 1:<base64>")
        found[version] = _decoded(match["key"] if match else "")
    if not found:
        raise ValueError(f"it must be base64 of {KEY_BYTES} bytes; {KEY_ADVICE}")
    if len(set(found.values())) != len(found):
        raise ValueError("two versions have the same key")
    return VersionedKeys(next(iter(found)), found)


def words_to_hide(text: str) -> list[str]:
    """Each key as written in `text`, for the log to hide."""
    return [word.rpartition(":")[2] for word in text.replace(",", " ").split()]


def read_secret(path: Path) -> str:
    """Read a secret's file, without surrounding white space. Raises ValueError saying what is wrong."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1).decode()
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text: write the secret in base64") from None
    if not text.strip():
        raise ValueError(f"{path} is empty")
    if len(text) > LARGEST_FILE:
        raise ValueError(f"{path} is too large for a secret")
    return text.strip()


def _decoded(key: str) -> bytes:
    try:
        decoded = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != KEY_BYTES:
        raise ValueError(f"it must be base64 of {KEY_BYTES} bytes; {KEY_ADVICE}")
    return decoded
