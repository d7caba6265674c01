"""Opaque cursors: where the last page ended, as text that clients pass back and never read."""

import base64
import binascii
import json
from datetime import UTC, datetime
from uuid import UUID

from desk.database.errors import BadCursor

MAX_LENGTH = 200


def after_callback(created_at: datetime, id: str) -> str:
    """The cursor behind this callback."""
    return _packed(["callbacks", created_at.isoformat(), id])


def callback_place(cursor: str) -> tuple[datetime, str]:
    """Where a cursor of `after_callback` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["callbacks", str(created_at), str(id)]:
            try:
                return _instant(created_at), str(UUID(id))
            except ValueError:
                raise BadCursor from None
    raise BadCursor


def after_call(id: int) -> str:
    """The cursor behind this call."""
    return _packed(["calls", id])


def call_place(cursor: str) -> int:
    """Where a cursor of `after_call` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["calls", int(id)] if 0 <= id < 2**63:
            return id
    raise BadCursor


def after_promise(due: datetime, id: int) -> str:
    """The cursor behind this promise."""
    return _packed(["promises", due.isoformat(), id])


def promise_place(cursor: str) -> tuple[datetime, int]:
    """Where a cursor of `after_promise` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["promises", str(due), int(id)] if 0 <= id < 2**63:
            return _instant(due), id
    raise BadCursor


def after_warning(id: int) -> str:
    """The cursor behind this warning."""
    return _packed(["warnings", id])


def warning_place(cursor: str) -> int:
    """Where a cursor of `after_warning` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["warnings", int(id)] if 0 <= id < 2**63:
            return id
    raise BadCursor


def after_audit(seq: int) -> str:
    """The cursor behind this row of the audit, on the way to older ones."""
    return _packed(["audit", seq])


def audit_place(cursor: str) -> int:
    """Where a cursor of `after_audit` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["audit", int(seq)] if 0 <= seq < 2**63:
            return seq
    raise BadCursor


def after_emergency(id: int) -> str:
    """The cursor behind this emergency access."""
    return _packed(["emergencies", id])


def emergency_place(cursor: str) -> int:
    """Where a cursor of `after_emergency` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["emergencies", int(id)] if 0 <= id < 2**63:
            return id
    raise BadCursor


def after_token(id: int) -> str:
    """The cursor behind this token, on the way to older ones."""
    return _packed(["tokens", id])


def token_place(cursor: str) -> int:
    """Where a cursor of `after_token` points; `BadCursor` on anything else."""
    match _unpacked(cursor):
        case ["tokens", int(id)] if 0 <= id < 2**63:
            return id
    raise BadCursor


def _instant(text: str) -> datetime:
    """In UTC, so that it lies within the years there are. Raises BadCursor."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadCursor


def _packed(place: list[str | int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def _unpacked(cursor: str) -> object:
    if len(cursor) > MAX_LENGTH:
        raise BadCursor
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursor from None
    if isinstance(place, list) and any(isinstance(each, bool) for each in place):  # which would pass for numbers
        raise BadCursor
    return place
