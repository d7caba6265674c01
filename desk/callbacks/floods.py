"""Floods: many first-time callers within an hour, far more than usual. They take no places of other callers.

Each caller in a flood hears a true receipt and is in the queue as any other. What differs is the count against the
department's capacity. docs/decisions/0037-floods.md says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from desk.access.errors import NotByEmergencyAccess
from desk.callbacks import floods_repository as rows
from desk.callbacks.service import CallbackService
from desk.database.unit_of_work import Unit, reading, unit_of_work
from desk.departments.departments import Department
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.inquiries import transitions as inquiries
from desk.inquiries.model import ClosedReason, Inquiry
from desk.numbers.phone_number import PhoneNumber

WINDOW: Final = timedelta(hours=1)
WEEKS: Final = 4
"""How many weeks back the same hour says what is usual."""
TIMES_USUAL: Final = 3
LEAST: Final = 10
MOST_AT_ONCE: Final = 200
"""The most callbacks that one request closes or keeps."""

SUSPECTED: Final = "flood_suspected"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FloodCleared:
    """How many marked callbacks were closed or kept, and how many are `left`."""

    changed: int
    left: int


def least(rules: Department) -> int | None:
    """How many first-time callers within an hour a flood has at least. None: floods change nothing here."""
    if rules.flood_from is not None or rules.capacity is None:
        return rules.flood_from
    return max(LEAST, rules.capacity // 4)


async def signs(
    unit: Unit, rules: Department, indexes: Sequence[bytes] | None, phone: PhoneNumber
) -> tuple[bool, bool]:
    """(whether a new callback is a first-time caller's, whether it is part of a flood of them).

    First-time: neither the person nor the phone was known an hour ago. Both are false where floods change nothing.
    """
    if least(rules) is None or await rows.known_before(unit, indexes, phone, unit.now - WINDOW):
        return False, False
    return True, await _in_flood(unit, rules)


async def _in_flood(unit: Unit, rules: Department) -> bool:
    """Whether one more first-time caller now is part of a flood.

    When a flood begins, those of the last hour that no agent has taken are marked too, and the department is notified.
    """
    fewest = least(rules)
    if fewest is None or (recent := await rows.first_timers(unit, rules.slug, unit.now - WINDOW, WINDOW)) < fewest:
        return False
    for week in range(1, WEEKS + 1):
        usual = await rows.first_timers(unit, rules.slug, unit.now - WINDOW - timedelta(weeks=week), WINDOW)
        if recent < TIMES_USUAL * usual:
            return False
    if marked := await rows.mark(unit, rules.slug, since=unit.now - WINDOW):
        entries = [HistoryEntry(id, rules.slug, "suspected", None, None, {}) for id in marked]
        await history.add(unit.as_system(), [*entries, HistoryEntry(None, rules.slug, SUSPECTED)])
        log.warning("A flood of first-time callers is suspected", department=rules.slug, callers=recent)
    return True


class Floods(CallbackService):
    """Deals with the callbacks that are marked as part of a flood, many at once."""

    @unit_of_work
    async def close(self, unit: Unit, department: str) -> FloodCleared:
        """Close the marked callbacks that wait in the department, 200 at most.

        Raises DepartmentNotAllowed, DepartmentNotFound, NotByEmergencyAccess.
        """
        found = await self._marked(unit, department)
        for each in found:
            await inquiries.close(unit, each, ClosedReason.OTHER, None)
        return FloodCleared(len(found), await rows.count_marked(unit, department))

    @unit_of_work
    async def keep(self, unit: Unit, department: str) -> FloodCleared:
        """Remove the mark from callbacks of the department, 200 at most: they count as any other from now on.

        Raises DepartmentNotAllowed, DepartmentNotFound, NotByEmergencyAccess.
        """
        found = await self._marked(unit, department)
        for each in found:
            await inquiries.transition(unit, each, "suspicion_lifted", suspected=False, first_time=False)
        return FloodCleared(len(found), await rows.count_marked(unit, department))

    @reading
    async def waiting(self, unit: Unit) -> dict[str, int]:
        """Count the marked callbacks that wait, by department; departments without any are omitted."""
        return await rows.counts_of_marked(unit)

    async def _marked(self, unit: Unit, department: str) -> list[Inquiry]:
        self._rules(unit, department)
        if department in unit.scope.borrowed:
            raise NotByEmergencyAccess
        return await rows.waiting_marked(unit, department, MOST_AT_ONCE)
