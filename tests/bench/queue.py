"""The agents' queue, in one run on one PostgreSQL that syncs each commit: `python -m tests.bench.queue`.

1. Claim and complete, compared with procrastinate and pgqueuer: the same number of jobs, processes, concurrent jobs
   and connections, and no log lines; contenders take turns, and medians are compared. The differences: ours seals
   identity numbers, writes a history row for the claim and one for the end with the version, and checks a fence on
   completion; procrastinate writes three event rows for a job, by triggers; pgqueuer deletes a completed job and
   writes rows of its log, and takes and completes jobs in batches («×10»). In «ours ×10» an agent claims ten at a time
   and completes them one by one. Each run checks at the end that all jobs are completed and recorded.
2. A list of 50 over uvicorn, compared with a Starlette route that returns the same bytes, with the same uvicorn.
3. Claims over REST by fifty agents, each with its own token.
4. List and claim among a thousand, a hundred thousand and a million callbacks.

The machine's load is printed first and last. On a busy machine only ratios within a run are meaningful.
"""

import argparse
import os
import sys

import uvloop
from rich.console import Console

from ops.machine import postgres
from tests.bench import claiming, listing, sizes, throughput

AGENTS, RATE = 50, 100.0
"""How many claim side by side, and how many callbacks a second in all."""
PARTS = ("throughput", "listing", "claiming", "sizes")


async def run(console: Console, given: argparse.Namespace) -> None:
    with postgres.start(durable=True) as server:
        if "throughput" in given.parts:
            jobs, processes, at_once = given.jobs, given.processes, given.at_once
            runs = await throughput.measure(
                server, jobs=jobs, processes=processes, at_once=at_once, repeats=given.repeats
            )
            console.print(throughput.shown(runs, jobs=jobs, processes=processes, at_once=at_once))
            console.print(throughput.verdict(runs))
        if "listing" in given.parts:
            lists = await listing.measure(server, seconds=given.seconds / 4, repeats=given.repeats)
            console.print(listing.shown(lists))
            console.print(listing.verdict(lists))
        if "claiming" in given.parts:
            claims = [
                await claiming.measure(server, agents=AGENTS, rate=RATE, seconds=given.seconds)
                for _ in range(given.repeats)
            ]
            console.print(claiming.shown(claims, agents=AGENTS, rate=RATE))
        if "sizes" in given.parts:
            console.print(sizes.shown(await sizes.measure(server)))


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.queue", description=__doc__)
    asked.add_argument("parts", nargs="*", default=PARTS, help=f"some of {', '.join(PARTS)}")
    asked.add_argument("--jobs", type=int, default=4000)
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--at-once", type=int, default=10, help="jobs at once, and connections, in each process")
    asked.add_argument("--seconds", type=float, default=12.0)
    asked.add_argument("--repeats", type=int, default=3)
    given = asked.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        asked.error(f"no such part: {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(f"Load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    uvloop.run(run(console, given))
    console.print(f"Load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
