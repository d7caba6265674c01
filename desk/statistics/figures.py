"""The figures: what the tallies say of some departments in a range of days.

Whole months are read from the cells of months, so a year costs about as much as a week, however many called.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from desk.clock import OSLO, Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading
from desk.departments.departments import Departments
from desk.statistics import repository as rows
from desk.statistics.counting import LATER
from desk.statistics.errors import RangeTooLong
from desk.statistics.model import Durations, Grain, Measure
from desk.statistics.repository import Part
from desk.statistics.tallies import Tallies

LONGEST: Final = timedelta(days=5 * 366)
USUAL: Final = timedelta(days=28)
YEARS: Final = range(2000, 3000)
MOST_DAYS: Final = 100
"""The longest range that is shown day by day."""

K = TypeVar("K")


class SeriesStep(StrEnum):
    """How a range is divided in the series."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Sums:
    """Sums of one group: by measure and detail."""

    counts: Mapping[tuple[str, str], int]

    def total(self, measure: Measure) -> int:
        """The sum over all details."""
        return sum(n for (name, _), n in self.counts.items() if name == measure.value)

    def of(self, measure: Measure, detail: str) -> int:
        """The count of one detail."""
        return self.counts.get((measure.value, detail), 0)

    def by_detail(self, measure: Measure) -> list[tuple[str, int]]:
        """The counts of a measure by detail, in order of the detail. Zeroes are left out."""
        return sorted((detail, n) for (name, detail), n in self.counts.items() if name == measure.value and n)

    def durations(self, measure: Measure) -> Durations:
        """The durations that a measure counts."""
        return Durations(self.by_detail(measure))

    @property
    def kept_percent(self) -> float | None:
        """The share of kept among the promises that were kept or broken. None if there are none."""
        kept = self.total(Measure.KEPT)
        return share(kept, kept + self.total(Measure.BROKEN))


def share(part: int, whole: int) -> float | None:
    """Return a percentage with one decimal; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


@dataclass(frozen=True)
class Morning:
    """The callbacks that waited at 08:00 on a Monday. `clear`: the quarter of an hour in which the last was called.

    It is None if some were called on a later day. Those who wait still are not counted.
    """

    day: date
    waiting: int
    clear: str | None


@dataclass(frozen=True)
class Figures:
    """The figures of some departments from `first` to `last`, both included.

    `hours`: by (weekday, hour) and measure; 0 is Monday. `series`: by the first day of each step.
    """

    first: date
    last: date
    step: SeriesStep
    departments: Sequence[str]
    total: Sums
    by_department: Mapping[str, Sums]
    by_language: Mapping[str, Sums]
    series: Mapping[date, Sums]
    hours: Mapping[tuple[int, int], Sums]
    mondays: Sequence[Morning]


class StatisticsReader(Service):
    """Reads the figures. `tallies` are what they are read from."""

    def __init__(self, *, database: Database, departments: Callable[[], Departments], clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._departments = departments
        self.tallies = Tallies(database=database, clock=clock)

    @reading
    async def figures(
        self,
        unit: Unit,
        *,
        department: str | None = None,
        first: date | None = None,
        last: date | None = None,
        step: SeriesStep | None = None,
    ) -> Figures:
        """Return the figures of a department, or of all that the actor may read; the last four weeks by default.

        Raises DepartmentNotAllowed, DepartmentNotFound, RangeTooLong.
        """
        if department is not None:
            unit.actor.require(department)
            self._departments().get(department)
        slugs = [department] if department else [each for each in self._departments() if unit.scope.covers(each)]
        last = last or unit.now.astimezone(OSLO).date()
        if any(day is not None and day.year not in YEARS for day in (first, last)):
            raise RangeTooLong
        first = first or last - USUAL + timedelta(days=1)
        if not timedelta(0) <= last - first <= LONGEST:
            raise RangeTooLong
        step = step or (SeriesStep.DAY if (last - first).days < MOST_DAYS else SeriesStep.MONTH)
        parts = parts_of(first, last)
        found = [
            (row.department, row.language, (row.measure, row.detail), row.n)
            for row in await rows.totals(unit, parts, slugs)
        ]
        days = parts if step is SeriesStep.MONTH else [Part(Grain.DAY, first, last)]
        return Figures(
            first=first,
            last=last,
            step=step,
            departments=slugs,
            total=Sums(_summed(("", key, n) for _, _, key, n in found).get("", {})),
            by_department=_sums((slug, key, n) for slug, _, key, n in found),
            by_language=_sums((language, key, n) for _, language, key, n in found),
            series=_sums(
                (_start(row.period, step), (row.measure, ""), row.n) for row in await rows.series(unit, days, slugs)
            ),
            hours=_sums((_hour(row), (row.measure, ""), row.n) for row in await rows.hours(unit, parts, slugs)),
            mondays=_mondays(await rows.mornings(unit, _mondays_of(first, last), slugs)),
        )


def parts_of(first: date, last: date) -> list[Part]:
    """Divide a range into whole months, and the days before and after them."""
    months = first if first.day == 1 else _next_month(first)
    after = last + timedelta(days=1)
    end = after.replace(day=1)
    if months >= end:
        return [Part(Grain.DAY, first, last)]
    day = timedelta(days=1)
    parts = [Part(Grain.DAY, first, months - day), Part(Grain.MONTH, months, end - day), Part(Grain.DAY, end, last)]
    return [each for each in parts if each.first <= each.last]


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _start(period: date, step: SeriesStep) -> date:
    if step is SeriesStep.MONTH:
        return period.replace(day=1)
    return period - timedelta(days=period.weekday()) if step is SeriesStep.WEEK else period


def _hour(row: Any) -> tuple[int, int]:
    """The weekday and hour of a cell: of the week in months, of the day in days."""
    return divmod(row.hour, 24) if row.grain == Grain.MONTH.value else (row.period.weekday(), row.hour)


def _summed(found: Iterable[tuple[K, tuple[str, str], int]]) -> dict[K, Counter[tuple[str, str]]]:
    sums: dict[K, Counter[tuple[str, str]]] = defaultdict(Counter)
    for group, key, n in found:
        sums[group][key] += n
    return sums


def _sums(found: Iterable[tuple[K, tuple[str, str], int]]) -> dict[K, Sums]:
    return {group: Sums(counts) for group, counts in _summed(found).items()}


def _mondays_of(first: date, last: date) -> list[date]:
    monday = first + timedelta(days=-first.weekday() % 7)
    return [monday + timedelta(weeks=n) for n in range((last - monday).days // 7 + 1)]


def _mondays(found: Iterable[Any]) -> list[Morning]:
    left: dict[date, dict[str, int]] = defaultdict(dict)
    for row in found:
        left[row.period][row.detail] = row.n
    return [
        Morning(day, sum(left[day].values()), None if left[day].get(LATER) else max(left[day]))
        for day in sorted(left)
        if sum(left[day].values())
    ]
