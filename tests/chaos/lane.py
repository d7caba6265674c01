"""Run kinds of faults one after another on one system, and append each result to a file as a line of JSON.

Each lane is a process of its own, so that callers of one do not wait for those of another.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.callers import Call, Caller, arrivals
from tests.chaos.control import CONTROL, EXTENSION, BareWorld
from tests.chaos.faults import ALL
from tests.chaos.faults.kind import Kind
from tests.chaos.hearing import Hearing, listen
from tests.chaos.ledger import Result, judge
from tests.chaos.world import World, world

STRIKE_LIMIT = 120.0
FIRST_PERSON = 10
PEOPLE = 5_000
"""People whose numbers, and second numbers, are all different."""


async def run_kind(place: World, kind: Kind, *, seed: int, calls: int, first: int, ears: Executor) -> Result:
    """Place calls, strike, and compare what was heard with what is stored. Raises nothing."""
    dice = random.Random(f"{seed} {kind.name}")
    people = [Call(first + n, withheld=False) for n in range(calls)]
    before = await place.stored()
    begun = asyncio.get_running_loop().time()
    prompts = place.settings.files.prompts / "build" / "nb"
    manner = replace(kind.manner, extension=EXTENSION) if place.engine == CONTROL else kind.manner
    callers = [Caller(call, seed=dice.randrange(2**32), prompts=prompts, manner=manner) for call in people]
    times = arrivals(dice, calls, kind.span)
    ringing = [
        asyncio.create_task(caller.rings(place.settings.sip.port, after))
        for caller, after in zip(callers, times, strict=True)
    ]
    error = await _strike(place, kind)
    await asyncio.gather(*ringing)
    ended = asyncio.get_running_loop().time()
    faults = tuple(await place.healed())
    healed_after = asyncio.get_running_loop().time() - ended
    loop = asyncio.get_running_loop()
    hearings: Sequence[Hearing] = await asyncio.gather(
        *(loop.run_in_executor(ears, listen, prompts, each.sound, each.length, each.answers) for each in people)
    )
    after = await place.stored()
    return Result(
        kind=kind.name,
        engine=place.engine,
        seed=seed,
        asterisk_lives=kind.asterisk_lives,
        entries=judge(people, hearings, before, after),
        faults=faults,
        orphans=max(place.channels(), 0) + place.waits() + place.damaged(),
        healed_after=round(healed_after, 1),
        error=error,
        notes=(f"{ended - begun:.0f} s",),
    )


async def _strike(place: World, kind: Kind) -> str:
    """Bring the fault about. Returns what went wrong with that, if anything."""
    await asyncio.sleep(kind.at)
    try:
        async with asyncio.timeout(STRIKE_LIMIT):
            await kind.strike(place)
    except Exception as error:
        traceback.print_exc()
        return f"the fault failed: {type(error).__name__}: {error}"[:200]
    return ""


def run_lane(engine: str, kinds: Sequence[Kind], *, seed: int, calls: int, out: Path, first: int) -> None:
    """Run these kinds on one system; on a new one after a fault that it did not recover from."""
    left = list(kinds)
    while left:
        with ExitStack() as stack:
            place = stack.enter_context(world(engine, BareWorld if engine == CONTROL else World))
            ears = stack.enter_context(
                ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            )  # no copy of our sockets
            while left:
                kind = left.pop(0)
                if kind.needs_disks and not place.disks:
                    _append(out, {"skipped": kind.name, "engine": engine, "why": "needs root, for disks of its own"})
                    continue
                begun = time.monotonic()
                result = asyncio.run(run_kind(place, kind, seed=seed, calls=calls, first=first, ears=ears))
                first = (first + calls) % (PEOPLE - calls)
                _append(out, result.to_json())
                print(f"{engine} {kind.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
                if result.faults or result.error:
                    said = (place.folder / "run.said").read_text("utf-8", "replace")
                    out.with_suffix(f".{len(left)}.log").write_text(said, "utf-8")
                    break


def _append(out: Path, row: object) -> None:
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    asked = argparse.ArgumentParser(prog="lane", description=__doc__)
    asked.add_argument("--engine", required=True)
    asked.add_argument("--kinds", required=True, help="names, with | between them")
    asked.add_argument("--seed", type=int, required=True)
    asked.add_argument("--calls", type=int, required=True)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything started here is stopped
    by_name = {kind.name: kind for kind in ALL}
    kinds = [by_name[name] for name in given.kinds.split("|")]
    run_lane(given.engine, kinds, seed=given.seed, calls=given.calls, out=given.out, first=FIRST_PERSON)


if __name__ == "__main__":
    main()
