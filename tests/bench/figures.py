"""`python -m tests.bench.figures`: what the figures of a hospital's year cost to read, with few callbacks and many.

Twenty departments, a year of workdays. What each callback and call adds is counted by the product's own functions
(`desk/statistics/counting.py`) and added to the tallies on SQLite; the history behind them is not written. Then the
figures of a year, of four weeks and of one department are read, and a workbook of the year is made.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from desk.access.actor import SYSTEM
from desk.callbacks.model import AttemptOutcome
from desk.clock import OSLO, SystemClock
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.departments.departments import Departments
from desk.promises.keeping import PromiseWindow
from desk.schema.migrate import migrate
from desk.statistics import repository as rows
from desk.statistics.counting import (
    CountedCall,
    CountedCallback,
    Event,
    GivenPromise,
    counts_of_call,
    counts_of_callback,
)
from desk.statistics.export import as_workbook
from desk.statistics.figures import StatisticsReader
from desk.statistics.model import Cell, cells
from desk.statistics.tables import tables_of
from desk.statistics.words import FigureWords
from tests.support.desk.desk import DEPARTMENTS

SIZES = (10_000, 1_000_000)
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
AFTERWARDS = datetime(2027, 2, 1, tzinfo=UTC)
HOURS = (7, *(8,) * 5, *(9,) * 4, *(10,) * 3, 11, 11, 12, 12, 13, 13, 14, 14, 15)
TIMES = 9

HOSPITAL = Departments(
    replace(DEPARTMENTS["kirurgi"], slug=f"avdeling-{n}", name=f"Avdeling {n}", extension=f"{3000 + n}")
    for n in range(20)
)
WORKDAYS = [day for day in (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)) if day.weekday() < 5]


def counted(size: int) -> Counter[Cell]:
    """Count a year in which `size` callbacks were registered. The same each time."""
    dice = random.Random(size)
    added: Counter[Cell] = Counter()
    for _ in range(size):
        department = f"avdeling-{dice.randrange(20)}"
        at = datetime.combine(dice.choice(WORKDAYS), datetime.min.time(), OSLO)
        at = (at + timedelta(hours=dice.choice(HOURS), minutes=dice.randrange(60))).astimezone(UTC)
        version = f"set-{at.month // 4}"
        added.update(cells(counts_of_callback(callback(dice, department, at), AFTERWARDS)))
        call = CountedCall(department, at, True, None, None, version, dice.random() < 0.1)
        added.update(cells(counts_of_call(call)))
        if dice.random() < 0.3:
            step = dice.choice(("welcome", "identity", "phone"))
            left = replace(call, confirmed=False, step=step, why="hung_up")
            added.update(cells(counts_of_call(left)))
    return added


def callback(dice: random.Random, department: str, at: datetime) -> CountedCallback:
    """One callback that is called up to three times."""
    events = [Event(at, department, "registered", "waiting")]
    when = at
    for tried in range(1, 4):
        when += timedelta(minutes=dice.expovariate(1 / 90))
        reached = dice.random() < 0.7
        outcome = AttemptOutcome.REACHED if reached else AttemptOutcome.NO_ANSWER
        to = None if reached else "unreachable" if tried == 3 else "waiting"
        events.append(Event(when, department, "attempt", to, outcome.value, in_hours=True))
        if reached:
            events.append(Event(when, department, "closed", "closed", reason="reached"))
            break
    window = PromiseWindow(at, at, at + timedelta(hours=6))
    language = dice.choice(("nb", "nb", "nb", "nn", "en"))
    topic = dice.choice((None, "resept", "time", "sykmelding"))
    promise = GivenPromise(department, at, "registered", window)
    return CountedCallback(language, topic, "normal", events, [promise])


async def median(read: Callable[[], Awaitable[Any]]) -> float:
    """The median time of a read, in milliseconds, after one that is not counted."""
    await read()
    took = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await read()
        took.append(1000 * (time.perf_counter() - start))
    return statistics.median(took)


async def measure(size: int, folder: Path) -> dict[str, float]:
    """Fill a database with a year of that size and read it."""
    url = f"sqlite+aiosqlite:///{folder}/{size}.db"
    await migrate(url)
    database, clock = Database(url), SystemClock()
    added = counted(size)
    async with database.begin() as connection:
        await rows.add(Unit(connection, clock, SYSTEM), added)
    reader = StatisticsReader(database=database, departments=lambda: HOSPITAL, clock=clock)
    weeks = partial(reader.figures, SYSTEM, first=date(2026, 5, 4), last=date(2026, 5, 31))
    year = partial(reader.figures, SYSTEM, first=FIRST, last=LAST)
    found = await year()

    async def workbook() -> None:
        as_workbook(tables_of(found), FigureWords())

    result = {
        "cells": float(len(added)),
        "a year, all departments (ms)": await median(year),
        "four weeks, all departments (ms)": await median(weeks),
        "a year, one department (ms)": await median(partial(year, department="avdeling-1")),
        "workbook of the year (ms)": await median(workbook),
    }
    await database.close()
    return result


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    sizes = options.parse_args().sizes
    with tempfile.TemporaryDirectory() as folder:
        found = [await measure(size, Path(folder)) for size in sizes]
    shown = Table("", *(f"{size:,} callbacks" for size in sizes), "ratio")
    for what in found[0]:
        values = [each[what] for each in found]
        shown.add_row(what, *(f"{value:,.1f}" for value in values), f"{values[-1] / values[0]:.2f}")
    Console().print(shown)


if __name__ == "__main__":
    asyncio.run(main())
