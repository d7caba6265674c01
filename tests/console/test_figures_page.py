"""The figures for leaders, as a page: the numbers of the API, in words, with files of exactly what is shown."""

import re
from datetime import timedelta
from html import unescape

import pytest

from api.console.charts import HEIGHT, level, stacked_bars
from api.console.pages.figures import OVERVIEW_PARTS
from desk.access.permissions import Role
from desk.statistics.tables import OVERVIEW
from tests.support.web.api import World
from tests.support.web.pages import logged_in

SQLITE = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


async def counted(world: World) -> None:
    kept, _ = await world.rings(1), await world.rings(2)
    fence = (await world.post(f"/callbacks/{kept.id}/claim"))["fence"]
    await world.post(f"/callbacks/{kept.id}/attempts", {"fence": fence, "outcome": "reached"})
    world.clock.advance(timedelta(hours=7))
    await world.services.statistics.tallies.follow()


@SQLITE
async def test_leader_sees_kept_promises_and_gets_the_same_as_a_file(world: World) -> None:
    await counted(world)
    await world.token("lise", Role.LEADER, ["kirurgi"])
    lise = await (await logged_in(world, "lise")).goes_to("/figures")
    assert "50 % 1 av 2" in " ".join(lise.text.split())
    assert "Kirurgisk poliklinikk" in lise.text and "Hjertepoliklinikken" not in lise.text
    files = [unescape(each) for each in re.findall(r'href="(/api/v1/statistics[^"]*)"', lise.page.text)]
    assert len(files) == 15
    series = next(each for each in files if "table=series" in each)
    answer = await lise.client.get(series)
    assert "24.11.2026;2;0;2;1;1;1;50,0" in answer.text.splitlines()
    assert re.search(r"<td[^>]*>50,0</td>", lise.page.text)


@SQLITE
async def test_wrong_range_is_said_and_the_usual_one_is_shown(world: World) -> None:
    await world.token("lise", Role.LEADER)
    lise = await (await logged_in(world, "lise")).goes_to("/figures?from=2026-11-24&to=2026-11-01")
    assert lise.page.status_code == 422
    assert 'value="2026-10-28"' in lise.page.text


def test_each_column_of_the_overview_is_in_one_of_its_tables() -> None:
    assert [column for columns in OVERVIEW_PARTS.values() for column in columns] == list(OVERVIEW)


def test_bars_fill_the_height_and_cells_are_darker_with_more() -> None:
    drawn = stacked_bars([("mandag", (3, 1)), ("tirsdag", (0, 2))])
    assert (drawn.top, [each.height for each in drawn.rectangles]) == (4, [HEIGHT * 0.75, HEIGHT * 0.25, HEIGHT * 0.5])
    assert [level(n, 100) for n in (0, 1, 20, 21, 100)] == [0, 1, 1, 2, 5]
