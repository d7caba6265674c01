"""A simulation of Monday morning: `python -m tests.bench.monday`.

Fifty people called over a weekend, in two departments. Four agents' programs call them back over REST, one after
another, through dials; the exchange and the patients are simulated, and three in ten do not answer the first time. The
clock jumps from one event to the next. Exit code 1 unless everyone is reached or unreachable by the rules, and no one
was called outside the hours.
"""

import asyncio
import heapq
import random
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.callbacks.model import Callback
from desk.clock import OSLO
from desk.departments.calendar import may_ring
from desk.dials.model import DialReason, DialState
from desk.inquiries.model import Status
from desk.schema.migrate import migrate
from tests.support.web.api import DEPARTMENTS, World, open_world

PEOPLE = 50
AGENTS = (("kari", "kirurgi"), ("ola", "kirurgi"), ("liv", "hjerte"), ("per", "hjerte"))
SILENT_FIRST, SILENT_LATER = 0.3, 0.15
SATURDAY = datetime(2026, 11, 21, 8, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)  # eight in Oslo
LAST_DAY = MONDAY + timedelta(days=5)
RINGING, TALKING, LOOKING = timedelta(seconds=40), timedelta(minutes=4), timedelta(minutes=10)
EXCHANGE = "asterisk-1/monday"


@dataclass
class Announcement:
    """The result of the simulation."""

    dials: int = 0
    rung_outside_hours: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    first_rung: dict[str, datetime] = field(default_factory=dict)


async def weekend(world: World) -> list[Callback]:
    """Everyone calls, spread over Saturday and Sunday."""
    rang = []
    for n in range(1, PEOPLE + 1):
        world.clock.set(SATURDAY + n * timedelta(minutes=50))
        rang.append(await world.rings(n, department=AGENTS[n % len(AGENTS)][1]))
    return rang


async def ring_next(world: World, agent: str, department: str, told: Announcement, dice: random.Random) -> timedelta:
    """One agent's next call. Returns the time until the agent is free again."""
    claimed = await world.as_(agent, "POST", "/callbacks/claim", json={"department": department})
    items = claimed.raise_for_status().json()["items"]
    if not items:
        return LOOKING
    id, fence = items[0]["id"], items[0]["fence"]
    asked = await world.as_(agent, "POST", f"/callbacks/{id}/dial", json={"fence": fence})
    if asked.status_code != 202:
        reason = asked.json()["type"].rpartition(":")[2]
        told.refused[reason] = told.refused.get(reason, 0) + 1
        (await world.as_(agent, "POST", f"/callbacks/{id}/release", json={"fence": fence})).raise_for_status()
        return LOOKING
    (dial,) = await world.services.dials.take(SYSTEM, EXCHANGE, limit=1)
    dial = await world.services.dials.advance(SYSTEM, dial, EXCHANGE, DialState.PATIENT_RINGING)
    told.dials += 1
    told.first_rung.setdefault(id, world.clock.now())
    told.rung_outside_hours += not may_ring(DEPARTMENTS.get(department), world.clock.now())
    if dice.random() < (SILENT_LATER if items[0]["attempts"] else SILENT_FIRST):
        await world.services.dials.end(SYSTEM, dial, EXCHANGE, DialReason.NO_ANSWER)
        return RINGING
    dial = await world.services.dials.advance(SYSTEM, dial, EXCHANGE, DialState.BRIDGED)
    await world.services.dials.end(SYSTEM, dial, EXCHANGE, DialReason.ANSWERED)
    outcome = {"fence": fence, "outcome": "reached"}
    (await world.as_(agent, "POST", f"/callbacks/{id}/attempts", json=outcome)).raise_for_status()
    return TALKING


async def play(folder: Path) -> tuple[Announcement, list[Callback], list[Callback]]:
    """Print the result, the callbacks as promised, and their final state."""
    url = f"sqlite+aiosqlite:///{folder / 'monday.db'}"
    await migrate(url)
    dice, told = random.Random(20261123), Announcement()
    async with open_world(url, folder) as world:
        for agent, department in AGENTS:
            phone = f"{agent}-phone"
            world.tokens[agent] = await world.services.agents.add(SYSTEM, agent, Role.AGENT, [department], phone=phone)
        promised = await weekend(world)
        free = [(MONDAY - timedelta(minutes=30) + n * timedelta(seconds=20), n) for n in range(len(AGENTS))]
        while free[0][0] < LAST_DAY and await _somebody_waits(world):
            now, n = heapq.heappop(free)
            world.clock.set(now)
            again = now + await ring_next(world, *AGENTS[n], told, dice)
            heapq.heappush(free, (_at_work(again), n))
        after = [await world.services.callbacks.lists.get(SYSTEM, callback.id) for callback in promised]
    return told, promised, after


async def _somebody_waits(world: World) -> bool:
    waiting = await world.services.callbacks.lists.counts(SYSTEM)
    return any(count for (_, status), count in waiting.items() if status in (Status.WAITING, Status.CLAIMED))


def _at_work(moment: datetime) -> datetime:
    """Agents arrive at half past seven, before the ringing hours, and leave at half past four, after them."""
    local = moment.astimezone(OSLO)
    if (local.hour, local.minute) < (16, 30):
        return moment
    return (local + timedelta(days=1)).replace(hour=7, minute=30, second=0).astimezone(UTC)


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        told, promised, after = asyncio.run(play(Path(folder)))
    reached = sum(one.status is Status.CLOSED for one in after)
    unreachable = [one for one in after if one.status is Status.UNREACHABLE]
    by_the_rules = all(sum(attempt.counted for attempt in one.attempts) == 3 for one in unreachable)
    kept = {
        department.slug: [
            one.id in told.first_rung and told.first_rung[one.id] <= one.promise.by + _round_takes(one)
            for one in promised
            if one.department == department.slug
        ]
        for department in DEPARTMENTS.all()
    }
    print(f"{len(after)} waited: {reached} reached, {len(unreachable)} unreachable, {told.dials} dials")
    for slug, each in kept.items():
        print(f"promises kept in {slug}: {sum(each)} of {len(each)} ({100 * sum(each) / len(each):.0f} %)")
    print(f"rung outside the hours: {told.rung_outside_hours}; refused: {told.refused}")
    fine = reached + len(unreachable) == PEOPLE and by_the_rules and not told.rung_outside_hours
    sys.exit(0 if fine else 1)


def _round_takes(callback: Callback) -> timedelta:
    """A round begins at the promised time and lasts an hour; a deadline is a deadline."""
    return timedelta(hours=1) if callback.promise.from_ == callback.promise.by else timedelta()


if __name__ == "__main__":
    main()
