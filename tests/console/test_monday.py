"""The Monday board without scripts: choose, sort, claim."""

import pytest

from tests.support.web.api import World
from tests.support.web.pages import HTML, logged_in

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


async def test_chosen_callbacks_are_sorted_and_claimed(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    someone = await (await logged_in(world)).goes_to("/monday?department=kirurgi")
    assert "2 venter" in someone.text
    await someone.sends("/monday/topic", id=first.id, topic="resept")
    assert "1 er sortert." in someone.text
    assert (await world.get(f"/callbacks/{first.id}"))["topic"] == "resept"
    form = someone.forms("/monday/topic")[0]
    fields = form.fields | {"id": [first.id, second.id], "department": "kirurgi"}
    await someone.client.post("/monday/priority", data=fields | {"priority": "urgent"}, headers=HTML)
    assert (await world.get(f"/callbacks/{second.id}"))["priority"] == "urgent"
    answer = await someone.client.post("/monday/claim", data=fields, headers=HTML)
    assert answer.headers["location"] == "/queue?show=mine"
    assert {each["claimed_by"] for each in (await world.get("/callbacks"))["items"]} == {"kari"}


async def test_nothing_chosen_is_said_in_words(world: World) -> None:
    await world.rings(1)
    someone = await (await logged_in(world)).goes_to("/monday?department=kirurgi")
    await someone.sends("/monday/topic", topic="time")
    assert someone.page.status_code == 422
    assert "Velg minst én tilbakeringing først." in someone.text


async def test_callback_that_a_colleague_closed_is_named_as_left_out(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    someone = await (await logged_in(world)).goes_to("/monday?department=kirurgi")
    await world.as_("ola", "POST", f"/callbacks/{first.id}/close", json={"reason": "other"})
    form = someone.forms("/monday/topic")[0]
    answer = await someone.client.post(
        form.action, data=form.fields | {"id": [first.id, second.id], "topic": "time"}, headers=HTML
    )
    await someone.goes_to(answer.headers["location"])
    assert "1 er sortert. 1 var tatt eller avsluttet av en kollega." in someone.text


async def test_queue_is_filtered_by_topic(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    someone = await (await logged_in(world)).goes_to(f"/callbacks/{first.id}")
    await someone.sends(f"/callbacks/{first.id}/topic", topic="resept")
    assert "Temaet er lagret." in someone.text
    await someone.goes_to("/queue?topic=-resept")
    assert (first.id in someone.page.text, second.id in someone.page.text) == (True, False)
    await someone.goes_to("/queue?topic=none")
    assert (first.id in someone.page.text, second.id in someone.page.text) == (False, True)
