"""The tallies against counts of everything: random histories, and a follower that is killed between statements."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.model import AttemptOutcome, Callback, IncompleteStep, WhyEnded
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.errors import DeskError
from desk.inquiries.model import ClosedReason, Priority
from desk.inquiries.repository import PRIORITY
from desk.ledger.forecast import PromiseState
from desk.ledger.ledger import Ledger
from desk.schema.tables import attempts, calls, history, inquiries, metadata, tallies
from desk.statistics.counting import MOST_ATTEMPTS
from desk.statistics.model import (
    BOUNDS,
    BY_HOUR,
    BY_LANGUAGE,
    SERIES,
    Durations,
    Measure,
    bucket,
    by_language,
    hourly,
)
from desk.statistics.tallies import Tallies
from tests.support.depth import deep
from tests.support.desk.desk import DEPARTMENTS, as_agent, call, make_desk, person, phone
from tests.support.fakes import FakeClock

KARI = as_agent("kari")
SLUGS = tuple(DEPARTMENTS)


class Killed(Exception):
    """Ends a unit of work between two statements, as a killed process does."""


ACTIONS = st.one_of(
    st.tuples(st.just("rings"), st.integers(1, 4), st.sampled_from(SLUGS)),
    st.tuples(st.just("leaves"), st.integers(1, 4), st.sampled_from(list(IncompleteStep))),
    st.tuples(st.just("arrives"), st.integers(1, 4), st.sampled_from(SLUGS)),
    st.tuples(st.just("tried"), st.sampled_from(SLUGS), st.sampled_from(list(AttemptOutcome))),
    st.tuples(st.just("closed"), st.integers(0, 9), st.sampled_from([ClosedReason.DUPLICATE, ClosedReason.OTHER])),
    st.tuples(st.just("moved"), st.integers(0, 9), st.sampled_from(SLUGS)),
    st.tuples(st.just("promised"), st.integers(0, 9), st.just(None)),
    st.tuples(st.just("reopened"), st.integers(0, 9), st.just(None)),
    st.tuples(st.just("urgent"), st.integers(0, 9), st.just(None)),
    st.tuples(st.just("waits"), st.sampled_from([1, 9, 65, 300, 1100, 4000]), st.just(None)),
    st.tuples(st.just("follows"), st.one_of(st.none(), st.integers(1, 25)), st.just(None)),
)


class Hospital:
    """A hospital in which things happen, and a follower that counts them."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.desk: CallbackServices = make_desk(database, clock)
        self.tallies = Tallies(database=database, clock=clock)
        self.ledger = Ledger(
            database=database, departments=lambda: DEPARTMENTS, clock=clock, lease=timedelta(minutes=15)
        )
        self.callbacks: list[Callback] = []
        self.calls = 0

    async def happens(self, what: str, first: Any, second: Any) -> None:
        with suppress(DeskError):  # what is not possible in this state does not happen
            await getattr(self, what)(first, second)

    async def rings(self, n: int, department: str) -> None:
        self.calls += 1
        register = self.desk.registration.register
        result = await register(CALLER, call(self.calls), department, person(n), phone(n))
        if result.created:
            self.callbacks.append(result.callback)

    async def leaves(self, n: int, step: IncompleteStep) -> None:
        self.calls += 1
        why = WhyEnded.HUNG_UP
        await self.desk.registration.record_call(
            CALLER, call(self.calls), "kirurgi", phone=phone(n), step=step, why=why
        )

    async def arrives(self, n: int, department: str) -> None:
        self.calls += 1
        await self.desk.registration.record_arrival(CALLER, call(self.calls), department, phone=phone(n))

    async def tried(self, department: str, outcome: AttemptOutcome) -> None:
        for claimed in await self.desk.claiming.claim(KARI, department, limit=1):
            await self.desk.outcomes.record_attempt(KARI, claimed.id, claimed.fence, outcome)

    def _one(self, n: int) -> Callback:
        if not self.callbacks:
            raise DeskError
        return self.callbacks[n % len(self.callbacks)]

    async def closed(self, n: int, reason: ClosedReason) -> None:
        await self.desk.outcomes.close(KARI, self._one(n).id, reason, fence=None)

    async def moved(self, n: int, department: str) -> None:
        await self.desk.edits.transfer(KARI, self._one(n).id, department, keep_promise=n % 2 == 0, fence=None)

    async def promised(self, n: int, _: None) -> None:
        await self.desk.edits.promise_again(KARI, self._one(n).id, by=None, fence=None, sms=False)

    async def reopened(self, n: int, _: None) -> None:
        await self.desk.outcomes.reopen(KARI, self._one(n).id)

    async def urgent(self, n: int, _: None) -> None:
        await self.desk.edits.amend(KARI, self._one(n).id, versions=None, priority=Priority.URGENT)

    async def waits(self, minutes: int, _: None) -> None:
        self.clock.advance(timedelta(minutes=minutes))
        await self.desk.claiming.expire_leases(SYSTEM)

    async def follows(self, statements: int | None, _: None) -> None:
        """Count what has happened; with `statements`, be killed before that one of them."""
        if statements is None:
            await self.tallies.follow()
            return
        left = statements

        def kill(*_: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed

        engine = self.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", kill)
        try:
            await self.tallies.follow()
        except Killed:
            pass
        finally:
            event.remove(engine, "before_cursor_execute", kill)

    async def totals(self, grain: str = "month") -> Counter[tuple[str, str]]:
        added: Counter[tuple[str, str]] = Counter()
        async with self.database.read() as connection:
            for row in await connection.execute(select(tallies).where(tallies.c.grain == grain)):
                added.update({(measure, each): n for measure, found in row.counts.items() for each, n in found.items()})
                for measure in SERIES:
                    assert row._mapping[measure.value] == sum(row.counts.get(measure.value, {}).values())
        return added

    async def counted_by_hand(self) -> Counter[tuple[str, str]]:
        """Count some measures from other tables than the tallies do, or by the ledger."""
        counts: Counter[tuple[str, str]] = Counter()
        async with self.database.read() as connection:
            for (outcome,) in await connection.execute(select(attempts.c.outcome)):
                counts[Measure.ATTEMPTS, outcome] += 1
            for call in await connection.execute(select(calls)):
                counts[Measure.CALLS, ""] += 1
                counts[Measure.CONFIRMED, ""] += not call.incomplete
                if call.incomplete and call.why:
                    counts[Measure.INCOMPLETE, f"{call.step}.{call.why}"] += 1
            hours = set()
            for event_ in await connection.execute(select(history)):
                if event_.event == "attempt":
                    hours.add((event_.actor, event_.department, event_.at.replace(minute=0, second=0, microsecond=0)))
                counts[Measure.RANG_AGAIN, ""] += event_.event == "rang_again"
                counts[Measure.UNREACHABLE, ""] += event_.to_status == "unreachable"
                if event_.to_status == "closed":
                    counts[Measure.CLOSED, event_.details.get("reason") or ""] += 1
            found = (await connection.execute(select(inquiries.c.id, inquiries.c.priority))).all()
            ids = [row.id for row in found]
            for row in found:
                counts[Measure.PRIORITY, PRIORITY[row.priority].value] += 1
        counts[Measure.REGISTERED, ""] = len(ids)
        counts[Measure.AGENT_HOURS, ""] = len(hours)
        for id in ids:
            for judged in await self.ledger.of_callback(SYSTEM, id):
                counts[Measure.PROMISED, judged.record.reason.value] += 1
                if judged.state in (PromiseState.KEPT, PromiseState.BROKEN, PromiseState.WITHDRAWN):
                    counts[judged.state.value, ""] += 1
        for tries, _ in await self.reached():
            counts[Measure.REACHED, str(min(tries, MOST_ATTEMPTS))] += 1
        return +counts

    async def reached(self) -> list[tuple[int, timedelta]]:
        """Of each callback that was reached: at which attempt, and how long after it was registered."""
        tried: dict[str, list[Any]] = defaultdict(list)
        query = select(attempts.c.callback_id, attempts.c.at, attempts.c.outcome, inquiries.c.created_at)
        async with self.database.read() as connection:
            for row in await connection.execute(
                query.join(inquiries, inquiries.c.id == attempts.c.callback_id).order_by(attempts.c.id)
            ):
                tried[row.callback_id].append(row)
        firsts = [
            next(((n, row.at - row.created_at) for n, row in enumerate(of, 1) if row.outcome == "reached"), None)
            for of in tried.values()
        ]
        return [first for first in firsts if first]


@pytest.fixture
def hospital_loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as loop:
        yield loop


BY_HAND = (Measure.ATTEMPTS, Measure.CALLS, Measure.CONFIRMED, Measure.INCOMPLETE, Measure.REGISTERED)
BY_HAND += (Measure.PROMISED, Measure.KEPT, Measure.BROKEN, Measure.PRIORITY, Measure.RANG_AGAIN)
BY_HAND += (Measure.CLOSED, Measure.UNREACHABLE, Measure.REACHED, Measure.AGENT_HOURS)


async def compare(hospital: Hospital) -> None:
    """Compare the tallies with what is counted by hand, and what is counted in several ways with each other."""
    totals, by_hand = await hospital.totals(), await hospital.counted_by_hand()
    assert await hospital.totals("day") == totals

    def of(measure: str) -> dict[str, int]:
        return {detail: n for (name, detail), n in totals.items() if name == measure and n}

    assert sum(of(Measure.WITHDRAWN).values()) == by_hand.pop((Measure.WITHDRAWN, ""), 0)
    assert {key: n for key, n in totals.items() if key[0] in BY_HAND} == by_hand
    for measure in BY_HOUR:
        assert sum(of(hourly(measure)).values()) == sum(of(measure).values())
    for measure in BY_LANGUAGE:
        assert sum(of(by_language(measure)).values()) == sum(of(measure).values())
    exact = sorted(after.total_seconds() for _, after in await hospital.reached())
    durations = Durations(list(of(Measure.UNTIL_REACHED).items()))
    for percent in (50, 90):
        if exact:
            nth = exact[-(-len(exact) * percent // 100) - 1]
            assert durations.percentile(percent) == BOUNDS[min(int(bucket(timedelta(seconds=nth))), len(BOUNDS) - 1)]


def test_tallies_equal_a_count_of_everything(migrated_url: str, hospital_loop: asyncio.Runner) -> None:
    database = Database(migrated_url)

    async def live(actions: list[Any]) -> None:
        async with database.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())
        hospital = Hospital(database, FakeClock())
        for action in actions:
            await hospital.happens(*action)
        again = await hospital.tallies.recount()
        assert again.differences == []
        await compare(hospital)
        hospital.clock.advance(timedelta(days=40))
        assert (await hospital.tallies.recount()).differences == []
        await compare(hospital)
        assert await hospital.tallies.follow() == 0

    @settings(
        max_examples=deep(15, 300),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(ACTIONS, min_size=5, max_size=25))
    def histories(actions: list[Any]) -> None:
        hospital_loop.run(live(actions))

    try:
        histories()
    finally:
        hospital_loop.run(database.close())


@pytest.fixture
def hospital(database: Database, clock: FakeClock) -> Hospital:
    return Hospital(database, clock)


async def test_two_followers_count_each_thing_once(hospital: Hospital) -> None:
    for n in range(1, 5):
        await hospital.rings(n, "kirurgi")
    others = [Tallies(database=hospital.database, clock=hospital.clock) for _ in range(4)]
    await asyncio.gather(*(other.follow() for other in others))
    assert (await hospital.totals())[Measure.REGISTERED, ""] == 4


async def test_call_again_within_ten_minutes_counts_where_the_caller_keyed(hospital: Hospital) -> None:
    await hospital.leaves(1, IncompleteStep.IDENTITY)
    await hospital.leaves(2, IncompleteStep.WELCOME)  # heard the welcome only
    await hospital.leaves(3, IncompleteStep.IDENTITY)
    hospital.clock.advance(timedelta(minutes=9))
    await hospital.leaves(1, IncompleteStep.WELCOME)
    await hospital.leaves(2, IncompleteStep.WELCOME)
    hospital.clock.advance(timedelta(minutes=1))
    await hospital.leaves(3, IncompleteStep.WELCOME)
    await hospital.tallies.follow()
    totals = await hospital.totals()
    assert (totals[Measure.KEYED, ""], totals[Measure.AGAIN, ""]) == (2, 1)


async def test_uncertainty_is_counted_by_version_of_the_prompts(hospital: Hospital) -> None:
    for n, version in enumerate(["aaa", "aaa", "bbb"], 1):
        hospital.calls += 1
        arrival = hospital.desk.registration.record_arrival
        await arrival(CALLER, call(hospital.calls), "kirurgi", phone=phone(n), prompts=version)
        hospital.calls -= 1
        await hospital.leaves(n, IncompleteStep.IDENTITY)
    await hospital.leaves(1, IncompleteStep.WELCOME)
    await hospital.tallies.follow()
    totals = await hospital.totals()
    assert [totals[Measure.KEYED, version] for version in ("aaa", "bbb", "")] == [2, 1, 0]
    assert [totals[Measure.AGAIN, version] for version in ("aaa", "bbb")] == [1, 0]


async def test_mornings_count_who_waited_at_eight_and_when_they_were_called(hospital: Hospital) -> None:
    hospital.clock.set(datetime(2026, 11, 28, 12, tzinfo=UTC))  # a Saturday
    for n in (1, 2):
        await hospital.rings(n, "kirurgi")
    hospital.clock.set(datetime(2026, 11, 30, 7, 20, tzinfo=UTC))
    await hospital.tried("kirurgi", AttemptOutcome.REACHED)
    hospital.clock.set(datetime(2026, 12, 1, 9, 0, tzinfo=UTC))
    await hospital.tried("kirurgi", AttemptOutcome.REACHED)
    await hospital.tallies.follow()
    totals = await hospital.totals()
    mornings = {detail: n for (measure, detail), n in totals.items() if measure == Measure.MORNING}
    assert mornings == {"2026-11-30 08:15": 1, "2026-11-30 later": 1}


async def test_wrong_tallies_are_found_and_repaired(hospital: Hospital) -> None:
    await hospital.rings(1, "kirurgi")
    await hospital.tallies.follow()
    async with hospital.database.begin() as connection:
        await connection.execute(tallies.update().values(counts={"registered": {"": 7}}))
    found = await hospital.tallies.recount(repair=True)
    assert (7, 1) in {(stored, counted) for _, stored, counted in found.differences}
    assert (await hospital.tallies.recount()).differences == []
