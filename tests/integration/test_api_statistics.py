"""The figures through the API and the command: the same numbers as JSON, CSV and workbook, within the scope."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.access.actor import CALLER
from desk.callbacks.model import IncompleteStep
from desk.statistics.export import as_csv, sheet_name
from desk.statistics.figures import Sums
from desk.statistics.model import BOUNDS, Durations, Measure, bucket
from desk.statistics.tables import OVERVIEW, TABLES, FigureTable
from desk.statistics.words import FigureWords
from tests.bench.spreadsheet import differences
from tests.support.desk.desk import call, phone
from tests.support.web.api import World, open_world

CSV = {"format": "csv"}


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def called(world: World, callback: Any, outcome: str) -> None:
    fence = (await world.post(f"/callbacks/{callback.id}/claim"))["fence"]
    await world.post(f"/callbacks/{callback.id}/attempts", {"fence": fence, "outcome": outcome})


async def test_leader_sees_what_happened_to_promises_and_calls(world: World) -> None:
    kept, early, broken = [await world.rings(n) for n in (1, 2, 3)]
    record = world.services.callbacks.registration.record_call
    await record(CALLER, call(90), "kirurgi", phone=phone(90), step=IncompleteStep.IDENTITY)
    await world.rings(4, department="hjerte")
    world.clock.advance(timedelta(minutes=40))
    await called(world, kept, "reached")
    world.clock.set(datetime(2026, 11, 25, 14, 0, tzinfo=UTC))
    await called(world, broken, "no_answer")
    await called(world, early, "reached")
    await world.services.statistics.tallies.follow()
    shown = await world.get("/statistics", params={"from": "2026-11-24", "to": "2026-11-30"})
    by = {row["department"]: row for row in shown["overview"]}
    assert list(by) == ["kirurgi", "hjerte", "all"]
    kirurgi = by["kirurgi"]
    assert (kirurgi["calls"], kirurgi["incomplete"], kirurgi["registered"]) == (4, 1, 3)
    assert (kirurgi["kept"], kirurgi["broken"], kirurgi["kept_percent"]) == (1, 2, 33.3)
    assert (kirurgi["reached"], kirurgi["first_try_percent"], kirurgi["same_day_percent"]) == (2, 100.0, 33.3)
    assert by["hjerte"]["broken"] == 1 and by["all"]["broken"] == 3
    assert shown["incomplete"] == [{"step": "identity", "why": "hung_up", "count": 1}]
    assert shown["attempts"] == [{"outcome": "no_answer", "count": 1}, {"outcome": "reached", "count": 2}]
    assert {"weekday": "1", "hour": 9, "calls": 5, "incomplete": 1, "registered": 4, "attempts": 1} in shown["hours"]
    assert [(row["from"], row["registered"]) for row in shown["series"]] == [("2026-11-24", 4), ("2026-11-25", 0)]
    alone = await world.get("/statistics", params={"department": "hjerte"})
    assert [row["department"] for row in alone["overview"]] == ["hjerte"]


async def test_same_numbers_are_in_every_file(world: World) -> None:
    await world.rings(1)
    await world.services.statistics.tallies.follow()
    rows = (await world.get("/statistics"))["overview"]
    answer = await world.as_("kari", "GET", "/statistics?format=csv")
    assert answer.text.startswith("\ufeffAvdeling;Anrop;")
    table = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")), delimiter=";"))
    assert [row[1] for row in table[1:]] == [str(row["calls"]) for row in rows]
    assert table[-1][0] == "Alle"
    book = await world.as_("kari", "GET", "/statistics?format=xlsx&language=en")
    assert 'filename="innringing-' in book.headers["content-disposition"]
    parts = zipfile.ZipFile(io.BytesIO(book.content))
    assert b"Overview" in parts.read("xl/workbook.xml")
    assert "xl/charts/chart1.xml" in parts.namelist()


async def test_workbook_has_the_numbers_of_each_csv_file_and_sums_agree(world: World) -> None:
    await called(world, await world.rings(1), "reached")
    await world.rings(2, department="hjerte")
    world.clock.advance(timedelta(days=3))
    await world.services.statistics.tallies.follow()
    sheets = sheets_of((await world.as_("kari", "GET", "/statistics?format=xlsx")).content)
    files = {}
    for name in TABLES:
        answer = await world.as_("kari", "GET", f"/statistics?format=csv&table={name}")
        files[sheet_name(FigureWords().table(name))] = answer.text
    assert differences(sheets, files) == []
    head, *departments, both = csv.reader(io.StringIO(sheets["Oversikt"]), delimiter=";")
    for column in ("Anrop", "Tilbakeringinger", "Løfter holdt", "Løfter brutt", "Nådd"):
        place = head.index(column)
        assert sum(int(row[place]) for row in departments) == int(both[place])


def sheets_of(book: bytes) -> dict[str, str]:
    """Read a workbook's sheets by its XML alone, each as CSV."""
    parts = zipfile.ZipFile(io.BytesIO(book))
    space = {"": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    texts = [
        "".join(each.itertext())
        for each in ElementTree.fromstring(parts.read("xl/sharedStrings.xml")).iterfind("si", space)
    ]
    names = [
        each.get("name", "")
        for each in ElementTree.fromstring(parts.read("xl/workbook.xml")).iterfind("sheets/sheet", space)
    ]
    found = {}
    for n, name in enumerate(names, 1):
        out = io.StringIO()
        table = csv.writer(out, delimiter=";")
        rows = list(ElementTree.fromstring(parts.read(f"xl/worksheets/sheet{n}.xml")).iterfind("sheetData/row", space))
        width = max(len(row) for row in rows)
        for row in rows:
            cells = {_column(each.get("r", "")): each for each in row}
            values = [
                (each.get("t"), each.findtext("v", "", space)) if (each := cells.get(k)) is not None else ("", "")
                for k in range(width)
            ]
            table.writerow([texts[int(value)] if kind == "s" else value for kind, value in values])
        found[name] = out.getvalue()
    return found


def _column(place: str) -> int:
    """The column of a place such as B7, from 0."""
    n = 0
    for letter in place.rstrip("0123456789"):
        n = 26 * n + ord(letter) - ord("A") + 1
    return n - 1


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-24&to=2026-11-23",
        "from=2020-01-01&to=2026-01-01",
        "from=9999-12-31",
        "to=0001-01-01",
        "to=9999-12-31",
    ],
)
async def test_range_that_is_none_is_refused(world: World, query: str) -> None:
    answer = await world.as_("kari", "GET", f"/statistics?{query}")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:innringing:problem:statistics-range"


async def test_figures_are_of_ones_own_departments(world: World) -> None:
    await world.token("liv", departments=["hjerte"])
    await world.rings(1)
    await world.services.statistics.tallies.follow()
    shown = (await world.as_("liv", "GET", "/statistics")).json()
    assert shown["departments"] == ["hjerte"]
    assert shown["overview"][0]["calls"] == 0
    assert (await world.as_("liv", "GET", "/statistics?department=kirurgi")).status_code == 403


@pytest.mark.parametrize(("hours", "load"), [(0, None), (4, None), (5, 1.6), (16, 0.5)])
def test_load_is_shown_from_five_hours_of_agents(hours: int, load: float | None) -> None:
    sums = Sums({Measure.AGENT_HOURS: {"": hours}, Measure.REGISTERED: {"": 8}})
    assert OVERVIEW["load"](sums) == load


def test_spreadsheet_runs_no_text_as_a_formula() -> None:
    table = FigureTable("topics", ("topic", "count"), [("=cmd()", 1), ("", 2)])
    assert as_csv(table, FigureWords()).splitlines()[1:] == ["'=cmd();1", "(ikke oppgitt);2"]


@given(st.lists(st.integers(0, BOUNDS[-1]), min_size=1, max_size=60), st.sampled_from([50, 90]))
def test_percentiles_are_within_one_bucket_of_the_exact_value(seconds: list[int], percent: int) -> None:
    counts: dict[str, int] = {}
    for each in seconds:
        place = bucket(timedelta(seconds=each))
        counts[place] = counts.get(place, 0) + 1
    exact = sorted(seconds)[-(-len(seconds) * percent // 100) - 1]
    assert Durations(list(counts.items())).percentile(percent) == BOUNDS[int(bucket(timedelta(seconds=exact)))]
