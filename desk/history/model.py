"""History rows: what happened to an inquiry, and who did it. Statuses are plain text: the history serves every kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class HistoryRow:
    """One event. `id` grows; `actor` is an agent's name, `caller` or `system`.

    `from_status` and `to_status` are set when the event changed the status. `details` hold no personal data.
    """

    id: int
    at: datetime
    event: str
    actor: str
    from_status: str | None
    to_status: str | None
    details: Mapping[str, str | int | bool | None]


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
