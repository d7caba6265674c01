"""Claims and completions give the same rows, history and answers one by one as many in one statement.

The same random work is done twice on PostgreSQL: by actors, whose claims and completions are batched, and inside units
of work, which take the ordinary statements. The tables, the answers and the refusals must be equal.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from desk.access.actor import CALLER, SYSTEM, Actor
from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks.model import AttemptOutcome, Callback
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.errors import DeskError
from desk.inquiries.model import ClosedReason
from desk.schema.migrate import migrate
from desk.schema.tables import attempts, callbacks, history, inquiries, metadata, promises
from tests.support.depth import DEEP, deep
from tests.support.desk.desk import as_agent, call, make_desk, person, phone
from tests.support.fakes import FakeClock

Step = tuple[Any, ...]
Use = Callable[[Service, Actor, Callable[[Actor | Unit], Awaitable[Any]]], Awaitable[Any]]

AGENTS, SLUGS, WHICH = (
    st.sampled_from(["kari", "ola", "per"]),
    st.sampled_from(["kirurgi", "hjerte"]),
    st.integers(0, 9),
)
SCOPES = st.sampled_from([EVERYTHING, EVERYTHING, Scope.of(["kirurgi"])])
NOTES = st.sampled_from([None, "", "time 3. desember"])
FENCES = st.sampled_from([0, 0, 0, 0, 1, -1])
OUTCOMES = st.sampled_from([AttemptOutcome.REACHED, AttemptOutcome.WRONG_NUMBER, AttemptOutcome.NO_ANSWER])
CLAIMS = st.lists(st.tuples(AGENTS, SCOPES, st.integers(1, 3)), min_size=1, max_size=4)
ENDINGS = st.lists(st.tuples(AGENTS, SCOPES, WHICH, FENCES, NOTES, OUTCOMES, st.booleans()), min_size=1, max_size=4)
STEP = st.one_of(
    st.tuples(st.just("register"), st.integers(1, 6), SLUGS),
    st.tuples(st.just("claim"), SLUGS, CLAIMS),
    st.tuples(st.just("claim"), st.just("kirurgi"), CLAIMS),
    st.tuples(st.just("end"), ENDINGS),
    st.tuples(st.just("end"), ENDINGS),
    st.tuples(st.just("claim_named"), AGENTS, WHICH),
    st.tuples(st.just("release"), AGENTS, WHICH, FENCES),
    st.tuples(st.just("transfer"), AGENTS, WHICH, SLUGS, FENCES),
    st.tuples(st.just("expire")),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)
BEGINNING: list[Step] = [("register", n, "kirurgi") for n in range(1, 5)]


async def as_actor(_service: Service, actor: Actor, work: Callable[[Actor | Unit], Awaitable[Any]]) -> Any:
    """Let the service begin its own units of work: claims and completions are batched."""
    return await work(actor)


class Larger(Service):
    """A larger unit of work."""

    @unit_of_work
    async def do(self, unit: Unit, work: Callable[[Actor | Unit], Awaitable[Any]]) -> Any:
        return await work(unit)


async def in_a_unit(service: Service, actor: Actor, work: Callable[[Actor | Unit], Awaitable[Any]]) -> Any:
    """Do it inside a larger unit of work, where nothing is batched."""
    return await Larger(database=service._database, clock=service._clock).do(actor, work)


class Run:
    """The random work, done in one of the two ways."""

    def __init__(self, database: Database, use: Use, *, at_once: bool, most: int | None) -> None:
        self.database, self.use, self.at_once = database, use, at_once
        self.clock = FakeClock()
        self.desk: CallbackServices = make_desk(database, self.clock, most_claimed=most)
        self.calls = itertools.count()
        self.ids: list[str] = []
        self.fences: dict[str, int] = {}
        self.answers: list[Any] = []

    async def everything(self, steps: Sequence[Step]) -> tuple[list[Any], Mapping[str, list[Any]]]:
        """Do the steps. Returns the answers and the rows, with each id replaced by the callback's number."""
        await self._clear()
        for step in steps:
            self.clock.advance(timedelta(seconds=1))
            await getattr(self, step[0])(*step[1:])
        return self.answers, await self._rows()

    async def register(self, n: int, department: str) -> None:
        registration = self.desk.registration.register(CALLER, call(next(self.calls)), department, person(n), phone(n))
        callback = (await registration).callback
        if callback.id not in self.ids:
            self.ids.append(callback.id)
            self.fences[callback.id] = 0

    async def claim(self, department: str, claims: Sequence[tuple[str, Scope, int]]) -> None:
        """Claims at the same time. Leases are ended first: claims that end them at once would pass each other."""
        claiming = self.desk.claiming
        if len(claims) > 1:
            await self.expire()
        await self._all(
            [
                self.use(claiming, as_agent(name, scope), lambda by, n=limit: claiming.claim(by, department, limit=n))
                for name, scope, limit in claims
            ]
        )

    async def end(self, endings: Sequence[tuple[str, Scope, int, int, str | None, AttemptOutcome, bool]]) -> None:
        """Endings of different callbacks at the same time."""
        different = {self._id(ending[2]): ending for ending in endings}
        await self._all([self._end(*ending) for ending in different.values()])

    async def claim_named(self, name: str, which: int) -> None:
        await self._all([self.desk.claiming.claim_named(as_agent(name), self._id(which))])

    async def release(self, name: str, which: int, off: int) -> None:
        id = self._id(which)
        await self._all([self.desk.claiming.release(as_agent(name), id, self.fences[id] + off)])

    async def transfer(self, name: str, which: int, department: str, off: int) -> None:
        id = self._id(which)
        fence = self.fences[id] + off if off else None
        transfer = self.desk.edits.transfer(as_agent(name), id, department, keep_promise=True, fence=fence)
        await self._all([transfer])

    async def expire(self) -> None:
        self.answers.append(await self.desk.claiming.expire_leases(SYSTEM))

    async def wait(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    async def _end(
        self, name: str, scope: Scope, which: int, off: int, note: str | None, outcome: AttemptOutcome, tried: bool
    ) -> Any:
        id, outcomes, agent = self._id(which), self.desk.outcomes, as_agent(name, scope)
        fence = self.fences[id] + off
        if tried:
            return await self.use(outcomes, agent, lambda by: outcomes.record_attempt(by, id, fence, outcome, note))
        reason = ClosedReason.OTHER
        return await self.use(outcomes, agent, lambda by: outcomes.close(by, id, reason, fence=fence, note=note))

    async def _all(self, works: Sequence[Awaitable[Any]]) -> None:
        """Do these at the same time, or in this order, and keep the answers and refusals."""
        if self.at_once:
            found = await asyncio.gather(*works, return_exceptions=True)
        else:
            found = [(await asyncio.gather(work, return_exceptions=True))[0] for work in works]
        for answer in found:
            if isinstance(answer, BaseException) and not isinstance(answer, DeskError):
                raise answer
            self.answers.append(self._numbered(answer))
            for callback in answer if isinstance(answer, list) else ():
                self.fences[callback.id] = callback.fence
            if isinstance(answer, Callback):
                self.fences[answer.id] = answer.fence

    def _id(self, which: int) -> Any:
        return self.ids[which % len(self.ids)]

    def _numbered(self, answer: Any) -> Any:
        if isinstance(answer, DeskError):
            return type(answer).__name__
        if isinstance(answer, list):
            return [self._numbered(each) for each in answer]
        if isinstance(answer, Callback):
            return asdict(answer) | {"id": self.ids.index(answer.id)}
        return self._numbered(answer.callback)

    async def _rows(self) -> Mapping[str, list[Any]]:
        found = {}
        async with self.database.read() as connection:
            for table in (inquiries, callbacks, attempts, promises, history):
                of = next(table.c[name] for name in ("inquiry_id", "callback_id", "id") if name in table.c)
                seen = [column for column in table.c if column.name not in ("id", "patient_number", of.name)]
                order = table.c.id if of.name != "id" else inquiries.c.created_at
                query = table.select().with_only_columns(of, *seen).order_by(order)
                if table is callbacks:
                    query = query.join_from(callbacks, inquiries)
                rows = await connection.execute(query)
                numbered = [(self.ids.index(row[0]), *row[1:]) for row in rows]
                found[table.name] = sorted(numbered, key=lambda row: row[0])  # those of one callback stay in order
        return found

    async def _clear(self) -> None:
        async with self.database.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_batched_work_leaves_the_same_rows_as_work_one_by_one(postgres_url: str, runner: asyncio.Runner) -> None:
    runner.run(migrate(postgres_url))
    database = Database(postgres_url)

    @settings(
        max_examples=deep(40, 800),
        deadline=None,
        derandomize=not DEEP,
        print_blob=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEP, min_size=6, max_size=16), st.sampled_from([None, 2]))
    def same(steps: list[Step], most: int | None) -> None:
        work = BEGINNING + steps
        batched = runner.run(Run(database, as_actor, at_once=True, most=most).everything(work))
        one_by_one = runner.run(Run(database, in_a_unit, at_once=False, most=most).everything(work))
        assert batched[0] == one_by_one[0]
        assert batched[1] == one_by_one[1]

    try:
        same()
    finally:
        runner.run(database.close())
