"""A callback compared with a model of it: any order of calling, claiming, attempts, closing, transfer and waiting.

The model is a dozen lines and knows of promises only that they begin in no closed time: it says who has which callback
in which status, and what must be refused. After every step the desk has to agree, row by row and history by history.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import AttemptOutcome
from desk.callbacks.services import callback_services
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.errors import DeskError
from desk.inquiries.errors import AlreadyClaimed, ClaimLost, IllegalMove
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.schema.tables import metadata, promises
from desk.vault.vault import Vault
from tests.support.depth import DEEP, deep
from tests.support.desk.desk import DEPARTMENTS, KEYS, as_agent, call, person, phone
from tests.support.fakes import FakeClock

LEASE = timedelta(minutes=15)
PEOPLE, AGENTS, SLUGS = st.integers(1, 3), st.sampled_from(["kari", "ola"]), st.sampled_from(["kirurgi", "hjerte"])


@dataclass
class Life:
    """The model's state of one callback."""

    person: int
    department: str
    status: Status = Status.WAITING
    holder: str | None = None
    until: Any = None
    fence: int = 0
    attempts: int = 0
    seen: list[int] = field(default_factory=list)


class CallbackLife(RuleBasedStateMachine):
    """`desk` and `edits` act, and `lives` holds the expected result."""

    loop: asyncio.Runner
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        vault = Vault(**KEYS)
        departments: Departments = DEPARTMENTS
        self.desk = callback_services(
            database=self.database, departments=lambda: departments, vault=vault, clock=self.clock, lease=LEASE
        )
        self.edits = self.desk.edits
        self.lives: dict[str, Life] = {}
        self.calls = itertools.count()
        self.closures: dict[str, list[tuple[datetime, datetime]]] = {"kirurgi": [], "hjerte": []}
        self.promised = 0

    def do(self, work: Any, *refusals: type[DeskError]) -> Any:
        """Run an action. When the model expects a refusal, one of those must come, and nothing else changes."""
        if refusals:
            with pytest.raises(refusals):
                self.loop.run(work)
            return None
        return self.loop.run(work)

    @initialize()
    def empty(self) -> None:
        async def clear() -> None:
            async with self.database.begin() as connection:
                for table in reversed(metadata.sorted_tables):
                    await connection.execute(table.delete())

        self.loop.run(clear())

    # --- the model

    def open_of(self, person: int, department: str) -> str | None:
        for id, life in self.lives.items():
            if (life.person, life.department) == (person, department) and life.status is not Status.CLOSED:
                return id
        return None

    def closed(self, department: str, moment: datetime) -> bool:
        moment = max(moment, self.clock.now())  # a promise kept through a transfer may have started before
        return any(from_ <= moment < until for from_, until in self.closures[department])

    def held(self, life: Life) -> bool:
        return life.status is Status.CLAIMED and life.until > self.clock.now()

    def to_touch(self, life: Life, agent: str) -> tuple[type[DeskError], ...]:
        """The error for an agent without a fence."""
        if self.held(life):
            return (ClaimLost,) if life.holder == agent else (AlreadyClaimed,)
        return ()

    def end_lease(self, life: Life) -> None:
        if life.status is Status.CLAIMED:
            life.status, life.holder = Status.WAITING, None

    def some(self, which: int) -> tuple[str, Life]:
        return list(self.lives.items())[which % len(self.lives)]

    # --- actions

    @rule(person_=PEOPLE, department=SLUGS, booked=st.booleans())
    def rings(self, person_: int, department: str, booked: bool) -> None:
        there = self.open_of(person_, department)
        if booked:
            got = self.do(self.edits.book(as_agent("kari"), department, person(person_), phone(person_)))
        else:
            key = call(next(self.calls))
            got = self.do(self.desk.registration.register(CALLER, key, department, person(person_), phone(person_)))
            again = self.do(self.desk.registration.register(CALLER, key, department, person(person_), phone(person_)))
            assert (again.callback.id, again.created) == (got.callback.id, False)
        assert got.created is (there is None)
        if there is None:
            self.lives[got.callback.id] = Life(person_, department)
        else:
            assert got.callback.id == there
            if self.lives[there].status is Status.UNREACHABLE:
                self.lives[there].status = Status.WAITING

    @precondition(lambda self: self.lives)
    @rule(agent=AGENTS, department=SLUGS, limit=st.integers(1, 3))
    def claims(self, agent: str, department: str, limit: int) -> None:
        taken = self.do(self.desk.claiming.claim(as_agent(agent), department, limit=limit))
        for life in self.lives.values():
            if life.department == department and not self.held(life):
                self.end_lease(life)
        assert len(taken) <= limit
        for callback in taken:
            life = self.lives[callback.id]
            assert (life.department, life.status) == (department, Status.WAITING), "handed out twice"
            self.takes(life, agent, callback.fence)

    @precondition(lambda self: self.lives)
    @rule(which=st.integers(0), agent=AGENTS)
    def claims_that_one(self, which: int, agent: str) -> None:
        id, life = self.some(which)
        if self.held(life):
            refusals: tuple[type[DeskError], ...] = () if life.holder == agent else (AlreadyClaimed,)
        else:
            refusals = () if life.status in (Status.WAITING, Status.CLAIMED) else (IllegalMove,)
        callback = self.do(self.desk.claiming.claim_named(as_agent(agent), id), *refusals)
        if callback and self.held(life):
            assert callback.fence == life.fence
            life.until = callback.lease_until
        elif callback:
            self.takes(life, agent, callback.fence)

    def takes(self, life: Life, agent: str, fence: int) -> None:
        assert fence == life.fence + 1, "each claim has a fence of its own"
        life.status, life.holder, life.fence = Status.CLAIMED, agent, fence
        life.until = self.clock.now() + LEASE

    @precondition(lambda self: self.lives)
    @rule(
        which=st.integers(0),
        agent=AGENTS,
        stale=st.sampled_from([0, 0, 0, 1]),
        what=st.sampled_from([*AttemptOutcome, "release", "extend"]),
    )
    def reports(self, which: int, agent: str, stale: int, what: Any) -> None:
        id, life = self.some(which)
        mine = life.status is Status.CLAIMED and life.holder == agent and not stale
        refusals = () if mine else (ClaimLost,)
        fence = life.fence - stale
        if what == "extend":
            callback = self.do(self.desk.claiming.extend(as_agent(agent), id, fence), *refusals)
            if callback:
                life.until = self.clock.now() + LEASE
            return
        if what == "release":
            callback = self.do(self.desk.claiming.release(as_agent(agent), id, fence), *refusals)
        else:
            callback = self.do(self.desk.outcomes.record_attempt(as_agent(agent), id, fence, what), *refusals)
            if callback:
                life.attempts += 1
                ends = {
                    AttemptOutcome.REACHED: {Status.CLOSED},
                    AttemptOutcome.WRONG_NUMBER: {Status.CLOSED},
                    AttemptOutcome.DROPPED: {Status.WAITING},
                }
                assert callback.status in ends.get(what, {Status.WAITING, Status.UNREACHABLE})
        if callback:
            life.status, life.holder = callback.status, None

    @precondition(lambda self: self.lives)
    @rule(which=st.integers(0), agent=AGENTS)
    def closes(self, which: int, agent: str) -> None:
        id, life = self.some(which)
        refusals = self.to_touch(life, agent) or ((IllegalMove,) if life.status is Status.CLOSED else ())
        if self.do(self.desk.outcomes.close(as_agent(agent), id, ClosedReason.OTHER, fence=None), *refusals):
            life.status, life.holder = Status.CLOSED, None

    @precondition(lambda self: self.lives)
    @rule(which=st.integers(0), agent=AGENTS, cut_off=st.booleans())
    def reopens(self, which: int, agent: str, cut_off: bool) -> None:
        id, life = self.some(which)
        beside = life.status is Status.CLOSED and self.open_of(life.person, life.department)
        refusals = (IllegalMove,) if beside or life.status in (Status.WAITING, Status.CLAIMED) else ()
        callback = self.do(self.desk.outcomes.reopen(as_agent(agent), id, cut_off=cut_off), *refusals)
        if callback:
            life.status = Status.WAITING
            assert callback.promise.by > self.clock.now()
            assert not cut_off or callback.priority is Priority.URGENT

    @precondition(lambda self: self.lives)
    @rule(which=st.integers(0), agent=AGENTS, to=SLUGS, keep=st.booleans())
    def sends_on(self, which: int, agent: str, to: str, keep: bool) -> None:
        id, life = self.some(which)
        refusals = self.to_touch(life, agent)
        if not refusals and (life.status is Status.CLOSED or life.department == to):
            refusals = (IllegalMove,)
        before = self.loop.run(self.desk.lists.get(SYSTEM, id)).promise
        sent = self.do(self.edits.transfer(as_agent(agent), id, to, keep_promise=keep, fence=None), *refusals)
        if sent:
            can = before.by > self.clock.now() and not self.closed(to, max(before.from_, self.clock.now()))
            assert sent.promise_kept is (keep and can)
            assert (sent.callback.promise == before) or not sent.promise_kept
            there = self.open_of(life.person, to)
            assert sent.merged is (there is not None)
            life.department, life.holder = to, None
            life.status = Status.CLOSED if there else Status.WAITING
            if there and self.lives[there].status is Status.UNREACHABLE:
                self.lives[there].status = Status.WAITING

    @precondition(lambda self: self.lives)
    @rule(which=st.integers(0), agent=AGENTS)
    def gives_new_promise(self, which: int, agent: str) -> None:
        id, life = self.some(which)
        refusals = self.to_touch(life, agent)
        if not refusals and life.status in (Status.CLOSED, Status.UNREACHABLE):
            refusals = (IllegalMove,)
        if self.do(self.edits.promise_again(as_agent(agent), id, by=None, fence=None, sms=True), *refusals):
            self.end_lease(life)

    @rule(department=SLUGS, hours=st.tuples(st.integers(-3, 30), st.integers(4, 60)))
    def closes_the_queue(self, department: str, hours: tuple[int, int]) -> None:
        from_ = self.clock.now() + timedelta(hours=hours[0])
        until = from_ + timedelta(hours=hours[1])
        closures = self.closures[department]
        self.do(self.desk.closures.close_queue(as_agent("lise"), department, from_=from_, until=until))
        closures[:] = [each for each in closures if each[0] >= until or each[1] <= from_] + [(from_, until)]

    @rule(minutes=st.sampled_from([1, 14, 15, 130, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    # --- invariants

    @invariant()
    def what_was_promised_now_begins_in_no_closed_time(self) -> None:
        """Also across departments, attempts, agents and repeat calls; older promises remain."""
        given = self.loop.run(self.promises())
        for row in given[self.promised :]:
            assert not self.closed(row.department, row.promise_from), "promised in a closed time"
            assert row.promise_from <= row.promise_by > row.at
        self.promised = len(given)

    async def promises(self) -> Sequence[Any]:
        async with self.database.read() as connection:
            return (await connection.execute(promises.select().order_by(promises.c.id))).all()

    @invariant()
    def the_desk_agrees(self) -> None:
        for id, life in self.lives.items():
            callback = self.loop.run(self.desk.lists.get(SYSTEM, id))
            assert (callback.department, callback.status) == (life.department, life.status)
            assert (callback.claimed_by, callback.fence) == (life.holder, life.fence)
            assert len(callback.attempts) == life.attempts
            rows = self.loop.run(self.desk.lists.history(SYSTEM, id))
            moves = [row for row in rows if row.to_status]
            chain = list(itertools.pairwise(moves))
            assert all(later.from_status == earlier.to_status for earlier, later in chain)
            assert moves[-1].to_status == life.status
            assert [row.id for row in rows][: len(life.seen)] == life.seen, "history only grows"
            life.seen = [row.id for row in rows]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_any_sequence_of_actions_follows_the_model(migrated_url: str, runner: asyncio.Runner) -> None:
    database = Database(migrated_url)

    class OnThisEngine(CallbackLife):
        pass

    OnThisEngine.loop, OnThisEngine.database = runner, database
    try:
        run_state_machine_as_test(
            OnThisEngine,
            settings=settings(
                max_examples=deep(15, 300),
                stateful_step_count=18,
                deadline=None,
                derandomize=not DEEP,
                print_blob=True,
                database=None,
                phases=[Phase.generate],  # a failing life is short enough as it is; shrinking it takes minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        runner.run(database.close())
