"""What one process deletes at night, and what is kept; both engines."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import LargeBinary, String, Text, func, insert, select, update
from typer.testing import CliRunner

from api.web.background import repeating
from desk.access.actor import CALLER, SYSTEM, Actor
from desk.access.permissions import Scope
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome, CallKey, IncompleteStep
from desk.callbacks.services import CallbackServices
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import Unit
from desk.inquiries.model import ClosedReason
from desk.privacy import retention_repository as nights
from desk.privacy.personal_columns import NOT_PERSONAL, PERSONAL
from desk.privacy.retention import SILENT, Retention, RetentionRules
from desk.privacy.subject_access import SubjectAccess
from desk.schema.tables import (
    answers,
    attempts,
    callbacks,
    calls,
    dials,
    history,
    inquiries,
    metadata,
    outbox,
    promises,
)
from innringing import app
from tests.support.desk import sealed_database
from tests.support.desk.desk import as_agent, call, person, phone
from tests.support.desk.sealed_database import old_vault
from tests.support.desk.trusted_clock import TrustedClock
from tests.support.fakes import FakeClock

DAYS = timedelta(days=30)
NOTE = "ringer om kneet"


def retention(database: Database, clock: FakeClock, **more: Any) -> Retention:
    check = TrustedClock(database=database, clock=clock)
    return Retention(database=database, clock=clock, check=check, rules=RetentionRules(), rest=0, **more)


async def everything(database: Database) -> str:
    """The whole content of the database as text, with binary values in hex."""
    async with database.read() as connection:
        found = {
            table.name: [tuple(row) for row in await connection.execute(select(table))]
            for table in metadata.sorted_tables
        }
    return json.dumps(found, default=lambda value: value.hex() if isinstance(value, bytes) else str(value))


def traces(n: int) -> list[str]:
    """Everything that could identify the n-th person, in every stored form."""
    return [person(n).value, person(n).masked, old_vault().index(person(n).value).hex(), phone(n).e164, f"channel-{n}"]


async def lived(desk: CallbackServices, database: Database, n: int, *, close: bool = True) -> str:
    """The callback of the n-th person with everything that can belong to one: note, attempts, a dial, a text."""
    registered = await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))
    id = registered.callback.id
    claimed = await desk.claiming.claim_named(as_agent("kari"), id)
    await desk.outcomes.record_attempt(as_agent("kari"), id, claimed.fence, AttemptOutcome.NO_ANSWER, note=NOTE)
    now = desk.lists._clock.now()
    async with database.begin() as connection:
        await connection.execute(
            insert(dials).values(
                **{"id": id, "callback_id": id, "department": "kirurgi", "agent": "kari", "agent_phone": "demo-phone"},
                **{"phone": phone(n).e164, "phone_mobile": False, "fence": 1, "state": "ended", "reason": "busy"},
                **{"requested_at": now, "ended_at": now},
            )
        )
        await connection.execute(insert(outbox).values(sealed_database.text(1000 + n, id, now, old_vault())))
    if close:
        await desk.outcomes.close(as_agent("kari"), id, ClosedReason.OTHER, fence=None, note=NOTE)
    return id


async def count(database: Database, table: Any, *conditions: Any) -> int:
    async with database.read() as connection:
        query = select(func.count()).select_from(table).where(*conditions)
        return int((await connection.execute(query)).scalar_one())


def test_every_possibly_personal_column_is_declared() -> None:
    """Binary values, free text, phones and names of patients: deleted by PERSONAL, or not personal, with the reason."""
    suspicious = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary | Text)
        or (isinstance(column.type, String) and ("phone" in column.name or "patient" in column.name))
    }
    deleted = {f"{each.of.table.name}.{name}" for each in PERSONAL for name in each.left}
    assert suspicious <= deleted | set(NOT_PERSONAL), (
        "say in desk/privacy/personal_columns.py what becomes of the column"
    )
    assert not deleted & set(NOT_PERSONAL)


async def test_nothing_identifies_the_patient_after_thirty_days(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    id = await lived(desk, database, 1)
    before = await everything(database)
    assert NOTE in before
    assert [trace for trace in traces(1) if trace not in before] == [
        person(1).value
    ]  # that one was sealed from the start
    clock.advance(DAYS - timedelta(seconds=1))
    await retention(database, clock).run_if_due()
    assert phone(1).e164 in await everything(database)
    clock.advance(timedelta(days=1))
    run = await retention(database, clock).run_if_due()
    assert run is not None
    assert run.deleted == {"callbacks": 1, "incomplete_calls": 0, "answers": 0}
    after = await everything(database)
    assert [trace for trace in (*traces(1), NOTE) if trace in after] == []
    async with database.read() as connection:
        row = (
            await connection.execute(
                select(inquiries, callbacks.c.phone).join_from(inquiries, callbacks).where(inquiries.c.id == id)
            )
        ).one()
        text = (await connection.execute(select(outbox))).one()
    assert (row.phone, row.patient_number, row.patient_index, row.subject_key, row.patient_kind, row.note) == (
        "",
        *(None, None, None, None, None),
    )
    assert row.forgotten_at == clock.now()
    assert (text.phone, text.text, text.state) == (None, None, "expired")


async def test_statistics_are_kept(desk: CallbackServices, database: Database, clock: FakeClock) -> None:
    for n in range(3):
        await lived(desk, database, n)
    counted = (inquiries, callbacks, attempts, promises, history, calls, dials, outbox)
    before = [await count(database, table) for table in counted]
    clock.advance(DAYS + timedelta(days=1))
    await retention(database, clock).run_if_due()
    assert [await count(database, table) for table in counted] == before
    async with database.read() as connection:
        outcomes = (await connection.execute(select(attempts.c.outcome, attempts.c.counted, attempts.c.agent))).all()
        closed = (await connection.execute(select(inquiries.c.closed_reason, inquiries.c.department))).all()
    assert set(map(tuple, outcomes)) == {("no_answer", True, "kari")}
    assert set(map(tuple, closed)) == {("other", "kirurgi")}


async def test_open_reopened_and_held_callbacks_are_kept(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    waiting = await lived(desk, database, 1, close=False)
    reopened, held, lifted = [await lived(desk, database, n) for n in (2, 3, 4)]
    await desk.outcomes.reopen(as_agent("kari"), reopened)
    rights = SubjectAccess(database=database, vault=old_vault(), clock=clock)
    await rights.hold(as_agent("jurist"), held, "NPE 2026/17")
    await rights.hold(as_agent("jurist"), lifted, "NPE 2026/18")
    await rights.lift(as_agent("jurist"), lifted)
    clock.advance(DAYS + timedelta(days=1))
    run = await retention(database, clock).run_if_due()
    assert run is not None
    assert run.deleted["callbacks"] == 1
    assert {(await desk.lists.get(SYSTEM, id)).phone for id in (waiting, reopened, held)} == {
        phone(1),
        phone(2),
        phone(3),
    }
    assert await desk.identity_reveal.reveal(as_agent("kari"), held) == person(3)
    with pytest.raises(CallbackNotFound):
        await desk.lists.get(SYSTEM, lifted)
    events = [(row.event, row.actor) for row in await desk.lists.history(SYSTEM, held)]
    assert events[-2:] == [("legal_hold_set", "jurist"), ("patient_viewed", "kari")]


async def test_hold_set_during_the_run_keeps_everything_or_is_refused(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    ids = [await lived(desk, database, n) for n in range(1, 7)]
    clock.advance(DAYS + timedelta(days=1))
    rights = SubjectAccess(database=database, vault=old_vault(), clock=clock)
    night = retention(database, clock, rows_a_step=1).run_if_due()
    holds = [rights.hold(as_agent("jurist"), id, "NPE 2026/17") for id in ids]
    *held, _ = await asyncio.gather(*holds, night, return_exceptions=True)
    after = await everything(database)
    for n, found in enumerate(held, 1):
        assert isinstance(found, CallbackNotFound) or found.id == ids[n - 1]
        assert (person(n).masked in after) is not isinstance(found, CallbackNotFound), "whole, or gone and said so"
        assert (phone(n).e164 in after) is not isinstance(found, CallbackNotFound)


async def test_deleted_callbacks_are_in_no_list_and_cannot_be_changed(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    gone = await lived(desk, database, 1)
    clock.advance(DAYS + timedelta(days=1))
    kept = await lived(desk, database, 2)
    await retention(database, clock).run_if_due()
    page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=10)
    assert [callback.id for callback in page.items] == [kept]
    told = await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=None, cursor=None, limit=10)
    assert [each.callback_id for each in told.items] == [kept]
    for attempt in (
        desk.lists.get(SYSTEM, gone),
        desk.outcomes.reopen(as_agent("kari"), gone),
        desk.claiming.claim_named(as_agent("kari"), gone),
        desk.lists.history(SYSTEM, gone),
    ):
        with pytest.raises(CallbackNotFound):
            await attempt
    again = await desk.registration.register(CALLER, CallKey("asterisk-1", "later"), "kirurgi", person(1), phone(1))
    assert again.created


async def test_incomplete_calls_are_deleted_after_a_day_and_still_counted(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await desk.registration.record_call(CALLER, call(1), "kirurgi", phone=phone(1), step=IncompleteStep.IDENTITY)
    clock.advance(timedelta(hours=24))
    await desk.registration.record_call(CALLER, call(2), "kirurgi", phone=phone(2), step=IncompleteStep.PHONE)
    run = await retention(database, clock).run_if_due()
    assert run is not None
    assert run.deleted["incomplete_calls"] == 1
    after = await everything(database)
    assert [trace for trace in (phone(1).e164, "channel-1") if trace in after] == []
    assert phone(2).e164 in after
    assert await count(database, calls, calls.c.incomplete, calls.c.department == "kirurgi") == 2
    told = await desk.lists.calls(as_agent("reader", Scope.of(["kirurgi"])), incomplete=True, cursor=None, limit=10)
    assert [each.phone for each in told.items] == [phone(2)]


async def test_stored_answers_are_deleted_after_a_day(database: Database, clock: FakeClock) -> None:
    await sealed_database.fill(database, clock, 30)
    clock.advance(timedelta(hours=25))
    run = await retention(database, clock, rows_a_step=2).run_if_due()
    assert run is not None
    assert run.deleted["answers"] == 3
    assert await count(database, answers) == 0


# --- one process runs


@pytest.mark.parametrize(
    ("utc", "night"),
    [
        (datetime(2026, 11, 24, 2, 29, 59), date(2026, 11, 23)),  # 03:29:59 in Oslo
        (datetime(2026, 11, 24, 2, 30), date(2026, 11, 24)),
        (datetime(2026, 11, 24, 22, 59), date(2026, 11, 24)),
        (datetime(2026, 11, 24, 23, 30), date(2026, 11, 24)),  # past midnight in Oslo
        (datetime(2027, 3, 28, 1, 30), date(2027, 3, 28)),  # 02:30 did not exist that night
        (datetime(2027, 3, 28, 1, 0), date(2027, 3, 27)),
    ],
)
def test_run_starts_at_its_hour(utc: datetime, night: date) -> None:
    assert RetentionRules(at=time(3, 30)).night(utc.replace(tzinfo=UTC)) == night


async def test_several_processes_run_once_a_night(desk: CallbackServices, database: Database, clock: FakeClock) -> None:
    for n in range(12):
        await lived(desk, database, n)
    clock.advance(DAYS + timedelta(days=1))
    processes = [retention(database, clock, rows_a_step=2) for _ in range(6)]
    runs = await asyncio.gather(*(each.run_if_due() for each in processes))
    (done,) = [run for run in runs if run is not None]
    assert done.deleted["callbacks"] == 12
    assert await asyncio.gather(*(each.run_if_due() for each in processes)) == [None] * 6
    clock.advance(timedelta(days=1))
    again = [run for each in processes if (run := await each.run_if_due()) is not None]
    assert [run.deleted["callbacks"] for run in again] == [0]


class Killed(Exception):
    pass


class Dying(Retention):
    """A process killed in the middle of its second unit of work."""

    steps = 0

    async def _step(self, by: Actor | Unit, /, run: nights.RetentionRun) -> nights.RetentionRun | None:
        self.steps += 1
        if self.steps == 2:
            raise Killed
        return await super()._step(by, run)


async def test_another_process_continues_where_a_dead_one_stopped(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    for n in range(5):
        await lived(desk, database, n)
    clock.advance(DAYS + timedelta(days=1))
    check = TrustedClock(database=database, clock=clock)
    dying = Dying(database=database, clock=clock, check=check, rules=RetentionRules(), rows_a_step=2, rest=0)
    with pytest.raises(Killed):
        await dying.run_if_due()
    other = retention(database, clock, rows_a_step=2)
    assert await other.run_if_due() is None, "the runner may still live"
    clock.advance(SILENT)
    run = await other.run_if_due()
    assert run is not None
    assert (run.fence, run.deleted["callbacks"]) == (2, 5)


async def test_process_that_returns_late_does_nothing(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await lived(desk, database, 1)
    clock.advance(DAYS + timedelta(days=1))
    first = retention(database, clock)
    taken = await first._take(SYSTEM, RetentionRules().night(clock.now()))
    assert taken is not None
    clock.advance(SILENT)
    assert await retention(database, clock).run_if_due() is not None
    assert await first._step(SYSTEM, taken) is None


async def test_retention_runs_in_the_background(desk: CallbackServices, database: Database, clock: FakeClock) -> None:
    await lived(desk, database, 1)
    clock.advance(DAYS + timedelta(days=1))
    nightly = retention(database, clock)
    async with repeating(nightly.run_if_due, not_done="nothing deleted", every=0.01):
        while not ((found := (await nightly.nights(SYSTEM))[0]) and found[0].finished_at):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert found[0].deleted["callbacks"] == 1


# --- the commands


@pytest.fixture
def asked(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in sealed_database.variables(migrated_url).items():
        monkeypatch.setenv(name, value)
    return CliRunner()


async def long_ago(database: Database) -> None:
    async def work(connection: Connection) -> None:
        before = datetime.now(UTC) - timedelta(days=40)
        await connection.execute(update(inquiries).where(inquiries.c.status == "closed").values(closed_at=before))

    async with database.begin() as connection:
        await work(connection)


async def test_retention_commands_hold_run_and_lift(
    asked: CliRunner, desk: CallbackServices, database: Database
) -> None:
    held, gone = await lived(desk, database, 1), await lived(desk, database, 2)

    async def run(*words: str) -> Mapping[str, Any]:
        done = await asyncio.to_thread(asked.invoke, app, ["retention", *words])
        return {"code": done.exit_code, "said": done.output}

    assert (await run("hold", held, "--by", "jurist", "--case", "NPE 17"))["code"] == 0
    await long_ago(database)
    doubted, first, second = await run("run"), await run("run", "--clock-is-right"), await run("run")
    assert (doubted["code"], "may be wrong" in doubted["said"]) == (1, True), "the desk's own clock is another"
    assert "callbacks: 1," in first["said"], first
    assert second["code"] == 0
    status = await run("status")
    assert "1 callbacks are under legal hold" in status["said"]
    assert (await run("lift", held, "--by", "jurist"))["code"] == 0
    assert "callbacks: 2," in (await run("run"))["said"]
    refused = await run("hold", gone, "--by", "jurist", "--case", "NPE 17")
    assert (refused["code"], "There is no such callback." in refused["said"]) == (1, True)
