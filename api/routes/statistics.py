"""The figures: statistics of departments, as JSON, as CSV for a spreadsheet, or as a workbook."""

import asyncio
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.access import Reader
from api.idempotency import answered, respond
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, DepartmentQuery
from api.schemas.statistics import StatisticsOut
from api.web.audit_rules import audited
from desk.audit.actions import AuditAction
from desk.statistics.errors import RangeTooLong
from desk.statistics.export import as_csv, as_workbook
from desk.statistics.figures import SeriesStep
from desk.statistics.tables import TABLES, tables_of
from desk.statistics.words import FigureWords

router = APIRouter(prefix=API, tags=["statistics"])

STATUSES = {RangeTooLong: 422}
FIELDS = {RangeTooLong: ("query", "to")}
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES = {
    "text/csv": {"schema": {"type": "string"}},
    WORKBOOK: {"schema": {"type": "string", "format": "binary"}},
}

TableName = StrEnum("TableName", {name: name for name in TABLES})  # type: ignore[misc]  # the names are data


class StatisticsFormat(StrEnum):
    """How the figures are sent."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


@router.get(
    "/statistics",
    operation_id="getStatistics",
    response_model=StatisticsOut,
    responses={200: {"content": FILES}, **problems(NO_DEPARTMENT)},
)
@audited(AuditAction.STATISTICS)
async def statistics(
    access: Reader,
    department: DepartmentQuery = None,
    from_: Annotated[date | None, Query(alias="from", description="The first day. By default four weeks back.")] = None,
    to: Annotated[date | None, Query(description="The last day. By default today.")] = None,
    bucket: Annotated[SeriesStep | None, Query(description="How `series` is divided.")] = None,
    format: StatisticsFormat = StatisticsFormat.JSON,
    table: Annotated[TableName, Query(description="The table that is sent as CSV.")] = TableName["overview"],
    language: Annotated[Literal["nb", "nn", "en"], Query(description="Of the headings in files.")] = "nb",
) -> Response:
    """Count calls, callbacks, attempts and promises by department, time, topic, language and version of the prompts.

    The numbers are kept up to date within seconds. No person is in them. Percentages are null while there is nothing.
    """
    figures = await access.services.statistics.figures(
        access.actor, department=department, first=from_, last=to, step=bucket
    )
    if format is StatisticsFormat.JSON:
        return respond(answered(StatisticsOut.of(figures)))
    if format is StatisticsFormat.XLSX:
        book = await asyncio.to_thread(as_workbook, tables_of(figures), FigureWords(language))
        return Response(book, media_type=WORKBOOK, headers=_named(f"innringing-{figures.first}-{figures.last}.xlsx"))
    found = next(each for each in tables_of(figures) if each.name == table.value)
    headers = _named(f"innringing-{found.name}-{figures.first}-{figures.last}.csv")
    return Response(as_csv(found, FigureWords(language)), media_type="text/csv; charset=utf-8", headers=headers)


def _named(file: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{file}"'}
