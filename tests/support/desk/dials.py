"""Dials on a real database, with a fixed clock: a Tuesday, 09:00 in Oslo."""

from dataclasses import dataclass

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import Callback
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.dials.dials import Dials
from desk.dials.model import Dial
from desk.limits.dial_caps import DialCaps
from tests.support.desk.desk import DEPARTMENTS, as_agent, call, make_desk, phone
from tests.support.fakes import FakeClock


@dataclass
class DialWorld:
    """A desk, its dials and the clock of both."""

    desk: CallbackServices
    dials: Dials
    clock: FakeClock

    async def claimed(self, n: int, agent: str = "kari") -> Callback:
        """Register a call of person `n`, and claim it for the agent."""
        registered = await self.desk.registration.register(CALLER, call(n), "kirurgi", None, phone(n))
        return await self.desk.claiming.claim_named(as_agent(agent), registered.callback.id)

    async def requested(self, n: int, agent: str = "kari") -> Dial:
        """The same, and request a dial."""
        callback = await self.claimed(n, agent)
        return await self.dials.request(as_agent(agent), callback.id, callback.fence, f"{agent}-phone")

    async def events(self, callback_id: str) -> list[str]:
        """The events of the dial in the history, with reasons and outcomes after a colon."""
        rows = await self.desk.lists.history(SYSTEM, callback_id)
        told = [row for row in rows if row.event.startswith("dial_") or row.event == "attempt"]
        return [
            ":".join([row.event, *(str(row.details[key]) for key in ("reason", "outcome") if key in row.details)])
            for row in told
        ]


def make_dials(database: Database, clock: FakeClock, caps: DialCaps | None = None) -> DialWorld:
    desk = make_desk(database, clock)
    dials = Dials(
        database=database,
        claiming=desk.claiming,
        outcomes=desk.outcomes,
        departments=lambda: DEPARTMENTS,
        clock=clock,
        caps=caps,
    )
    return DialWorld(desk, dials, clock)
