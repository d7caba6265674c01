"""The figures for leaders: promises kept, where callers give up, attempts and Mondays; then by everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from api.console.access import PageReader
from api.console.answers import in_words
from api.console.charts import StackedBars, level, stacked_bars
from api.console.fields import EMPTY_IS_NONE, AnySlug
from api.console.rendering import render, words_for
from api.console.words import Wording
from api.web.audit_rules import audited
from desk.access.actor import Actor
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction
from desk.clock import OSLO
from desk.departments.departments import Departments
from desk.errors import DeskError
from desk.statistics.export import in_words as shown_value
from desk.statistics.figures import Figures, SeriesStep, StatisticsReader, Sums
from desk.statistics.model import Measure
from desk.statistics.tables import OVERVIEW, FigureTable, Value, tables_of
from desk.statistics.words import FigureWords

router = APIRouter(prefix="/figures", include_in_schema=False)

FIRST_HOUR: Final = 7
LAST_HOUR: Final = 17
"""The hours that the heat map always shows; others are added where there is something to show."""
STATISTICS: Final = "/api/v1/statistics"
OVERVIEW_PARTS: Final[Mapping[str, Sequence[str]]] = {
    "calls": ("calls", "incomplete", "confirmed", "registered", "rang_again"),
    "promises": ("kept", "broken", "kept_percent", "withdrawn", "reached_early", "same_day_percent"),
    "times": ("first_attempt_median", "first_attempt_p90", "until_reached_median", "until_reached_p90"),
    "calling": ("reached", "first_try_percent", "unreachable", "agent_hours", "load"),
}
"""The columns of the overview, in tables that are narrow enough to be read without scrolling sideways."""


Day = Annotated[date | None, EMPTY_IS_NONE, Query()]


@dataclass(frozen=True)
class KeptNow:
    """Promises that were due in a time: how many were kept, of how many. `percent` is None while none were due."""

    word: str
    kept: int
    due: int
    percent: str | None

    @classmethod
    def of(cls, word: str, sums: Sums) -> "KeptNow":
        """The promises of these sums."""
        kept = sums.total(Measure.KEPT)
        percent = sums.kept_percent
        shown = None if percent is None else f"{percent:g}".replace(".", ",")
        return cls(word, kept, kept + sums.total(Measure.BROKEN), shown)


@dataclass(frozen=True)
class ShownTable:
    """A table in words. `bars`: how long the bar of each row is, in percent; empty without bars."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[float]
    csv: str


@dataclass(frozen=True)
class HeatMap:
    """Calls by weekday and hour: for each hour its cells, as (number, how dark)."""

    hours: Sequence[int]
    rows: Sequence[tuple[str, Sequence[tuple[int, int]]]]


@router.get("")
@audited(AuditAction.STATISTICS)
async def figures_page(
    request: Request,
    access: PageReader,
    department: AnySlug = "",
    from_: Annotated[date | None, EMPTY_IS_NONE, Query(alias="from")] = None,
    to: Day = None,
    bucket: Annotated[SeriesStep | None, EMPTY_IS_NONE, Query()] = None,
) -> Response:
    """Show the figures of one's departments, by default of the last four weeks."""
    reader, services = access.acting(Permission.READ), access.services
    today = services.clock.now().astimezone(OSLO).date()
    alert, status = None, 200
    read = services.statistics.figures
    try:
        figures = await read(reader, department=department or None, first=from_, last=to, step=bucket)
    except DeskError as error:
        alert, status = in_words(words_for(request), error), 422
        department = department if reader.scope.covers(department) and department in services.departments() else ""
        figures = await read(reader, department=department or None)
    values = _values(request, figures, department, services.departments())
    values["kept"] = await _kept_now(services.statistics, reader, department, figures, today)
    values["departments"] = [each for each in services.departments().all() if reader.scope.covers(each.slug)]
    return render(request, "figures.html", access, status=status, alert=alert, **values)


async def _kept_now(
    statistics: StatisticsReader, reader: Actor, department: str, figures: Figures, today: date
) -> list[KeptNow]:
    monday = today - timedelta(days=today.weekday())
    shown = []
    for word, first in (("today", today), ("week", monday)):
        found = await statistics.kept(reader, department=department or None, first=first, last=today)
        shown.append(KeptNow.of(word, found))
    return [*shown, KeptNow.of("chosen", figures.total)]


def _values(request: Request, figures: Figures, department: str, departments: Departments) -> dict[str, Any]:
    language = words_for(request).language
    words = FigureWords(language)
    chosen = {
        "department": department,
        "from": figures.first.isoformat(),
        "to": figures.last.isoformat(),
        "bucket": figures.step.value,
    }
    file = {**{key: value for key, value in chosen.items() if value}, "language": language}
    names = {each.slug: each.name for each in departments.all()}
    topics = {key: name for each in departments.all() for key, name in each.topics.items()}
    tables = {
        table.name: _shown(table, words, names | {"": ""} if table.name == "overview" else topics, file)
        for table in tables_of(figures)
    }
    return {
        "overview": _parts(tables["overview"], words_for(request)),
        "chosen": chosen,
        "steps": [each.value for each in SeriesStep],
        "tables": tables,
        "trend": _trend(figures),
        "heat": _heat(figures, words),
        "heat_title": words.table("hours"),
        "workbook": f"{STATISTICS}?{urlencode({**file, 'format': 'xlsx'})}",
    }


def _trend(figures: Figures) -> StackedBars:
    bars = [
        (f"{day:%d.%m.%Y}", (sums.total(Measure.KEPT), sums.total(Measure.BROKEN)))
        for day, sums in sorted(figures.series.items())
    ]
    return stacked_bars(bars)


def _shown(table: FigureTable, words: FigureWords, names: Mapping[str, str], file: Mapping[str, str]) -> ShownTable:
    def text(column: str, value: Value) -> str:
        if column in ("department", "topic") and isinstance(value, str) and names.get(value):
            return names[value]
        return shown_value(words, column, value)

    rows = [[text(column, value) for column, value in zip(table.columns, row, strict=True)] for row in table.rows]
    counts = [row[-1] for row in table.rows if isinstance(row[-1], int)] if table.columns[-1] == "count" else []
    most = max(counts, default=0)
    return ShownTable(
        name=table.name,
        title=words.table(table.name),
        columns=[words.column(each) for each in table.columns],
        rows=rows,
        bars=[round(100 * each / most, 1) for each in counts] if most else [],
        csv=f"{STATISTICS}?{urlencode({**file, 'format': 'csv', 'table': table.name})}",
    )


def _parts(overview: ShownTable, words: Wording) -> list[ShownTable]:
    """The overview as several tables, each with a few of its columns."""
    places = {column: place for place, column in enumerate(OVERVIEW, start=1)}  # the department is the first
    parts = []
    for name, columns in OVERVIEW_PARTS.items():
        chosen = [0, *(places[column] for column in columns)]
        parts.append(
            replace(
                overview,
                title=words(f"figures.overview_{name}"),
                columns=[overview.columns[place] for place in chosen],
                rows=[[row[place] for place in chosen] for row in overview.rows],
            )
        )
    return parts


def _heat(figures: Figures, words: FigureWords) -> HeatMap:
    calls = {place: sums.total(Measure.CALLS) for place, sums in figures.hours.items()}
    most = max(calls.values(), default=0)
    used = {hour for (_, hour), n in calls.items() if n}
    hours = range(min([FIRST_HOUR, *used]), max([LAST_HOUR, *used]) + 1)
    weekdays = range(7)
    rows = [
        (
            words.value("weekday", str(day)),
            [(calls.get((day, hour), 0), level(calls.get((day, hour), 0), most)) for hour in hours],
        )
        for day in weekdays
    ]
    return HeatMap(list(hours), rows)
