"""History rows: what happened to an inquiry, and who did it. Statuses are plain text: the history serves every kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from desk.ids import InquiryId

Details = Mapping[str, str | int | bool | None]
"""Codes and counts, never personal data."""


@dataclass(frozen=True)
class HistoryEntry:
    """An event to add to the history. Without an `inquiry_id` it concerns the whole department.

    `note`: what an agent wrote earlier, and no longer fits where notes are shown. It is deleted with the person's data.
    """

    inquiry_id: InquiryId | None
    department: str
    event: str
    from_status: str | None = None
    to_status: str | None = None
    details: Details = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class HistoryRow:
    """One event. `id` grows; `actor` is an agent's name, `caller` or `system`.

    `from_status` and `to_status` are set when the event changed the status.
    """

    id: int
    at: datetime
    event: str
    actor: str
    from_status: str | None
    to_status: str | None
    details: Details
    note: str | None = None


@dataclass(frozen=True)
class Change:
    """A history row as the live feed sends it, without details. `version` is the callback's after the event.

    Without a `callback_id` the event concerns the whole department.
    """

    id: int
    at: datetime
    event: str
    actor: str
    callback_id: str | None
    department: str
    from_status: str | None
    to_status: str | None
    version: int | None
