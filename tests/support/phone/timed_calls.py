"""Conversations of the rehearsal on real calls: the same keys at the same seconds, over SIP."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from desk.clock import OSLO
from desk.departments.departments import Department
from desk.paths import ROOT
from ivr.rehearsal.fingers import converse
from ivr.rehearsal.people import number
from ivr.rehearsal.stage import Stage, open_stage
from ivr.rehearsal.story import Story
from ivr.rehearsal.virtual_time import VirtualTimeLoop
from ops.softphone.rtp import Samples
from tests.support.machine.system import System
from tests.support.phone.callers import Caller, listener_for, ringing, sounds_of

HELD = 2
"""Packets of 20 ms. A doubled key comes 60 ms after the first one at the earliest."""
PATIENCE = 60.0  # seconds that a call may last longer than the rehearsed one


@dataclass(frozen=True)
class Outcome:
    """What is registered: the person as agents see it, the telephone number, and whether the agent is to ask."""

    person: str | None
    phone: str
    is_doubtful: bool


@dataclass(frozen=True)
class Plan:
    """A rehearsed conversation to be repeated. `keys` are seconds and keys. `caller` is their own number."""

    name: str
    caller: str
    withheld: bool
    keys: tuple[tuple[float, str], ...]
    seconds: float
    outcome: Outcome | None
    hangs_up: bool = False


@dataclass(frozen=True)
class Repeated:
    """The real call of a plan. `receipt` is the second at which the receipt began; None if it was not heard.

    `receipt_after` are the seconds from the last key before it, and `sentence` the second at which its first sentence
    ended, if it was heard whole.
    """

    plan: Plan
    seconds: float
    keys: int
    receipt: float | None = None
    receipt_after: float | None = None
    sentence: float | None = None


def plan_of(name: str, story: Story, *, person: int, withheld: bool = False, hangs_up: bool = False) -> Plan:
    """Turn a rehearsed conversation into a plan for a real one."""
    ends = max((event.second for event in story.events if event.kind != "keys"), default=0.0)
    keys = tuple((event.second, event.what) for event in story.events if event.kind == "keys" and event.second <= ends)
    outcome = None
    if story.registered:
        identity, phone = story.registered
        outcome = Outcome(f"{identity[:6]}*****" if identity else None, phone, story.is_doubtful)
    return Plan(name, number(person), withheld, keys, ends, outcome, hangs_up)


def rehearsed(rehearse: Callable[[Stage, Department], Awaitable[list[Plan]]]) -> list[Plan]:
    """Run conversations in virtual time, in which minutes pass in no time. Call it outside any event loop."""

    async def run() -> list[Plan]:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)) as stage:
            return await rehearse(stage, stage.departments().get("kirurgi"))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def plans_of_seeds(seeds: Sequence[int]) -> list[Plan]:
    """Run the conversations of the model of human fingers."""

    async def rehearse(stage: Stage, department: Department) -> list[Plan]:
        held = [await converse(stage, department, seed) for seed in seeds]
        return [
            plan_of(
                *(f"seed {each.hand.seed}", each.story),
                person=each.hand.person,
                withheld=each.hand.withheld,
                hangs_up=each.hand.gave_up,
            )
            for each in held
        ]

    return rehearsed(rehearse)


async def repeat(system: System, plan: Plan, lines: asyncio.Semaphore) -> Repeated:
    """Make the real call of a plan, to its end."""
    async with lines, ringing(system.settings, "1000", plan.caller, withheld=plan.withheld) as caller:
        loop = asyncio.get_running_loop()
        began, pressed = loop.time(), list[float]()
        for second, key in plan.keys:
            await asyncio.sleep(max(0.0, began + second - loop.time()))
            if caller.call.ended.is_set():
                break
            await caller.call.stream.press(key, held=HELD, gap=1)
            pressed.append(time.time())
        if plan.hangs_up:
            await asyncio.sleep(max(0.0, began + plan.seconds - loop.time()))
        else:
            left = max(0.0, began + plan.seconds - loop.time()) + PATIENCE
            await asyncio.wait({asyncio.create_task(caller.call.ended.wait())}, timeout=left)
        seconds, samples = loop.time() - began, caller.call.heard.samples()  # here, where no packet can come between
        return await asyncio.to_thread(_heard, caller, samples, plan, pressed, seconds)


def _heard(caller: Caller, samples: Samples, plan: Plan, pressed: Sequence[float], seconds: float) -> Repeated:
    """Search the recording for the receipt's first sentence."""
    listener = listener_for(caller.prompts, sounds_of("received"))
    found = [each for each in listener.recognise(samples) if each.key == "received"]
    if not found:
        return Repeated(plan, seconds, len(pressed))
    receipt = found[0]
    began = caller.call.heard.instant(receipt.first_sample)
    last = max((each for each in pressed if each < began), default=None)
    return Repeated(
        *(plan, seconds, len(pressed), receipt.start),
        receipt_after=None if last is None else began - last,
        sentence=receipt.start + receipt.length if receipt.whole else None,
    )


async def outcomes(system: System) -> dict[str, list[Outcome]]:
    """Read what is registered, by the number that is to be called."""
    found = dict[str, list[Outcome]]()
    cursor = ""
    async with system.client() as agent:
        while True:
            answer = await agent.get("/callbacks", params={"limit": 100, **({"cursor": cursor} if cursor else {})})
            page = answer.raise_for_status().json()
            for item in page["items"]:
                person = item["patient"]["masked"] if item["patient"] else None
                found.setdefault(item["phone"], []).append(Outcome(person, item["phone"], item["identity_doubtful"]))
            if not (cursor := page.get("next_cursor") or ""):
                return found
