"""`python -m tests.bench.page`: the figures that have a goal, on one page with the machine and the date.

Each part takes its contenders in turns and compares medians; the programs' docstrings say how they measure. A part that
fails is named on the page, and the others go on. With `--short` each part runs one turn, and the page says so.
Roughly 23 minutes on two idle cores, with `--short` 9. Nothing else may run on the machine meanwhile.

Exit code 1 where a goal is missed or a part failed.
"""

import argparse
import asyncio
import math
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import psutil
import uvloop

from desk.clock import OSLO
from ops.machine import postgres, tree
from tests.bench import __main__ as calls
from tests.bench import audit, claiming, conversation, listing, live, sizes, start, throughput
from tests.bench.contenders import OURS, OURS_TEN, PGQUEUER, PGQUEUER_TEN, PROCRASTINATE
from tests.bench.figure import Figure
from tests.bench.queue import AGENTS, RATE
from tests.chaos import many_at_once
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run, running_system
from tests.support.machine.systems import create_database

Part = Callable[[int], list[Figure]]
"""Measures with that number of turns."""


def short_calls(turns: int) -> list[Figure]:
    """The five-second call, compared with the dialplan and other programs behind Stasis."""
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder, ExitStack() as running:
        bench = calls.Bench(Path(folder), running)
        for extension in calls.NAMES:
            bench.run(extension, 5.0, 10)  # a warm-up
        runs = [bench.run(each, 10.0, 60) for _ in range(turns) for each in calls.NAMES]
    plain = _median(one.both for one in runs if one.contender == calls.NAMES[calls.PLAIN])
    ours = [one for one in runs if one.contender == calls.NAMES[calls.OURS]]
    waits = [wait for one in ours for wait in one.to_commit]
    found = [
        Figure("CPU per 5 s call ÷ dialplan", _median(one.both for one in ours) / plain, 1.5),
        Figure("last digit → commit, p99, 10 calls/s", _percentile(waits, 99), 50, "ms"),
    ]
    for name in calls.PEERS:
        theirs = _median(one.both for one in runs if one.contender == name)
        found.append(Figure(f"{name}: CPU per 5 s call ÷ dialplan", theirs / plain, note="stores nothing"))
    wrong = ", ".join(f"{one.contender} {one.wrong}" for one in runs if one.wrong)
    return [*found, Figure("5 s calls lost or wrong, of ours", sum(one.wrong for one in ours), 0, note=wrong)]


def real_calls(turns: int) -> list[Figure]:
    """The real conversation, compared with a dialplan that plays the same prompts; and the programs at rest."""
    with conversation.opened() as (bench, _):
        time.sleep(5)
        rested = bench.idle()
        runs = [bench.run(each, calls=45, rate=3.0) for _ in range(turns) for each in conversation.NAMES]
        after = {each.name: each for each in bench.idle()}
    database = _median(one.database for one in runs if one.contender == conversation.NAMES[conversation.OURS])
    found = [
        Figure("CPU per real conversation ÷ dialplan", conversation.ratio(runs), 1.4),
        Figure("database's CPU per real conversation", database, unit="ms"),
        Figure("real conversations lost or wrong, with the dialplan's", sum(one.wrong for one in runs), 0),
    ]
    for each in rested:
        more = f"{after[each.name].megabytes:.0f} MB after the calls"
        goal = 100 if each.name == "phone door" else None
        found.append(Figure(f"{each.name}, memory at rest", each.megabytes, goal, "MB", note=more))
        found.append(Figure(f"{each.name}, CPU at rest", each.percent, unit="% of a core"))
    return found


def many_calls(turns: int) -> list[Figure]:
    """A full line of real conversations."""
    minutes = 1.0 if turns > 1 else 0.5
    found = []
    for at_once in (330, 400) if turns > 1 else (330,):
        settings = {"calls_at_once": str(2 * at_once)}
        with conversation.opened(**settings) as (bench, url):
            folder = bench.system.folder / "full"
            report = asyncio.run(many_at_once.full_line(bench.system, url, folder, at_once=at_once, minutes=minutes))
        bad = len(report.wrong) + report.rung.failed
        normal, late = (many_at_once.percentile(probes, n) for probes, n in ((report.normal, 50), (report.loaded, 99)))
        note = f"{report.rung.most_at_once} at once by sipp; processors busy {report.busy:.0f} %"
        found.append(Figure(f"{at_once} calls at once: lost or wrong", bad, 0, note=note))
        beyond = math.inf if math.isinf(late) else (late - normal) * 1000
        goal = 300 if at_once == 330 else None
        found.append(
            Figure(f"{at_once} at once: last digit → receipt, p99, beyond the idle median", beyond, goal, "ms")
        )
    return found


def claims(turns: int) -> list[Figure]:
    """Claim and complete, compared with other queues."""

    async def measure() -> list[throughput.Run]:
        with postgres.start(durable=True) as server:
            return await throughput.measure(server, jobs=3000, processes=2, at_once=10, repeats=turns)

    runs = uvloop.run(measure())
    base = throughput.rate(runs, PROCRASTINATE)
    found = [
        Figure("claim + complete ÷ procrastinate, one by one", throughput.rate(runs, OURS) / base, 5, at_least=True),
        Figure("claim + complete ÷ procrastinate, by tens", throughput.rate(runs, OURS_TEN) / base, 8, at_least=True),
    ]
    for name in (OURS, OURS_TEN, PROCRASTINATE, PGQUEUER, PGQUEUER_TEN):
        found.append(Figure(f"{name}: claim + complete", throughput.rate(runs, name), unit="/s"))
    return found


def rest(turns: int) -> list[Figure]:
    """Claims and lists over REST."""

    async def measure() -> tuple[list[claiming.Claims], list[listing.Run]]:
        with postgres.start(durable=True) as server:
            claimed = [await claiming.measure(server, agents=AGENTS, rate=RATE, seconds=10) for _ in range(turns)]
            return claimed, await listing.measure(server, seconds=2.5, repeats=turns)

    claimed, lists = uvloop.run(measure())
    p99 = _median(statistics.quantiles(one.waits, n=100)[98] * 1000 for one in claimed)
    cpu = _median(one.cpu / len(one.waits) * 1000 for one in claimed)
    found = [
        Figure("50 agents, 100 claims/s over REST, p99", p99, 30, "ms"),
        Figure("claim over REST, CPU of the api", cpu, unit="ms"),
        Figure("list of 50, CPU at one connection", listing.cpu_of(lists, listing.OURS, 1), 2.5, "ms"),
    ]
    for connections in listing.CONNECTIONS:
        ours, least = (listing.rate_of(lists, name, connections) for name in (listing.OURS, listing.SMALLEST))
        goal = 0.7 if connections == 1 else None
        note = f"{ours:.0f}/s and {least:.0f}/s"
        name = f"list of 50: rate ÷ GET /me, {connections} connections"
        found.append(Figure(name, ours / least, goal, at_least=True, note=note))
    return found


def growth(_turns: int) -> list[Figure]:
    """A million callbacks compared with a thousand."""

    async def measure() -> list[sizes.Cost]:
        with postgres.start(durable=True) as server:
            return await sizes.measure(server)

    costs = uvloop.run(measure())
    found = [Figure("claim p99, a million ÷ a thousand", sizes.growth(costs, sizes.CLAIM, p99=True), 1.2)]
    for what in sizes.LISTS:
        goal = 1.2 if what in (sizes.WAITING, sizes.MINE) else None
        found.append(Figure(f"{what}: a million ÷ a thousand", sizes.growth(costs, what), goal))
    return found


def starts(turns: int) -> list[Figure]:
    """From the start of the phone door to the first word."""
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder:
        tools = str(tree.ensure(tree.ASTERISK) / "bin")
        run(machine_settings(Path(folder)), "prompts", "build", "--tools", tools, seconds=300)
        with running_system(Path(folder)) as system:
            begun = asyncio.run(start.start_often(system, turns))
    return [
        Figure("`innringing ivr`: start to first call answered", _median(one.first_word for one in begun), 1.5, "s"),
        Figure("`innringing ivr`: memory after the start", _median(one.memory for one in begun), 100, "MB"),
    ]


def audits(turns: int) -> list[Figure]:
    """What the audit adds to a request on PostgreSQL."""

    async def measure() -> audit.Waits:
        with postgres.start(durable=True) as server:
            return await audit.measure(await create_database(server), turns=2 * turns, requests=20, at_once=20)

    waits = uvloop.run(measure())
    return [
        Figure(
            f"the audit adds to: {name if together == 1 else f'{together} {name}'}",
            waits.median(name, contender) - waits.median(name, audit.WITHOUT),
            unit="ms",
            note=f"{waits.median(name, audit.WITHOUT):.1f} ms without",
        )
        for name, _, together, contender in audit.CASES
    ]


def events(_turns: int) -> list[Figure]:
    """Live events to 200 readers."""
    waits = sorted(asyncio.run(live.seen(200, 100, 10.0)).waits)
    return [
        Figure("change → 200 readers, p99", _percentile([wait * 1000 for wait in waits], 99), unit="ms"),
        Figure("events lost, of 20 000", 20_000 - len(waits), 0),
    ]


PARTS: dict[str, Part] = {
    "short-calls": short_calls,
    "real-calls": real_calls,
    "many-calls": many_calls,
    "claims": claims,
    "rest": rest,
    "sizes": growth,
    "starts": starts,
    "audit": audits,
    "events": events,
}


def page(found: Sequence[Figure], *, begun: datetime, load: float, turns: int, parts: Sequence[str]) -> str:
    """The page as Markdown."""
    missed = [each.name for each in found if each.is_met is False]
    memory = psutil.virtual_memory().total / 1e9
    said = "medians of three turns" if turns > 1 else "one turn only (`--short`): no figure to quote"
    return "\n".join(
        [
            f"# Benchmarks of {begun:%Y-%m-%d %H:%M}",
            "",
            f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}. Load before {load:.1f}, after {os.getloadavg()[0]:.1f}. "
            f"{(datetime.now(OSLO) - begun).total_seconds() / 60:.0f} minutes; {said}. Parts: {', '.join(parts)}.",
            "",
            "| figure | measured | goal | | |",
            "|---|---|---|---|---|",
            *(each.row() for each in found),
            "",
            f"Missed: {'; '.join(missed)}." if missed else "Every goal is met.",
            "",
        ]
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else math.inf


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.page", description=__doc__)
    asked.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; otherwise all")
    asked.add_argument("--short", action="store_true", help="one turn instead of three")
    asked.add_argument("--out", type=Path, help="also write the page to this file")
    given = asked.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        asked.error(f"no such part: {', '.join(sorted(unknown))}")
    parts, turns = given.parts or list(PARTS), 1 if given.short else 3
    begun, load, found = datetime.now(OSLO), os.getloadavg()[0], list[Figure]()
    for name in parts:
        since = time.monotonic()
        try:
            found += PARTS[name](turns)
        except Exception as error:
            traceback.print_exc()
            found.append(Figure(f"part {name}", None, 0, note=type(error).__name__))
        print(f"{name}: {time.monotonic() - since:.0f} s", file=sys.stderr, flush=True)
        made = page(found, begun=begun, load=load, turns=turns, parts=parts)
        if given.out:
            given.out.write_text(made, encoding="utf-8")
    print(made)
    raise SystemExit(any(each.is_met is False for each in found))


if __name__ == "__main__":
    main()
