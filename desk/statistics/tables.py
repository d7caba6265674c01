"""The figures as tables. Every door shows these: JSON, CSV, spreadsheet, terminal and console show the same numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from desk.statistics.counting import EARLY
from desk.statistics.figures import Figures, Sums, share
from desk.statistics.model import Measure

Value = str | int | float | None
ALL: Final = "all"


@dataclass(frozen=True)
class FigureTable:
    """A table of figures. Texts are codes; desk/statistics/words.py has what they are called."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]

    def as_records(self) -> list[dict[str, Value]]:
        """The rows with the columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


OVERVIEW: Final[Mapping[str, Callable[[Sums], Value]]] = {
    "calls": lambda sums: sums.total(Measure.CALLS),
    "incomplete": lambda sums: sums.total(Measure.INCOMPLETE),
    "confirmed": lambda sums: sums.total(Measure.CONFIRMED),
    "registered": lambda sums: sums.total(Measure.REGISTERED),
    "rang_again": lambda sums: sums.total(Measure.RANG_AGAIN),
    "kept": lambda sums: sums.total(Measure.KEPT),
    "broken": lambda sums: sums.total(Measure.BROKEN),
    "kept_percent": lambda sums: sums.kept_percent,
    "withdrawn": lambda sums: sums.total(Measure.WITHDRAWN),
    "reached_early": lambda sums: sums.of(Measure.WITHDRAWN, EARLY),
    "same_day_percent": lambda sums: share(sums.total(Measure.SAME_DAY), sums.total(Measure.REGISTERED)),
    "first_attempt_median": lambda sums: _minutes(sums, Measure.FIRST_ATTEMPT, 50),
    "first_attempt_p90": lambda sums: _minutes(sums, Measure.FIRST_ATTEMPT, 90),
    "until_reached_median": lambda sums: _minutes(sums, Measure.UNTIL_REACHED, 50),
    "until_reached_p90": lambda sums: _minutes(sums, Measure.UNTIL_REACHED, 90),
    "reached": lambda sums: sums.total(Measure.REACHED),
    "first_try_percent": lambda sums: share(sums.of(Measure.REACHED, "1"), sums.total(Measure.REACHED)),
    "unreachable": lambda sums: sums.total(Measure.UNREACHABLE),
    "agent_hours": lambda sums: _agent_hours(sums),
    "load": lambda sums: _load(sums),
}
"""The columns of the overview."""

SERIES: Final = ("calls", "incomplete", "registered", "attempts", "kept", "broken")
HOURS: Final = ("calls", "incomplete", "registered", "attempts")


def tables_of(figures: Figures) -> list[FigureTable]:
    """Return all tables."""
    total = figures.total
    return [
        overview(figures),
        FigureTable(
            "series",
            ("from", *SERIES, "kept_percent"),
            [
                (day.isoformat(), *(sums.total(Measure(name)) for name in SERIES), sums.kept_percent)
                for day, sums in sorted(figures.series.items())
            ],
        ),
        FigureTable(
            "hours",
            ("weekday", "hour", *HOURS),
            [
                (str(weekday), hour, *(sums.total(Measure(name)) for name in HOURS))
                for (weekday, hour), sums in sorted(figures.hours.items())
            ],
        ),
        _incomplete(total),
        _details("attempts", "outcome", total, Measure.ATTEMPTS),
        _details("reached", "tries", total, Measure.REACHED),
        _details("topics", "topic", total, Measure.REGISTERED),
        _details("priorities", "priority", total, Measure.PRIORITY),
        FigureTable(
            "languages",
            ("language", "registered", "kept_percent"),
            [
                (language, sums.total(Measure.REGISTERED), sums.kept_percent)
                for language, sums in sorted(figures.by_language.items())
                if language
            ],
        ),
        _prompts(total),
        FigureTable(
            "mondays",
            ("day", "waiting", "clear"),
            [(each.day.isoformat(), each.waiting, each.clear) for each in figures.mondays],
        ),
        _details("promised", "reason", total, Measure.PROMISED),
        _details("closed", "reason", total, Measure.CLOSED),
        _details("sms", "state", total, Measure.SMS),
    ]


def overview(figures: Figures) -> FigureTable:
    """Return one row for each department, and one for all of them if there are several."""
    nothing = Sums({})
    groups = [(slug, figures.by_department.get(slug, nothing)) for slug in figures.departments]
    if len(groups) > 1:
        groups.append((ALL, figures.total))
    rows = [(name, *(value(sums) for value in OVERVIEW.values())) for name, sums in groups]
    return FigureTable("overview", ("department", *OVERVIEW), rows)


TABLES: Final = (
    *("overview", "series", "hours", "incomplete", "attempts", "reached", "topics", "priorities", "languages"),
    *("prompts", "mondays", "promised", "closed", "sms"),
)
"""The names of all tables, in their order."""


FEWEST: Final = 5
"""Fewer hours of agents than this are not shown: they may be those of one person."""


def _agent_hours(sums: Sums) -> int | None:
    found = sums.total(Measure.AGENT_HOURS)
    return found if found >= FEWEST else None


def _load(sums: Sums) -> float | None:
    found = _agent_hours(sums)
    return round(sums.total(Measure.REGISTERED) / found, 1) if found else None


def _minutes(sums: Sums, measure: Measure, percent: int) -> int | None:
    seconds = sums.durations(measure).percentile(percent)
    return None if seconds is None else seconds // 60


def _details(name: str, column: str, sums: Sums, measure: Measure) -> FigureTable:
    return FigureTable(name, (column, "count"), sums.by_detail(measure))


def _incomplete(sums: Sums) -> FigureTable:
    rows: list[Sequence[Value]] = []
    for detail, n in sorted(sums.by_detail(Measure.INCOMPLETE), key=lambda found: -found[1]):
        step, _, why = detail.partition(".")
        rows.append((step, why, n))
    return FigureTable("incomplete", ("step", "why", "count"), rows)


def _prompts(sums: Sums) -> FigureTable:
    rows: list[Sequence[Value]] = []
    for version, calls in sums.by_detail(Measure.CALLS):
        keyed, again = sums.of(Measure.KEYED, version), sums.of(Measure.AGAIN, version)
        rows.append((version, calls, keyed, again, share(again, keyed)))
    return FigureTable("prompts", ("prompts", "calls", "keyed", "again", "again_percent"), rows)
