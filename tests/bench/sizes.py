"""List and claim among a thousand, a hundred thousand and a million callbacks, which should cost the same."""

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
TIMES = 200


@dataclass(frozen=True)
class Cost:
    """Median and p99 in milliseconds of one action at one size."""

    what: str
    rows: int
    median: float
    p99: float


def things(desk: CallbackServices) -> dict[str, Callable[[], Awaitable[object]]]:
    """The actions, on the desk alone, because HTTP costs the same at any size."""

    def listed(**wanted: object) -> Callable[[], Awaitable[object]]:
        return lambda: desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), InquiryFilter(**wanted), limit=50)  # type: ignore[arg-type]

    async def claimed() -> None:
        (callback,) = await desk.claiming.claim(as_agent("kari"), "kirurgi")
        await desk.claiming.release(as_agent("kari"), callback.id, callback.fence)

    return {
        "list of 50, all": listed(),
        "list of 50, waiting": listed(status=[Status.WAITING]),
        "list of 50, waiting or claimed": listed(status=[Status.WAITING, Status.CLAIMED]),
        "mine": listed(claimed_by="agent-0"),
        "claim and release": claimed,
    }


async def measure(server: Postgres) -> list[Cost]:
    """One database that grows."""
    url = await create_database(server)
    await migrate(url)
    database = Database(url)
    desk = make_desk(database, SystemClock())
    costs, there = [], 0
    for rows in SIZES:
        await fill(database, rows - there, first=there + 1)
        there = rows
        for what, ask in things(desk).items():
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


def shown(costs: Sequence[Cost]) -> Table:
    """Milliseconds, median / p99, and the ratio of the largest to the smallest."""
    table = Table(title="One after another, ms: median / p99")
    for heading in ("", *(f"{rows:,} callbacks".replace(",", " ") for rows in SIZES), "largest ÷ smallest"):
        table.add_column(heading, justify="right")
    for what in dict.fromkeys(cost.what for cost in costs):
        mine = {cost.rows: cost for cost in costs if cost.what == what}
        figures = [f"{mine[rows].median:.1f} / {mine[rows].p99:.1f}" for rows in SIZES]
        table.add_row(what, *figures, f"{mine[SIZES[-1]].median / mine[SIZES[0]].median:.2f}")
    return table
