"""The figures: what the tallies say of some departments in a range of days.

Whole months are read from the cells of months, so a year costs about as much as a week, however many called.
"""

from collections import defaultdict
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
from desk.statistics.model import BY_HOUR, BY_LANGUAGE, SERIES, Durations, Grain, Measure, by_language, hourly
from desk.statistics.repository import Counts, Part
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
    """Sums of one group: by measure, and by detail within it."""

    counts: Mapping[str, Mapping[str, int]]

    def total(self, measure: Measure) -> int:
        """The sum over all details."""
        return sum(self.counts.get(measure.value, {}).values())

    def of(self, measure: Measure, detail: str) -> int:
        """The count of one detail."""
        return self.counts.get(measure.value, {}).get(detail, 0)

    def by_detail(self, measure: Measure) -> list[tuple[str, int]]:
        """The counts of a measure by detail, in order of the detail. Zeroes are left out."""
        return sorted((detail, n) for detail, n in self.counts.get(measure.value, {}).items() if n)

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
        slugs = self._slugs(unit, department)
        last = last or unit.now.astimezone(OSLO).date()
        if any(day is not None and day.year not in YEARS for day in (first, last)):
            raise RangeTooLong
        first = first or last - USUAL + timedelta(days=1)
        if not timedelta(0) <= last - first <= LONGEST:
            raise RangeTooLong
        step = step or (SeriesStep.DAY if (last - first).days < MOST_DAYS else SeriesStep.MONTH)
        parts = parts_of(first, last)
        by_department = _by_group(await rows.sheets(unit, parts, slugs))
        total = _by_group(("", counts) for counts in by_department.values()).get("", {})
        days = parts if step is SeriesStep.MONTH else [Part(Grain.DAY, first, last)]
        over_time = await rows.series(unit, days, slugs)
        return Figures(
            first=first,
            last=last,
            step=step,
            departments=slugs,
            total=Sums(total),
            by_department={slug: Sums(counts) for slug, counts in by_department.items()},
            by_language=_divided(total, BY_LANGUAGE, by_language, str),
            series={
                day: Sums(counts)
                for day, counts in _by_group((_start(row.period, step), _of_row(row)) for row in over_time).items()
            },
            hours=_divided(total, BY_HOUR, hourly, lambda detail: divmod(int(detail), 24)),
            mondays=_mondays(total.get(Measure.MORNING.value, {})),
        )

    @reading
    async def kept(self, unit: Unit, *, department: str | None, first: date, last: date) -> Sums:
        """Return the promises that were due on these days: kept and broken. Raises DepartmentNotAllowed."""
        found = await rows.series(unit, [Part(Grain.DAY, first, last)], self._slugs(unit, department))
        return Sums(_by_group(("", _of_row(row)) for row in found).get("", {}))

    def _slugs(self, unit: Unit, department: str | None) -> list[str]:
        if department is None:
            return [each for each in self._departments() if unit.scope.covers(each)]
        unit.actor.require(department)
        return [self._departments().get(department).slug]


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


def _of_row(row: Any) -> Counts:
    return {measure.value: {"": row._mapping[measure.value]} for measure in SERIES}


def _by_group(found: Iterable[tuple[K, Mapping[str, Mapping[str, int]]]]) -> dict[K, Counts]:
    """Sum counts by group."""
    sums: dict[K, Counts] = {}
    for group, counts in found:
        sum_ = sums.setdefault(group, {})
        for measure, details in counts.items():
            held = sum_.setdefault(measure, {})
            for detail, n in details.items():
                held[detail] = held.get(detail, 0) + n
    return sums


def _divided(
    total: Counts, measures: Iterable[Measure], name: Callable[[Measure], str], key: Callable[[str], K]
) -> dict[K, Sums]:
    """Divide a total by what some of its measures are counted by."""
    found = [
        (key(detail), {measure.value: {"": n}})
        for measure in measures
        for detail, n in total.get(name(measure), {}).items()
        if n
    ]
    return {place: Sums(counts) for place, counts in _by_group(found).items()}


def _mondays(found: Mapping[str, int]) -> list[Morning]:
    left: dict[date, dict[str, int]] = defaultdict(dict)
    for detail, n in found.items():
        day, _, when = detail.partition(" ")
        if n:
            left[date.fromisoformat(day)][when] = n
    return [Morning(day, sum(n.values()), None if n.get(LATER) else max(n)) for day, n in sorted(left.items())]
