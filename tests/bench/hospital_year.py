"""A year of a hospital with twenty departments, as tallies: counted by the product's own functions, without history."""

import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Final

from desk.access.actor import SYSTEM
from desk.callbacks.model import AttemptOutcome
from desk.clock import OSLO, SystemClock
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
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
from desk.statistics.model import Count, cells

FIRST: Final = date(2026, 1, 1)
LAST: Final = date(2026, 12, 31)
AFTERWARDS: Final = datetime(2027, 2, 1, tzinfo=UTC)
HOURS: Final = (7, *(8,) * 5, *(9,) * 4, *(10,) * 3, 11, 11, 12, 12, 13, 13, 14, 14, 15)
"""When people call: most in the morning."""
WORKDAYS: Final = [day for n in range(365) if (day := FIRST + timedelta(days=n)).weekday() < 5]
PARTS: Final = 4
"""The year is counted by that many processes."""
DEPARTMENTS: Final = [f"avdeling-{n}" for n in range(20)]


def departments_file() -> str:
    """The hospital's departments.toml."""
    return "\n".join(
        f'[{slug}]\nname = "Avdeling {n}"\nextension = "{3000 + n}"\nhospital_number = "+4768050001"\n'
        f'policy = "deadline"\ncutoff = "14:00"\nanswer_by = "15:00"\n'
        f'topics = {{ resept = "Resept", time = "Time", sykmelding = "Sykmelding" }}\n'
        for n, slug in enumerate(DEPARTMENTS)
    )


async def load(url: str, size: int) -> int:
    """Fill a new database with the tallies of a year in which `size` callbacks were registered.

    Returns how many numbers are stored.
    """
    await migrate(url)
    database = Database(url)
    with ProcessPoolExecutor(PARTS) as pool:
        parts = list(pool.map(counted, range(PARTS), [size // PARTS] * PARTS))
    found = sum(parts, Counter())
    added = cells(each._replace(n=n) for each, n in found.items())
    ordered = sorted(added.items())
    for _, some in groupby(ordered, key=lambda item: item[0][:2]):
        async with database.begin() as connection:
            await rows.add(Unit(connection, SystemClock(), SYSTEM), dict(some))
    await database.close()
    return len(added)


def counted(seed: int, size: int) -> Counter[Count]:
    """Count a year in which `size` callbacks were registered. The same each time."""
    dice = random.Random(seed)
    found: Counter[Count] = Counter()
    for _ in range(size):
        department = dice.choice(DEPARTMENTS)
        at = datetime.combine(dice.choice(WORKDAYS), datetime.min.time(), OSLO)
        at = (at + timedelta(hours=dice.choice(HOURS), minutes=dice.randrange(60))).astimezone(UTC)
        found.update(counts_of_callback(callback(dice, department, at), AFTERWARDS))
        call = CountedCall(department, at, True, None, None, f"set-{at.month // 4}", dice.random() < 0.1)
        found.update(counts_of_call(call))
        if dice.random() < 0.3:
            step = dice.choice(("welcome", "identity", "phone"))
            found.update(counts_of_call(replace(call, confirmed=False, step=step, why="hung_up")))
    return found


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
