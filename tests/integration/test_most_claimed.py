"""One agent may have only a certain number of callbacks at once, in all departments and processes; on both engines."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.callbacks.services import CallbackServices, callback_services
from desk.database.engine import Database
from desk.inquiries.errors import TooManyClaimed
from desk.vault.vault import Vault
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, person, phone
from tests.support.fakes import FakeClock
from tests.support.web.api import World, open_world, refused

MOST = 3


def limited(database: Database, clock: FakeClock) -> CallbackServices:
    return callback_services(
        database=database, departments=lambda: DEPARTMENTS, vault=Vault(**KEYS), clock=clock, most_claimed=MOST
    )


async def fill(desk: CallbackServices, many: int) -> list[str]:
    stored = []
    for n in range(1, many + 1):
        where = ("kirurgi", "hjerte")[n % 2]
        result = await desk.registration.register(CALLER, call(n), where, person(n), phone(n))
        stored.append(result.callback.id)
    return stored


async def test_agent_gets_no_more_than_the_most_in_all_departments(database: Database, clock: FakeClock) -> None:
    desk, kari, ole = limited(database, clock), as_agent("kari"), as_agent("ole")
    ids = await fill(desk, 10)
    claimed = await desk.claiming.claim(kari, "kirurgi", limit=2)
    claimed += await desk.claiming.claim(kari, "hjerte", limit=5)
    assert len(claimed) == MOST
    for again in (desk.claiming.claim(kari, "hjerte"), desk.claiming.claim(kari, "kirurgi", limit=9)):
        with pytest.raises(TooManyClaimed):
            await again
    free = next(id for id in ids if id not in {each.id for each in claimed})
    with pytest.raises(TooManyClaimed):
        await desk.claiming.claim_named(kari, free)
    await desk.claiming.claim_named(kari, claimed[0].id)  # her own, with a longer lease
    assert len(await desk.claiming.claim(ole, "hjerte", limit=2)) == 2, "others are not held back"
    await desk.claiming.release(kari, claimed[0].id, claimed[0].fence)
    assert len(await desk.claiming.claim(kari, "kirurgi", limit=9)) == 1
    clock.advance(timedelta(hours=1))
    assert len(await desk.claiming.claim(kari, "kirurgi", limit=9)) == MOST, "leases that ran out count no more"


async def test_places_of_a_full_agent_go_to_the_next(database: Database, clock: FakeClock) -> None:
    desk = limited(database, clock)
    await fill(desk, 20)
    await desk.claiming.claim(as_agent("kari"), "kirurgi", limit=MOST)
    asked = [("kari", 2), ("ole", 2), ("kari", 1), ("lise", 4)]
    claims = (desk.claiming.claim(as_agent(name), "kirurgi", limit=limit) for name, limit in asked)
    found = await asyncio.gather(*claims, return_exceptions=True)
    assert [type(found[0]), type(found[2])] == [TooManyClaimed] * 2
    taken = [each for part in (found[1], found[3]) if isinstance(part, list) for each in part]
    assert [each.claimed_by for each in taken] == ["ole"] * 2 + ["lise"] * 3
    line = [each for each in (await desk.lists.page(SYSTEM)).items if each.department == "kirurgi"]
    assert [each.claimed_by is None for each in line] == [False] * 8 + [True] * 2, "no one in line was passed over"


async def test_two_processes_together_hand_out_no_more(database: Database, clock: FakeClock) -> None:
    other = Database(str(database.engine.url), pool_size=4)
    desks = [limited(database, clock), limited(other, clock)]
    try:
        ids = await fill(desks[0], 12)
        claims = (desks[n % 2].claiming.claim_named(as_agent("kari"), id) for n, id in enumerate(ids))
        found = await asyncio.gather(*claims, return_exceptions=True)
    finally:
        await other.close()
    assert sum(not isinstance(each, Exception) for each in found) == MOST
    assert all(isinstance(each, TooManyClaimed) for each in found if isinstance(each, Exception))


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, claims_at_once=1) as world:
        await world.token("kari", Role.AGENT, ["kirurgi"])
        yield world


async def test_claim_beyond_the_setting_is_a_problem_document(world: World) -> None:
    ids = [(await world.rings(n)).id for n in (1, 2)]
    assert (await world.as_("kari", "POST", f"/callbacks/{ids[0]}/claim")).status_code == 200
    refused(await world.as_("kari", "POST", f"/callbacks/{ids[1]}/claim"), 409, "too-many-claimed")
    body = {"department": "kirurgi"}
    refused(await world.as_("kari", "POST", "/callbacks/claim", json=body), 409, "too-many-claimed")
