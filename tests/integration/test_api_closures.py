"""Closures over REST: closed, listed, ended, and refused when they are over."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from desk.access.permissions import Role
from tests.support.web.api import World, open_world

PATH = "/departments/hjerte/closures"
HOUR = timedelta(hours=1)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        await world.token("lise", Role.LEADER, ["hjerte"])
        await world.token("leder", Role.LEADER, ["kirurgi"])
        yield world


def between(from_: datetime, until: datetime) -> dict[str, str]:
    return {"from": from_.isoformat(), "until": until.isoformat(), "text_key": "closed_course"}


async def closed(world: World) -> dict[str, object]:
    answer = await world.as_("lise", "GET", "/departments")
    return {each["slug"]: each["closed"] for each in answer.json()["items"]}


async def test_closures_are_listed_and_ended(world: World) -> None:
    now = world.clock.now()
    first = await world.as_("lise", "POST", PATH, json=between(now, now + HOUR))
    later = await world.as_("lise", "POST", PATH, json=between(now + 24 * HOUR, now + 25 * HOUR))
    assert (first.status_code, later.status_code) == (201, 201)
    listed = (await world.as_("lise", "GET", PATH)).json()["items"]
    assert listed == [first.json(), later.json()]
    assert (await closed(world))["hjerte"] == first.json()
    for closure in listed:
        assert (await world.as_("lise", "DELETE", f"{PATH}/{closure['id']}")).status_code == 204
    assert (await world.as_("lise", "GET", PATH)).json()["items"] == []
    assert (await closed(world))["hjerte"] is None
    again = await world.as_("lise", "DELETE", f"{PATH}/{first.json()['id']}")
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (404, "closure-not-found")


async def test_closure_wholly_in_the_past_is_refused(world: World) -> None:
    now = world.clock.now()
    answer = await world.as_("lise", "POST", PATH, json=between(now - HOUR, now))
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "closure-over")
    assert (await world.as_("lise", "POST", PATH, json=between(now - HOUR, now + HOUR))).status_code == 201


async def test_closure_of_another_department_is_out_of_reach(world: World) -> None:
    now = world.clock.now()
    made = await world.as_("lise", "POST", PATH, json=between(now, now + HOUR))
    other = await world.as_("leder", "DELETE", f"/departments/kirurgi/closures/{made.json()['id']}")
    assert other.status_code in (403, 404)
    assert (await world.as_("lise", "GET", PATH)).json()["items"] == [made.json()]
