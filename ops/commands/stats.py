"""`innringing stats show|recount`: the figures in the terminal or as a file, and a count of everything to compare."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from desk.access.actor import SYSTEM
from desk.clock import SystemClock
from desk.departments.file import load_departments
from desk.settings.settings import Settings
from desk.statistics.export import as_csv, as_workbook, in_words
from desk.statistics.figures import Figures, StatisticsReader
from desk.statistics.tables import TABLES, FigureTable, tables_of
from desk.statistics.tallies import Recount, Tallies
from desk.statistics.words import FigureWords
from ops.commands.terminal import current_database, fail, load_settings, run, say
from ops.messages.translation import translated

MOST_SHOWN = 20
First = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day, as 2026-12-24; by default four weeks ago.")
]
Last = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day; by default today.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show the figures, or prove that they are right.")


@app.command()
def show(
    table: Annotated[str, typer.Argument(help=f"One of {', '.join(TABLES)}.")] = TABLES[0],
    department: Annotated[str | None, typer.Option(help="The department's slug; by default all.")] = None,
    since: First = None,
    until: Last = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file, for a spreadsheet.")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write all tables to this workbook, with charts.")] = None,
) -> None:
    """Show a table of figures; by default the overview of the last four weeks."""
    if table not in TABLES:
        fail(f"There is no table {table}. Use one of {', '.join(TABLES)}.")
    settings = load_settings()
    figures = run(_figures(settings, department, _day(since), _day(until)))
    found = next(each for each in tables_of(figures) if each.name == table)
    if csv:
        csv.write_text(as_csv(found, FigureWords()), encoding="utf-8", newline="")
        say(f"Wrote {csv}.")
    if xlsx:
        xlsx.write_bytes(as_workbook(tables_of(figures), FigureWords()))
        say(f"Wrote {xlsx}.")
    if csv or xlsx:
        return
    Console().print(_table(found, figures))


@app.command()
def recount(
    repair: Annotated[bool, typer.Option(help="Replace what is wrong by what was counted.")] = False,
) -> None:
    """Count everything from the beginning and compare. Exit with 1 if the stored figures differ."""
    found = run(_recount(load_settings(), repair))
    for cell, stored, counted in found.differences[:MOST_SHOWN]:
        where = f"{cell.grain} {cell.period} {cell.department} {cell.measure} {cell.detail}".rstrip()
        typer.echo(translated(f"{where}: {stored} stored, {counted} counted"))
    if not found.differences:
        say(f"All {found.cells} figures are equal to a count of everything.")
    elif repair:
        say(f"{len(found.differences)} of {found.cells} figures were wrong, and are corrected.")
    else:
        fail(f"{len(found.differences)} of {found.cells} figures are wrong. Correct them with --repair.")


async def _figures(settings: Settings, department: str | None, first: date | None, last: date | None) -> Figures:
    departments = load_departments(settings.files.departments)
    async with current_database(settings) as database:
        clock = SystemClock()
        await Tallies(database=database, clock=clock).follow()
        reader = StatisticsReader(database=database, departments=lambda: departments, clock=clock)
        return await reader.figures(SYSTEM, department=department, first=first, last=last)


async def _recount(settings: Settings, repair: bool) -> Recount:
    async with current_database(settings) as database:
        return await Tallies(database=database, clock=SystemClock()).recount(repair=repair)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _table(found: FigureTable, figures: Figures) -> Table:
    """Show a table with few rows and many columns on its side, so that it fits a terminal."""
    words = FigureWords()
    shown = Table(title=f"{words.table(found.name)}, {figures.first} – {figures.last}")
    texts = [
        [in_words(words, column, value) for column, value in zip(found.columns, row, strict=True)] for row in found.rows
    ]
    headings = [words.column(each) for each in found.columns]
    if len(headings) > 8:
        for text in [headings[0], *(row[0] for row in texts)]:
            shown.add_column(text)
        for place, heading in enumerate(headings[1:], 1):
            shown.add_row(heading, *(row[place] for row in texts))
        return shown
    for heading in headings:
        shown.add_column(heading)
    for row in texts:
        shown.add_row(*row)
    return shown
