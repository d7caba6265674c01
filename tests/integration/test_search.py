"""Search: who is on the phone is found in one step, within the searcher's departments, and it is recorded."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from desk.access.permissions import Role
from tests.support.desk.audit import everything
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world, refused
from tests.support.web.pages import logged_in


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, numbers_an_hour=10) as opened:
        yield opened


async def found(world: World, text: str, by: str = "kari") -> list[Any]:
    answer = await world.as_(by, "POST", "/search", json={"text": text})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.parametrize("written", ["68050001", "+47 680 50 001", "(+47) 68 05 00 01", "0047 68050001"])
async def test_caller_is_found_by_phone_however_it_is_written(world: World, written: str) -> None:
    callback = await world.rings(1)
    await world.rings(2)
    assert await found(world, written) == [callback.id]


async def test_person_is_found_by_identity_number_open_callbacks_first(world: World) -> None:
    closed, other = await world.rings(1), await world.rings(1, department="hjerte")
    await world.post(f"/callbacks/{closed.id}/close", {"reason": "other"})
    number = synthetic_identity(1)
    assert await found(world, f"{number[:6]} {number[6:]}") == [other.id, closed.id]


async def test_callback_is_found_by_words_of_its_note(world: World) -> None:
    callback = await world.rings(1)
    await world.as_(
        "kari", "PATCH", f"/callbacks/{callback.id}", json={"note": "Gjelder gipsen"}, headers={"If-Match": "*"}
    )
    assert await found(world, "GIPS") == [callback.id]


async def test_other_departments_are_not_searched(world: World) -> None:
    await world.rings(1, department="hjerte")
    await world.token("kim", Role.AGENT, ["kirurgi"])
    assert await found(world, "68050001", by="kim") == []
    assert await found(world, synthetic_identity(1), by="kim") == []


@pytest.mark.parametrize("text", ["x", "123", "680500017777777", "a12345"])
async def test_text_that_can_be_nothing_is_refused_with_its_field(world: World, text: str) -> None:
    answer = await world.as_("kari", "POST", "/search", json={"text": text})
    refused(answer, 422, "nothing-to-search-for")
    assert [each["pointer"] for each in answer.json()["errors"]] == ["#/text"]


async def test_searches_by_identity_number_are_limited_and_recorded_found_or_not(world: World) -> None:
    for person in range(1, 11):
        assert await found(world, synthetic_identity(person)) == []
    answer = await world.as_("kari", "POST", "/search", json={"text": synthetic_identity(11)})
    refused(answer, 429, "too-many-numbers")
    assert await found(world, "68050001") == []
    rows = [row for row in await everything(world.database) if row.action == "search"]
    assert [row.outcome for row in rows] == ["done"] * 10 + ["refused", "done"]


async def test_page_finds_without_a_number_in_its_address(world: World) -> None:
    callback = await world.rings(1)
    someone = await (await logged_in(world)).goes_to("/search")
    await someone.sends("/search", text=synthetic_identity(1))
    assert someone.page.url.path == "/search"
    assert not someone.page.url.query
    assert callback.id in someone.page.text
    assert synthetic_identity(1) not in someone.page.text
    await someone.sends("/search", text="x")
    assert "minst to bokstaver" in someone.text
