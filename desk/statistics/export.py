"""The figures as files: CSV for a spreadsheet in Norwegian, and a workbook with charts."""

import csv
from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import Any, Final

import xlsxwriter

from desk.statistics.tables import FigureTable, Value
from desk.statistics.words import FigureWords

BOM: Final = "\ufeff"
"""Excel reads a file as UTF-8 only with it."""


def as_csv(table: FigureTable, words: FigureWords) -> str:
    """Return a table as CSV with semicolons and decimal commas, as Norwegian Excel expects it."""
    out = StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow([words.column(each) for each in table.columns])
    for row in table.rows:
        writer.writerow([_cell(words, column, value) for column, value in zip(table.columns, row, strict=True)])
    return BOM + out.getvalue()


CHARTS: Final = {
    "series": ("line", ("kept", "broken")),
    "incomplete": ("bar", ("count",)),
    "attempts": ("bar", ("count",)),
    "reached": ("column", ("count",)),
    "topics": ("bar", ("count",)),
    "prompts": ("column", ("again_percent",)),
    "mondays": ("column", ("waiting",)),
}
"""The chart beside a table: its kind, and the columns it draws."""
SHEET_NAME: Final = 31
WIDTH: Final = 18


def as_workbook(tables: Sequence[FigureTable], words: FigureWords) -> bytes:
    """Return the tables as a workbook, one sheet each, with charts. Texts are never read as formulas."""
    out = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        for table in tables:
            _write_sheet(book, table, words, head)
    return out.getvalue()


def sheet_name(title: str) -> str:
    """Return what the sheet of a table with this title is called: spreadsheets allow few characters, and not all."""
    return "".join(each for each in title if each not in "[]:*?/\\")[:SHEET_NAME].strip()


def _write_sheet(book: Any, table: FigureTable, words: FigureWords, head: Any) -> None:
    title = words.table(table.name)
    sheet = book.add_worksheet(sheet_name(title))
    sheet.set_column(0, len(table.columns) - 1, WIDTH)
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, words.column(column), head)
    for line, row in enumerate(table.rows, 1):
        for place, (column, value) in enumerate(zip(table.columns, row, strict=True)):
            if isinstance(value, str):
                sheet.write_string(line, place, words.value(column, value))
            elif value is not None:
                sheet.write_number(line, place, value)
    kind, drawn = CHARTS.get(table.name, ("", ()))
    if not kind or not table.rows:
        return
    chart, last = book.add_chart({"type": kind}), len(table.rows)
    for name in drawn:
        place = table.columns.index(name)
        chart.add_series(
            {
                "name": words.column(name),
                "categories": [sheet.name, 1, 0, last, 0],
                "values": [sheet.name, 1, place, last, place],
            }
        )
    chart.set_title({"name": title})
    sheet.insert_chart(1, len(table.columns) + 1, chart)


def in_words(words: FigureWords, column: str, value: Value) -> str:
    """Return a value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return words.value(column, value)
    return str(value).replace(".", ",")


def _cell(words: FigureWords, column: str, value: Value) -> str:
    """A text that starts like a formula gets an apostrophe, so that no spreadsheet runs it."""
    if value is None:
        return ""
    shown = in_words(words, column, value)
    return f"'{shown}" if isinstance(value, str) and shown[:1] in ("=", "+", "-", "@", "\t", "\r") else shown
