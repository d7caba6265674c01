"""List and claim among a thousand, a hundred thousand and a million callbacks, which should cost the same.

A page has as many callbacks at each size as there are among a thousand, where fewer than 50 wait in a department:
otherwise longer pages would be compared with shorter ones.
"""

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from desk.access.permissions import Scope
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.inquiries.model import InquiryFilter, Status
from desk.schema.migrate import migrate
from ops.machine.postgres import Postgres
from tests.support.desk.desk import as_agent, make_desk
from tests.support.desk.filled import fill
from tests.support.machine.systems import create_database

SIZES = (1_000, 100_000, 1_000_000)
TIMES = 400


@dataclass(frozen=True)
class Cost:
    """Median and p99 in milliseconds of one action at one size."""

    what: str
    rows: int
    median: float
    p99: float


ALL, WAITING, OPEN, MINE, CLAIM = "list, all", "list, waiting", "list, waiting or claimed", "mine", "claim and release"
LISTS = {
    ALL: InquiryFilter(),
    WAITING: InquiryFilter(status=[Status.WAITING]),
    OPEN: InquiryFilter(status=[Status.WAITING, Status.CLAIMED]),
    MINE: InquiryFilter(claimed_by="agent-0"),
}
READER = as_agent("reader", Scope.of(["kirurgi"]))


async def lengths(desk: CallbackServices) -> dict[str, int]:
    """How many callbacks each list shows now."""
    return {name: len((await desk.lists.page(READER, wanted, limit=50)).items) for name, wanted in LISTS.items()}


def things(desk: CallbackServices, length: dict[str, int]) -> dict[str, Callable[[], Awaitable[object]]]:
    """The actions, on the desk alone, because HTTP costs the same at any size. `length`: of each list's page."""

    def listed(name: str) -> Callable[[], Awaitable[object]]:
        return lambda: desk.lists.page(READER, LISTS[name], limit=length[name])

    async def claimed() -> None:
        (callback,) = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        await desk.claiming.release(as_agent("kari"), callback.id, callback.fence)

    return {**{name: listed(name) for name in LISTS}, CLAIM: claimed}


async def measure(server: Postgres) -> list[Cost]:
    """One database that grows."""
    url = await create_database(server)
    await migrate(url)
    database = Database(url)
    desk = make_desk(database, SystemClock())
    costs, there, length = [], 0, dict[str, int]()
    for rows in SIZES:
        await fill(database, rows - there, first=there + 1)
        length, there = length if there else await lengths(desk), rows
        for what, ask in things(desk, length).items():
            costs.append(await _cost(what, rows, ask))
            print(f"{what}, {rows} rows: {costs[-1].median:.1f} ms", flush=True)
    await database.close()
    return costs


async def _cost(what: str, rows: int, ask: Callable[[], Awaitable[object]]) -> Cost:
    for _ in range(20):
        await ask()
    waits = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        await ask()
        waits.append((time.perf_counter() - begun) * 1000)
    return Cost(what, rows, statistics.median(waits), statistics.quantiles(waits, n=100)[98])


def growth(costs: Sequence[Cost], what: str, *, p99: bool = False) -> float:
    """The cost among a million divided by that among a thousand."""
    mine = {cost.rows: cost.p99 if p99 else cost.median for cost in costs if cost.what == what}
    return mine[SIZES[-1]] / mine[SIZES[0]]


def shown(costs: Sequence[Cost]) -> Table:
    """Milliseconds, median / p99, and the ratio of the largest to the smallest."""
    table = Table(title="One after another, ms: median / p99")
    for heading in ("", *(f"{rows:,} callbacks".replace(",", " ") for rows in SIZES), "million ÷ thousand"):
        table.add_column(heading, justify="right")
    for what in dict.fromkeys(cost.what for cost in costs):
        mine = {cost.rows: cost for cost in costs if cost.what == what}
        figures = [f"{mine[rows].median:.1f} / {mine[rows].p99:.1f}" for rows in SIZES]
        table.add_row(what, *figures, f"{growth(costs, what):.2f}")
    return table
