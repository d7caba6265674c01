"""Rows that are added in one statement are those that the usual way adds (desk/audit/append_repository.py)."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from desk.access.actor import CALLER, SYSTEM
from desk.audit import repository as rows
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, _Pending
from desk.audit.entry import AuditOutcome
from desk.audit.repository import AuditRow
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.schema.migrate import migrate
from desk.schema.tables import inquiries
from tests.support.desk.audit import entry, everything, faults, make_audit, unguarded
from tests.support.desk.desk import call, make_desk, person, phone
from tests.support.desk.statements import counted
from tests.support.fakes import FakeClock

FOLD = timedelta(minutes=15)
NO_CALLBACK = "4c2f0b0e-0000-4000-8000-000000000000"

SHOWN = st.lists(st.integers(0, 4), max_size=4, unique=True)
ENTRIES = st.one_of(
    st.tuples(st.just("me")),
    st.tuples(st.just("list"), SHOWN, st.sampled_from(["token:1", "token:2"])),
    st.tuples(st.just("list"), SHOWN, st.sampled_from(["token:1", "token:2"])),
    st.tuples(st.just("get"), SHOWN),
    st.tuples(st.just("transfer"), st.integers(0, 3)),
    st.tuples(st.just("refused"), SHOWN),
    st.tuples(st.just("number"), st.integers(0, 2)),
    st.tuples(st.just("given_up"), SHOWN),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(ENTRIES, min_size=1, max_size=4)),
        st.tuples(st.just("write"), st.lists(ENTRIES, min_size=1, max_size=4)),
        st.tuples(st.just("elsewhere"), st.lists(ENTRIES, min_size=1, max_size=2)),
        st.tuples(st.just("cut"), st.just(())),
        st.tuples(
            st.just("change"), st.tuples(st.integers(0, 3), st.sampled_from(["kirurgi", "hjerte"]), st.integers(0, 1))
        ),
        st.tuples(st.just("wait"), st.sampled_from([1, 10, 20])),
    ),
    min_size=4,
    max_size=12,
)


def pending(ids: Sequence[str], at: Any, kind: str, *more: Any) -> _Pending:
    """One of the entries of a step. The fifth id is of no callback."""
    named = [ids[n] for n in more[0]] if more and isinstance(more[0], list) else []
    made = {
        "me": lambda: entry(AuditAction.ME),
        "list": lambda: entry(AuditAction.LIST_CALLBACKS, callbacks=named, listed=True, session=more[1]),
        "get": lambda: entry(callbacks=named, why="Ærlig «talt» \\x00 'sitat'", source="fe80::1"),
        "transfer": lambda: entry(AuditAction.TRANSFER, callbacks=[ids[more[0]]], moved={ids[more[0]]: "hjerte"}),
        "refused": lambda: entry(callbacks=named, outcome=AuditOutcome.REFUSED, status=403, problem="role-not-allowed"),
        "number": lambda: entry(AuditAction.GET_PATIENT, patient=person(more[0]).value),
        "given_up": lambda: entry(callbacks=named),
    }
    return _Pending(made[kind](), at, given_up=kind == "given_up")


class Run:
    """The same steps, each entry by one `Audit` that lives on, or by a new one, which takes the usual way."""

    def __init__(self, database: Database, ids: Sequence[str], *, lives_on: bool) -> None:
        self.database, self.ids, self.lives_on = database, ids, lives_on
        self.clock = FakeClock()
        self.audit = make_audit(database, self.clock, fold=FOLD)

    async def written(self, steps: Sequence[Any]) -> list[AuditRow]:
        await unguarded(self.database, *(f"delete from {name}" for name in ("audit", "audit_callbacks")))
        for n in range(4):
            await self.change((n, "kirurgi", 0))
        for kind, of in steps:
            self.clock.advance(timedelta(seconds=1))
            await getattr(self, kind)(of)
        return await everything(self.database)

    async def write(self, entries: Sequence[Any]) -> None:
        audit = self.audit if self.lives_on else make_audit(self.database, self.clock, fold=FOLD)
        audit._usual_until = float("-inf")  # a second after another has written, in no time
        await audit._append([pending(self.ids, self.clock.now(), *each) for each in entries])

    async def elsewhere(self, entries: Sequence[Any]) -> None:
        other = make_audit(self.database, self.clock, fold=FOLD)
        await other._append([pending(self.ids, self.clock.now(), *each) for each in entries])

    async def cut(self, _of: Any) -> None:
        newest = "delete from audit where seq = (select max(seq) from audit)"
        await unguarded(self.database, newest, "delete from audit_callbacks where seq not in (select seq from audit)")

    async def change(self, to: tuple[int, str, int]) -> None:
        """Without a row in the history, as a rotation of the keys changes the index of a patient."""
        n, department, version = to
        async with self.database.begin() as connection:
            values = {"department": department, "patient_index": bytes([n, version]) * 16}
            await connection.execute(update(inquiries).where(inquiries.c.id == self.ids[n]).values(values))

    async def wait(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


async def registered(database: Database, count: int) -> list[str]:
    desk = make_desk(database, FakeClock())
    made = [await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n)) for n in range(count)]
    return [each.callback.id for each in made]


def test_one_statement_adds_the_rows_of_the_usual_way(postgres_url: str, runner: asyncio.Runner) -> None:
    runner.run(migrate(postgres_url))
    database = Database(postgres_url)
    ids = [*runner.run(registered(database, 4)), NO_CALLBACK]

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def same(steps: list[Any]) -> None:
        quick = runner.run(Run(database, ids, lives_on=True).written(steps))
        usual = runner.run(Run(database, ids, lives_on=False).written(steps))
        assert quick == usual

    try:
        same()
    finally:
        runner.run(database.close())


async def test_two_that_add_at_the_same_time_make_one_chain(database: Database, clock: FakeClock) -> None:
    audits = [make_audit(database, clock) for _ in range(3)]

    async def often(audit: Audit, who: str) -> None:
        for _ in range(20):
            await audit.record(entry(who=who))

    await asyncio.gather(*(often(audit, f"agent-{n}") for n, audit in enumerate(audits)))
    found = await everything(database)
    assert [row.seq for row in found] == list(range(1, 61))
    assert sorted(row.who or "" for row in found) == sorted(f"agent-{n}" for n in range(3) for _ in range(20))
    assert await faults(database) == []


async def test_row_committed_by_another_since_the_statement_began_is_gone_on_from(postgres_url: str) -> None:
    """The other's row has the next number, which the primary key refuses a second time."""
    await migrate(postgres_url)
    database, clock = Database(postgres_url), FakeClock()
    one, other = make_audit(database, clock), make_audit(database, clock)
    try:
        await one.record(entry())
        assert one._last is not None
        async with database.begin() as connection:
            made = other._made([_Pending(entry(who="ola"), clock.now())], clock.now(), {}, {}, one._last)
            await rows.append(Unit(connection, clock, SYSTEM), made)
            writing = asyncio.create_task(one.record(entry(who="per")))
            await asyncio.sleep(0.3)
            assert not writing.done()
        await writing
        assert [row.who for row in await everything(database)] == ["kari", "ola", "per"]
        assert await faults(database) == []
    finally:
        await database.close()


async def test_chain_is_not_gone_on_with_past_one_who_holds_the_lock(postgres_url: str) -> None:
    await migrate(postgres_url)
    database, clock = Database(postgres_url), FakeClock()
    audit = make_audit(database, clock)
    try:
        await audit.record(entry())
        async with database.begin() as connection:
            await connection.exec_driver_sql("select pg_advisory_xact_lock(x'1AA121D9'::bigint)")
            writing = asyncio.create_task(audit.record(entry(who="ola")))
            await asyncio.sleep(0.3)
            assert not writing.done()
        await writing
        assert [row.who for row in await everything(database)] == ["kari", "ola"]
    finally:
        await database.close()


async def test_list_names_a_callback_again_that_has_changed_since_it_was_remembered(postgres_url: str) -> None:
    await migrate(postgres_url)
    database, clock = Database(postgres_url), FakeClock()
    audit = make_audit(database, clock, fold=FOLD)
    try:
        ids = await registered(database, 3)
        shown = entry(AuditAction.LIST_CALLBACKS, callbacks=ids, listed=True, session="t")
        await audit.record(shown)
        await audit.record(shown)
        await Run(database, ids, lives_on=True).change((1, "hjerte", 1))
        await audit.record(shown)
        *_, row = await everything(database)
        assert [(each.callback_id, each.department) for each in row.seen] == [(ids[1], "hjerte")]
        assert (row.again, row.department) == (2, None)
        await audit.record(shown)
        *_, row = await everything(database)
        assert (row.seen, row.again) == ((), 3)
    finally:
        await database.close()


async def test_list_that_is_read_again_takes_one_statement(postgres_url: str) -> None:
    await migrate(postgres_url)
    database, clock = Database(postgres_url), FakeClock()
    audit = make_audit(database, clock, fold=FOLD)
    try:
        shown = entry(AuditAction.LIST_CALLBACKS, callbacks=await registered(database, 3), listed=True, session="t")
        await audit.record(shown)
        await audit.record(shown)
        with counted(database) as statements:
            await audit.record(shown)
        assert len(statements) == 1
        assert [row.again for row in await everything(database)] == [None, 3, 3]
    finally:
        await database.close()
