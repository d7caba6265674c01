"""The processes that serve people, and what each holds of the operators' files. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from desk.files.state import FileState

SILENT_AFTER: Final = timedelta(seconds=30)
"""A door that has not reported for this long is shown as silent."""
FORGOTTEN_AFTER: Final = timedelta(days=1)


class DoorKind(StrEnum):
    """Which door a process is."""

    API = "api"
    IVR = "ivr"
    STANDBY = "standby"


@dataclass(frozen=True)
class DoorReport:
    """A process as it reported last. `id` is its own, new at each start."""

    id: str
    kind: DoorKind
    host: str
    started_at: datetime
    seen_at: datetime
    files: Sequence[FileState]

    def is_silent(self, now: datetime) -> bool:
        """Whether it has not reported lately: it was killed, or cannot reach the database."""
        return now - self.seen_at > SILENT_AFTER
