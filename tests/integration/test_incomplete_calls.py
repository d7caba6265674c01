"""Incomplete calls: each waits until someone makes a callback of it or says why it needs none."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from desk.access.actor import CALLER
from desk.access.permissions import Role
from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world, refused
from tests.support.web.pages import logged_in


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as opened:
        yield opened


async def hangs_up(
    world: World, n: int = 1, *, phone: bool = True, person: bool = False, where: str = "kirurgi"
) -> Any:
    """Someone rings and hangs up before anything is registered. Returns the call as an agent sees it."""
    await world.services.callbacks.registration.record_call(
        CALLER,
        CallKey("node-1", f"left-{n}"),
        where,
        phone=parse_phone(f"+476805{n:04}") if phone else None,
        step=IncompleteStep.PHONE,
        why=WhyEnded.HUNG_UP,
        patient=parse_identity(synthetic_identity(n), allow_test=True, allow_h=False) if person else None,
    )
    return (await world.get("/calls", params={"incomplete": True}))["items"][-1]


async def test_callback_is_made_of_a_call_with_the_person_who_was_keyed(world: World) -> None:
    call = await hangs_up(world, person=True)
    booked = await world.post(f"/calls/{call['id']}/callback", status=201)
    assert (booked["phone"], booked["patient"]["masked"][:6]) == ("+4768050001", synthetic_identity(1)[:6])
    (seen,) = (await world.get("/calls", params={"incomplete": True}))["items"]
    assert (seen["follow_up"], seen["led_to"], seen["incomplete"]) == ("booked", booked["id"], True)


async def test_call_is_dealt_with_once(world: World) -> None:
    call = await hangs_up(world)
    answer = await world.as_("kari", "POST", f"/calls/{call['id']}/dismiss", json={"reason": "reached"})
    assert answer.status_code == 204
    for path, body in (("dismiss", {"reason": "other"}), ("callback", None)):
        refused(await world.as_("ola", "POST", f"/calls/{call['id']}/{path}", json=body), 409, "call-dealt-with")


async def test_call_without_a_number_is_not_booked(world: World) -> None:
    call = await hangs_up(world, phone=False)
    refused(await world.as_("kari", "POST", f"/calls/{call['id']}/callback"), 409, "no-number")


async def test_call_of_another_department_is_not_found(world: World) -> None:
    call = await hangs_up(world, where="hjerte")
    await world.token("kim", Role.AGENT, ["kirurgi"])
    refused(await world.as_("kim", "POST", f"/calls/{call['id']}/callback"), 404, "call-not-found")


async def test_complete_call_is_not_dealt_with(world: World) -> None:
    await world.rings(1)
    (call,) = (await world.get("/calls"))["items"]
    refused(
        await world.as_("kari", "POST", f"/calls/{call['id']}/dismiss", json={"reason": "other"}), 404, "call-not-found"
    )


async def test_page_lists_only_what_no_one_has_dealt_with(world: World) -> None:
    await hangs_up(world, 1)
    second = await hangs_up(world, 2)
    someone = await (await logged_in(world)).goes_to("/incomplete")
    await someone.sends(f"/incomplete/{second['id']}/dismiss", reason="not_needed")
    assert "68 05 00 01" in someone.text
    assert "68 05 00 02" not in someone.text
    await someone.sends("/incomplete/[0-9]+/callback")
    assert someone.page.url.path.startswith("/callbacks/")
    await someone.goes_to("/incomplete")
    assert "Ingen ufullstendige innringinger venter." in someone.text


async def test_search_by_identity_number_or_phone_finds_calls_that_wait(world: World) -> None:
    call = await hangs_up(world, person=True)
    withheld = await hangs_up(world, 2, phone=False, person=True)
    await hangs_up(world, 3, person=True, where="hjerte")
    await world.token("kim", Role.AGENT, ["kirurgi"])
    searched = {
        synthetic_identity(1): [call["id"]],
        synthetic_identity(2): [withheld["id"]],
        synthetic_identity(3): [],  # another department's
        "68050001": [call["id"]],
    }
    for text, found in searched.items():
        answer = await world.as_("kim", "POST", "/search", json={"text": text})
        assert [each["id"] for each in answer.json()["calls"]] == found, text
    await world.as_("kari", "POST", f"/calls/{withheld['id']}/dismiss", json={"reason": "reached"})
    answer = await world.as_("kim", "POST", "/search", json={"text": synthetic_identity(2)})
    assert answer.json() == {"items": [], "calls": []}
    someone = await (await logged_in(world)).goes_to("/search")
    await someone.sends("/search", text=synthetic_identity(1))
    assert f"/incomplete#call-{call['id']}" in someone.page.text


async def test_identity_number_of_a_call_that_became_a_callback_leaves_no_index(world: World) -> None:
    await hangs_up(world, person=True)
    await world.services.callbacks.registration.register(
        CALLER, CallKey("node-1", "left-1"), "kirurgi", None, parse_phone("+4768050001")
    )
    answer = await world.as_("kari", "POST", "/search", json={"text": synthetic_identity(1)})
    assert answer.json()["calls"] == []
    assert [each["call_count"] for each in answer.json()["items"]] == [1]
