"""Controllers: the phone door's processes, of which one at a time serves each Asterisk."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LEASE: Final = timedelta(seconds=10)
"""How long a controller that gives no sign of life keeps its Asterisk."""
LONGEST_LEASE: Final = timedelta(hours=1)
"""A lease that lasts longer than this from now was taken by a clock that was ahead, and holds nothing."""


@dataclass(frozen=True)
class Load:
    """What a controller reports with each heartbeat: calls on the line, and files in its spool."""

    calls: int
    spooled: int
    damaged: int


@dataclass(frozen=True)
class ControllerLease:
    """The right of one controller to serve one Asterisk. `fence` grows when another takes over."""

    asterisk_id: str
    controller: str
    fence: int
    taken_at: datetime
    seen_at: datetime
    lease_until: datetime
    load: Load
