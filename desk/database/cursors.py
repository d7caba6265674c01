"""Opaque cursors: the place where a page ended, as text that clients send back unread."""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVarTuple, cast
from uuid import UUID

from desk.database.errors import BadCursor

MAX_LENGTH = 200

Key = TypeVarTuple("Key")


class Cursor(Generic[*Key]):
    """The codec of one list. `kind` keeps out cursors of other lists; `readers` check each part of the key."""

    def __init__(self, kind: str, *readers: Callable[[object], Any]) -> None:
        self._kind = kind
        self._readers = readers

    def after(self, *key: *Key) -> str:
        """Encode the cursor that follows the row with this key."""
        parts = [part.isoformat() if isinstance(part, datetime) else part for part in cast("tuple[object, ...]", key)]
        packed = json.dumps([self._kind, *parts], separators=(",", ":"))
        return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")

    def key(self, cursor: str) -> tuple[*Key]:
        """Decode a cursor into the key of the row it follows. Raises BadCursor."""
        match _unpacked(cursor):
            case [self._kind, *parts] if len(parts) == len(self._readers):
                found = tuple(read(part) for read, part in zip(self._readers, parts, strict=True))
                return cast("tuple[*Key]", found)
        raise BadCursor


def _row_id(part: object) -> int:
    if isinstance(part, int) and not isinstance(part, bool) and 0 <= part < 2**63:
        return part
    raise BadCursor


def _uuid(part: object) -> str:
    try:
        return str(UUID(part)) if isinstance(part, str) else _refuse()
    except ValueError:
        raise BadCursor from None


def _instant(part: object) -> datetime:
    """Convert to UTC, which also keeps it within the years that datetime knows."""
    try:
        at = datetime.fromisoformat(part) if isinstance(part, str) else _refuse()
        return at.astimezone(UTC) if at.tzinfo is not None else _refuse()
    except (ValueError, OverflowError):
        raise BadCursor from None


def _refuse() -> Any:
    raise BadCursor


def _unpacked(cursor: str) -> object:
    if len(cursor) > MAX_LENGTH:
        raise BadCursor
    try:
        return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursor from None


CALLBACKS: Final[Cursor[datetime, str]] = Cursor("callbacks", _instant, _uuid)
CLAIM_ORDER: Final[Cursor[int, datetime, datetime, str]] = Cursor("claim-order", _row_id, _instant, _instant, _uuid)
CALLS: Final[Cursor[int]] = Cursor("calls", _row_id)
PROMISES: Final[Cursor[datetime, int]] = Cursor("promises", _instant, _row_id)
WARNINGS: Final[Cursor[int]] = Cursor("warnings", _row_id)
AUDIT: Final[Cursor[int]] = Cursor("audit", _row_id)
EMERGENCIES: Final[Cursor[int]] = Cursor("emergencies", _row_id)
TEXTS: Final[Cursor[int]] = Cursor("texts", _row_id)
TOKENS: Final[Cursor[int]] = Cursor("tokens", _row_id)
