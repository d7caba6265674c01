"""Identity numbers shown to one agent are limited across log-ins and processes, and the department is notified."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from desk.access.actor import SYSTEM
from desk.access.permissions import Permission, Role
from desk.clock import SystemClock
from desk.history.feed import Changes
from desk.limits.errors import TooManyNumbers
from desk.schema import tables
from tests.support.desk.audit import everything
from tests.support.desk.desk import as_agent
from tests.support.web.api import World, open_world, refused

PASSWORD = "ta trikken til Frogner"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, numbers_an_hour=10) as world:
        yield world


async def ring(world: World, count: int, *, first: int = 1) -> list[str]:
    return [(await world.rings(first + n)).id for n in range(count)]


async def uses(world: World, id: str, times: int) -> None:
    for _ in range(times):
        await world.as_("kari", "GET", f"/callbacks/{id}/patient")


async def test_identity_numbers_are_limited_and_then_one_every_few_minutes(world: World) -> None:
    ids = await ring(world, 12)
    for id in ids[:10]:
        assert len((await world.get(f"/callbacks/{id}/patient"))["number"]) == 11
    answer = await world.as_("kari", "GET", f"/callbacks/{ids[10]}/patient")
    refused(answer, 429, "too-many-numbers")
    assert answer.headers["retry-after"] == "360"
    row = (await everything(world.database))[-1]
    assert (row.who, row.action, row.status, row.problem) == ("kari", "get_patient", 429, "too-many-numbers")
    assert 'innringing_limited_requests_total{limit="numbers"} 1.0' in (await world.client.get("/metrics")).text
    history = await world.services.callbacks.lists.history(SYSTEM, ids[10])
    assert "patient_viewed" not in [each.event for each in history]
    assert (await world.as_("ola", "GET", f"/callbacks/{ids[10]}/patient")).status_code == 200
    assert (await world.as_("kari", "GET", f"/callbacks/{ids[10]}")).status_code == 200
    world.clock.advance(timedelta(minutes=6))
    assert (await world.as_("kari", "GET", f"/callbacks/{ids[10]}/patient")).status_code == 200
    refused(await world.as_("kari", "GET", f"/callbacks/{ids[11]}/patient"), 429, "too-many-numbers")


async def test_answer_without_a_number_is_not_counted(world: World) -> None:
    nameless = await world.rings(1, with_identity=False)
    for _ in range(12):
        refused(await world.as_("kari", "GET", f"/callbacks/{nameless.id}/patient"), 404, "no-patient")
    (id,) = await ring(world, 1, first=2)
    assert (await world.as_("kari", "GET", f"/callbacks/{id}/patient")).status_code == 200


async def test_department_is_notified_once_an_hour(world: World) -> None:
    ids = await ring(world, 2)
    for _ in range(10):
        await world.get(f"/callbacks/{ids[0]}/patient")

    async def notices() -> list[tuple[str, str | None, str | None]]:
        changes = await Changes(database=world.database, clock=SystemClock()).between(SYSTEM, 0, 10**6)
        return [
            (each.department, each.actor, each.callback_id) for each in changes if each.event == "number_limit_reached"
        ]

    for _ in range(5):
        await world.as_("kari", "GET", f"/callbacks/{ids[1]}/patient")
    assert await notices() == [("kirurgi", "kari", None)]
    world.clock.advance(timedelta(minutes=59))
    await uses(world, ids[0], 10)
    assert len(await notices()) == 1
    world.clock.advance(timedelta(minutes=2))
    await uses(world, ids[0], 10)
    assert len(await notices()) == 2


async def test_limit_holds_for_simultaneous_requests_and_other_processes(
    world: World, migrated_url: str, tmp_path: Path
) -> None:
    (id,) = await ring(world, 1)
    async with open_world(migrated_url, tmp_path / "other", numbers_an_hour=10) as other:
        other.clock.set(world.clock.now())
        desks = [world.services.callbacks, other.services.callbacks]
        looks = [desks[n % 2].identity_reveal.reveal(as_agent("kari"), id) for n in range(30)]
        answers = await asyncio.gather(*looks, return_exceptions=True)
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 10
    assert all(isinstance(answer, TooManyNumbers) for answer in answers if isinstance(answer, BaseException))
    async with world.database.read() as connection:
        (found,) = (await connection.execute(select(tables.shares))).all()
    assert (found.who, found.full_at) == ("kari", world.clock.now() + timedelta(hours=1))


async def test_new_log_in_does_not_reset_the_limit(world: World) -> None:
    (id,) = await ring(world, 1)
    await world.token("kari")
    await world.services.logins.set_password("kari", PASSWORD)
    await uses(world, id, 11)
    world.clock.advance(timedelta(minutes=5))
    await world.services.logins.by_password("kari", PASSWORD, address="192.0.2.1")
    refused(await world.as_("kari", "GET", f"/callbacks/{id}/patient"), 429, "too-many-numbers")
    world.clock.advance(timedelta(minutes=65))
    await world.services.logins.by_password("kari", PASSWORD, address="192.0.2.1")
    await world.get(f"/callbacks/{id}/patient")


async def test_only_leaders_of_the_department_are_notified(world: World) -> None:
    await world.token("lise", Role.LEADER, ["kirurgi"])
    await world.token("nils", Role.LEADER, ["hjerte"])
    (id,) = await ring(world, 1)
    await uses(world, id, 11)
    for name, count in (("lise", 1), ("nils", 0)):
        agent = await world.services.agents.verify(world.tokens[name])
        assert agent is not None
        changes = await Changes(database=world.database, clock=SystemClock()).between(
            as_agent("reader", agent.scope(Permission.READ)), 0, 10**6
        )
        assert [each.event for each in changes].count("number_limit_reached") == count
