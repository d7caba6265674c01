"""What the pictures show: a Monday morning at the demo's departments, after a weekend and four weeks of calls.

All of it is made up: people are roles, their numbers are from the range for fiction, identity numbers are synthetic.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from desk.access.actor import CALLER, SYSTEM
from desk.access.agent import WALL_ONLY
from desk.access.permissions import Role
from desk.accounts.tokens.model import TokenScope
from desk.callbacks.model import AttemptOutcome, Callback, CallFollowUp, CallKey, IncompleteStep, WhyEnded
from desk.clock import OSLO
from desk.departments.file import load_departments
from desk.inquiries.model import Priority
from desk.numbers.phone_number import parse_phone
from desk.paths import ROOT
from tests.support.desk.desk import as_agent
from tests.support.web.api import World

DEPARTMENTS: Final = load_departments(ROOT / "dialplan" / "departments.toml")
NOW: Final = datetime(2026, 11, 23, 9, 20, tzinfo=OSLO)
"""A Monday."""
SECRETARY: Final = "sekretær"
COLLEAGUE: Final = "koordinator"
LEADER: Final = "leder"
OPERATOR: Final = "drift"

WEEKS: Final = 4
CALLS_A_DAY: Final = (9, 7, 6, 6, 5)
TOPICS: Final = {
    "kirurgi": ("time", "operasjon", "resept", "prove", "annet"),
    "hjerte": ("time", "medisin", "prove", "annet"),
}
IN_VAIN: Final = (AttemptOutcome.NO_ANSWER, AttemptOutcome.VOICEMAIL, AttemptOutcome.BUSY)
FIRST_OF_WEEKS: Final = 1000
"""The number of the first made-up person of the weeks before."""


@dataclass(frozen=True)
class Waits:
    """Someone who waits on Monday: when they rang, as days before it and the time, and what is known of them."""

    person: int
    days_ago: int
    rang: str
    department: str = "kirurgi"
    topic: str | None = None
    note: str | None = None
    urgent: bool = False
    with_identity: bool = True
    rang_again: bool = False


WORKED_ON: Final = Waits(
    117, 0, "08:05", topic="prove", note="Spør om prøvesvar. Best å ringe før lunsj.", rang_again=True
)
"""The one that the secretary has claimed. The person has rung before, and has said what it is about."""
BACKLOG: Final[Sequence[Waits]] = (
    Waits(101, 3, "10:05", topic="operasjon", note="Skal opereres onsdag, har fått feber.", urgent=True),
    Waits(102, 3, "15:40", topic="resept", note="Trenger ny resept på smertestillende."),
    Waits(103, 2, "11:25", topic="time", note="Kan ikke komme torsdag."),
    Waits(104, 2, "17:10", with_identity=False),
    Waits(105, 1, "12:30", topic="time"),
    Waits(106, 1, "19:45", note="Lurer på om hun skal faste før timen."),
    Waits(107, 0, "07:52"),
    WORKED_ON,
    Waits(108, 0, "08:12", "hjerte", topic="medisin", note="Har gått tom for blodfortynnende."),
    Waits(109, 0, "08:20", "hjerte", topic="time"),
    Waits(110, 0, "08:31"),
    Waits(111, 0, "08:44", topic="annet", note="Pårørende. Trenger tolk."),
    Waits(112, 0, "09:02", with_identity=False),
)
CLAIMED_BY_COLLEAGUE: Final = 109
HUNG_UP: Final = ((121, IncompleteStep.IDENTITY), (122, IncompleteStep.PHONE))


async def tell(world: World) -> Callback:
    """Let all of it happen. Returns the callback that the secretary is working on."""
    for name, role in ((SECRETARY, Role.AGENT), (COLLEAGUE, Role.AGENT), (LEADER, Role.LEADER)):
        await world.token(name, role)
    await _weeks_before(world)
    found = {each.person: await _waits(world, each) for each in BACKLOG}
    incomplete = world.services.callbacks.incomplete
    for each in (await incomplete.waiting(SYSTEM)).items:
        await incomplete.dismiss(as_agent(COLLEAGUE), each.id, CallFollowUp.REACHED)
    for person, step in HUNG_UP:
        await _hangs_up(world, person, step)
    await _tried_in_vain(world, found[WORKED_ON.person], NOW - timedelta(minutes=35))
    await world.services.recordings.keep(SYSTEM, found[WORKED_ON.person].id, bytes([0x55]) * 8000 * 6)
    claiming = world.services.callbacks.claiming
    world.clock.set(NOW - timedelta(minutes=4))
    await claiming.claim_named(as_agent(COLLEAGUE), found[CLAIMED_BY_COLLEAGUE].id)
    worked_on = await claiming.claim_named(as_agent(SECRETARY), found[WORKED_ON.person].id)
    world.clock.set(NOW)
    await world.services.statistics.tallies.follow()
    return worked_on


async def wall_token(world: World) -> str:
    """The token of a wall screen for both departments."""
    scope = TokenScope(frozenset(DEPARTMENTS), WALL_ONLY)
    return (await world.services.agents.tokens.issue(SYSTEM, LEADER, "gangen", scope=scope)).secret


async def _waits(world: World, person: Waits) -> Callback:
    hour, _, minute = person.rang.partition(":")
    day = NOW - timedelta(days=person.days_ago)
    world.clock.set(day.replace(hour=int(hour), minute=int(minute)))
    rings: dict[str, Any] = {"department": person.department, "with_identity": person.with_identity}
    callback = await world.rings(person.person, **rings)
    if person.rang_again:
        world.clock.advance(timedelta(minutes=18))
        await world.rings(person.person, **rings)
    given = {"topic": person.topic, "note": person.note, "priority": Priority.URGENT if person.urgent else None}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if changes:
        await world.services.callbacks.edits.amend(as_agent(COLLEAGUE), callback.id, versions=None, **changes)
    return callback


async def _hangs_up(world: World, person: int, step: IncompleteStep) -> None:
    await world.services.callbacks.registration.record_call(
        CALLER,
        CallKey("node-1", f"left-{person}"),
        "kirurgi",
        phone=parse_phone(f"+476805{person:04}"),
        step=step,
        why=WhyEnded.HUNG_UP,
    )


async def _tried_in_vain(world: World, callback: Callback, at: datetime) -> None:
    world.clock.set(at)
    await _tries(world, callback, AttemptOutcome.NO_ANSWER)


async def _tries(world: World, callback: Callback, outcome: AttemptOutcome) -> None:
    claimed = await world.services.callbacks.claiming.claim_named(as_agent(COLLEAGUE), callback.id)
    world.clock.advance(timedelta(minutes=3))
    await world.services.callbacks.outcomes.record_attempt(as_agent(COLLEAGUE), callback.id, claimed.fence, outcome)


async def _weeks_before(world: World) -> None:
    """Four weeks of callbacks that are closed. The person who is worked on now was called back in the second."""
    chance = random.Random(16)
    person = FIRST_OF_WEEKS
    for days in range(7 * WEEKS, 0, -1):
        day = NOW - timedelta(days=days)
        if day.weekday() >= len(CALLS_A_DAY):
            continue
        for minute in sorted(chance.sample(range(8 * 60, 13 * 60 + 45), CALLS_A_DAY[day.weekday()])):
            world.clock.set(day.replace(hour=minute // 60, minute=minute % 60))
            person += 1
            if chance.random() < 0.1:
                await _hangs_up(world, person, chance.choice(list(IncompleteStep)))
            else:
                await _is_called_back(world, person, chance)
    world.clock.set(NOW - timedelta(days=13))
    await _is_called_back(
        world, WORKED_ON.person, chance, department="kirurgi", topic="prove", note="Blodprøve er bestilt."
    )


async def _is_called_back(
    world: World, person: int, chance: random.Random, *, department: str = "", topic: str = "", note: str | None = None
) -> None:
    department = department or chance.choice(("kirurgi", "kirurgi", "hjerte"))
    callback = await world.rings(person, department=department)
    topic = topic or chance.choice(TOPICS[department])
    edits = world.services.callbacks.edits
    await edits.amend(as_agent(COLLEAGUE), callback.id, versions=None, topic=topic, note=note)
    in_round = timedelta(minutes=chance.randint(2, 40))
    soon = world.clock.now() + timedelta(minutes=chance.randint(10, 50))
    world.clock.set(callback.promise.by + in_round if department == "hjerte" else soon)
    if chance.random() < 0.2:
        await _tries(world, callback, chance.choice(IN_VAIN))
        world.clock.advance(timedelta(hours=2))
    if chance.random() < 0.06:
        world.clock.advance(timedelta(days=1))
    await _tries(world, callback, AttemptOutcome.REACHED)
