"""When each door last took over the operators' files, as the operator's page shows it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from api.console.parts import PartDetail, message_in
from api.services import Services
from desk.files.state import FileRefusal, FileState


@dataclass(frozen=True)
class DoorRow:
    """A file that a door holds. `host` only where there are several machines; `silent_since` for a door that is.

    `reason`: why the file was refused, if it was.
    """

    kind: str
    host: str | None
    silent_since: datetime | None
    file: FileState
    reason: PartDetail | None


@dataclass(frozen=True)
class DoorsNow:
    """What all doors hold, the newest first. `asterisk`: when Asterisk last read its own files, if it says so."""

    rows: Sequence[DoorRow]
    asterisk: datetime | None


async def doors_now(services: Services, language: str) -> DoorsNow:
    """Read what each door reported last, and ask Asterisk. Reasons are in that language."""
    now = services.clock.now()
    doors = await services.reporter.all()
    several = len({each.host for each in doors}) > 1
    rows = [
        DoorRow(
            each.kind.value,
            each.host if several else None,
            each.seen_at if each.is_silent(now) else None,
            file,
            _reason(file.refusal, language, services.translate),
        )
        for each in doors
        for file in each.files
    ]
    return DoorsNow(sorted(rows, key=_newest_first), await _asterisk(services))


def _reason(refusal: FileRefusal | None, language: str, translate: Callable[[str], str]) -> PartDetail | None:
    return None if refusal is None else message_in(refusal.reason, language, translate)


def _newest_first(row: DoorRow) -> tuple[bool, float]:
    """Refused files before all others, then those taken last."""
    taken = row.file.taken_at
    return row.file.refusal is None, -taken.timestamp() if taken else 0.0


async def _asterisk(services: Services) -> datetime | None:
    """When Asterisk last read its files: its start counts too. None if it does not say."""
    found = await services.asterisk.read("asterisk/info?only=status")
    try:
        return datetime.fromisoformat(found["status"]["last_reload_time"])
    except (TypeError, KeyError, ValueError):
        return None
