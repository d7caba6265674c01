"""The trunk's budget of one hour: calls and minutes, over all processes and departments."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.database.engine import Database
from desk.dials.model import Dial, DialReason, DialState
from desk.limits.dial_caps import DialCaps
from desk.limits.errors import TrunkBudgetSpent
from tests.support.desk.desk import as_agent
from tests.support.desk.dials import DialWorld, make_dials
from tests.support.fakes import FakeClock
from tests.support.web.api import open_world

ME = "asterisk-1/a"


async def called(world: DialWorld, n: int, *, talks: timedelta | None = None) -> Dial:
    """A dial that has called the patient, and talked for so long if given."""
    dial = await world.requested(n, f"agent-{n}")
    await world.dials.take(SYSTEM, ME, limit=1)
    await world.dials.advance(SYSTEM, dial, ME, DialState.PATIENT_RINGING)
    if talks is not None:
        await world.dials.advance(SYSTEM, dial, ME, DialState.BRIDGED)
        world.clock.advance(talks)
        await world.dials.end(SYSTEM, dial, ME, DialReason.ANSWERED)
    return dial


async def test_no_more_calls_go_out_when_the_calls_of_an_hour_are_spent(database: Database, clock: FakeClock) -> None:
    world = make_dials(database, clock, DialCaps(trunk_calls=2))
    await called(world, 1)
    ready = await world.requested(3)  # requested while there was room, and then another call is faster
    await world.dials.take(SYSTEM, ME, limit=1)
    await called(world, 2)
    with pytest.raises(TrunkBudgetSpent):
        await world.requested(4, "agent-4")
    with pytest.raises(TrunkBudgetSpent):
        await world.dials.advance(SYSTEM, ready, ME, DialState.PATIENT_RINGING)
    await world.dials.end(SYSTEM, ready, ME, DialReason.TRUNK_BUDGET)
    callback = await world.desk.lists.get(SYSTEM, ready.callback_id)
    assert (callback.claimed_by, callback.attempts) == ("kari", ())
    clock.advance(timedelta(hours=1, seconds=1))
    assert (await world.dials.trunk_use(SYSTEM)).calls == 0
    await called(world, 5)


async def test_minutes_count_also_of_calls_that_go_on(database: Database, clock: FakeClock) -> None:
    world = make_dials(database, clock, DialCaps(trunk_minutes=60))
    await called(world, 1, talks=timedelta(minutes=20))
    going_on = await world.requested(2, "agent-2")
    await world.dials.take(SYSTEM, ME, limit=1)
    for state in (DialState.PATIENT_RINGING, DialState.BRIDGED):
        await world.dials.advance(SYSTEM, going_on, ME, state)
    clock.advance(timedelta(minutes=39))
    use = await world.dials.trunk_use(SYSTEM)
    assert (use.calls, use.minutes, use.is_spent) == (2, 59, False)
    clock.advance(timedelta(minutes=10))  # of the first call only the last eleven minutes are of this hour
    assert (await world.dials.trunk_use(SYSTEM)).minutes == 11 + 49
    with pytest.raises(TrunkBudgetSpent):
        await world.requested(3, "agent-3")


async def test_calls_at_the_same_moment_do_not_exceed_the_budget(database: Database, clock: FakeClock) -> None:
    world = make_dials(database, clock, DialCaps(trunk_calls=3))
    dials = [await world.requested(n, f"agent-{n}") for n in range(1, 9)]
    await world.dials.take(SYSTEM, ME, limit=8)
    outcomes = await asyncio.gather(
        *(world.dials.advance(SYSTEM, dial, ME, DialState.PATIENT_RINGING) for dial in dials), return_exceptions=True
    )
    assert sum(isinstance(outcome, Dial) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, TrunkBudgetSpent) for outcome in outcomes) == 5


async def test_spent_budget_is_a_problem_an_alarm_and_a_metric(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path, trunk_calls_an_hour=1) as world:
        world.tokens["ola"] = await world.services.agents.add(SYSTEM, "ola", Role.AGENT, ["*"], phone="ola-phone")
        for n, agent in enumerate(("kari", "ola"), 1):
            callback = await world.rings(n)
            claim = await world.services.callbacks.claiming.claim_named(as_agent(agent), callback.id)
            if n == 1:
                dial = await world.services.dials.request(as_agent(agent), callback.id, claim.fence, "kari-phone")
                await world.services.dials.take(SYSTEM, ME, limit=1)
                await world.services.dials.advance(SYSTEM, dial, ME, DialState.PATIENT_RINGING)
        answer = await world.as_("ola", "POST", f"/callbacks/{callback.id}/dial", json={"fence": claim.fence})
        assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (429, "trunk-budget-spent")
        found = (await world.client.get("/readyz")).json()["components"]["trunk_budget"]
        assert found == {
            "ok": False,
            "detail": "1 of 1 calls and 0 of 3000 minutes an hour: no more calls to patients go out for now",
        }
        metrics = (await world.client.get("/metrics")).text
        assert "innringing_trunk_calls_last_hour 1.0" in metrics
        assert 'innringing_component_ok{component="trunk_budget"} 0.0' in metrics
