"""A list that is polled: each view leaves a row, and a callback is named again only after a while."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry, AuditOutcome, _Pending
from desk.audit.repository import AuditRow
from desk.callbacks.model import Callback
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from tests.support.desk.audit import entry, everything, faults, make_audit, unguarded
from tests.support.desk.desk import call, person, phone
from tests.support.desk.statements import counted
from tests.support.fakes import FakeClock
from tests.support.web.api import open_world

FOLD = timedelta(minutes=15)


def look(*callbacks: Callback, action: AuditAction = AuditAction.LIST_CALLBACKS, **more: Any) -> AuditEntry:
    """An entry for a view of a list of these callbacks."""
    given = {"listed": True, "session": "token:1", **more}
    return entry(action, callbacks=[callback.id for callback in callbacks], **given)


def row_content(row: AuditRow) -> tuple[set[str], int | None]:
    """The callbacks that the row names, and the number of others that it counts."""
    return {each.callback_id for each in row.seen}, row.again


@pytest.fixture
def audit(database: Database, clock: FakeClock) -> Audit:
    return make_audit(database, clock, fold=FOLD)


@pytest.fixture
async def three(desk: CallbackServices) -> list[Callback]:
    """Callbacks of three patients."""
    return [
        (await desk.registration.register(CALLER, call(n), "kirurgi", person(n), phone(n))).callback for n in range(3)
    ]


async def newest(database: Database) -> AuditRow:
    return (await everything(database))[-1]


async def test_thirty_polls_of_a_list_name_its_callbacks_once(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        ids = {(await world.rings(n)).id for n in range(50)}
        for _ in range(30):
            shown = await world.get("/callbacks", params={"department": "kirurgi"})
            assert {item["id"] for item in shown["items"]} == ids
            world.clock.advance(timedelta(seconds=10))
        first, *later = await everything(world.database)
        assert (row_content(first), first.named_until) == ((ids, None), first.at + FOLD)
        assert len(later) == 29
        assert {(row.who, row.action, row.department, row.outcome) for row in later} == {
            ("kari", "list_callbacks", "kirurgi", "done")
        }
        assert all((row_content(row), row.named_until) == ((set(), 50), None) for row in later)
        assert [row.at for row in later] == [first.at + timedelta(seconds=10 * n) for n in range(1, 30)]
        await world.token("vera", Role.AUDITOR, ["kirurgi"])
        rows = (await world.as_("vera", "GET", "/audit", params={"who": "kari"})).json()["items"]
        assert [(row["again"], len(row["callbacks"])) for row in rows] == [(50, 0)] * 29 + [(0, 50)]
        assert [row["named_until"] is None for row in rows] == [True] * 29 + [False]


async def test_no_view_is_folded_where_folding_is_off(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path, audit_fold_minutes=0) as world:
        id = (await world.rings(1)).id
        for _ in range(2):
            await world.get("/callbacks")
        assert [row_content(row) for row in await everything(world.database)] == [({id}, None)] * 2


async def test_new_callback_in_the_list_is_named(
    database: Database, audit: Audit, clock: FakeClock, three: list[Callback]
) -> None:
    one, two, third = three
    await audit.record(look(one, two))
    clock.advance(timedelta(minutes=5))
    await audit.record(look(one, two, third))
    assert row_content(await newest(database)) == ({third.id}, 2)
    assert (await newest(database)).named_until == clock.now() + FOLD
    clock.advance(timedelta(minutes=10))
    await audit.record(look(one, two, third))
    assert row_content(await newest(database)) == ({one.id, two.id}, 1), (
        "each callback's time runs from when it was named"
    )
    await audit.record(look())
    assert row_content(await newest(database)) == (set(), None)
    assert await faults(database) == []


@pytest.mark.parametrize(
    "change",
    ["patient_index = :other, patient_number = :other", "department = 'hjerte'"],
    ids=["patient", "department"],
)
async def test_callback_with_another_patient_since_is_named(
    database: Database, audit: Audit, three: list[Callback], change: str
) -> None:
    await audit.record(look(*three))
    async with database.begin() as connection:
        where = "where id in (select id from callbacks where phone = :phone)"
        await connection.execute(
            text(f"update inquiries set {change} {where}"), {"other": b"o" * 32, "phone": phone(1).e164}
        )
    await audit.record(look(*three))
    row = await newest(database)
    assert row_content(row) == ({three[1].id}, 2)
    await audit.record(look(*three))
    assert row_content(await newest(database)) == (set(), 3)


async def test_only_views_of_one_session_and_one_list_are_folded(
    database: Database, audit: Audit, three: list[Callback]
) -> None:
    others: list[dict[str, Any]] = [{"session": "token:2"}, {"who": "ola"}, {"action": AuditAction.LIST_CALLS}]
    whole = ({callback.id for callback in three}, None)
    await audit.record(look(*three))
    for other in others:
        await audit.record(look(*three, **other))
        assert row_content(await newest(database)) == whole
    for other in others:
        await audit.record(look(*three, **other))
        assert row_content(await newest(database)) == (set(), 3)


async def test_other_entries_are_written_in_full_and_fold_nothing(
    database: Database, audit: Audit, three: list[Callback]
) -> None:
    exact: list[dict[str, Any]] = [
        *({"listed": False}, {"emergency": True}, {"patient": person(1).value}, {"outcome": AuditOutcome.REFUSED}),
        *({"session": None}, {"who": None}),
    ]
    whole = ({callback.id for callback in three}, None)
    for more in exact:
        await audit.record(look(*three, **more))
        row = await newest(database)
        assert (row_content(row), row.named_until) == (whole, None), more
    await audit.record(look(*three))
    assert row_content(await newest(database)) == whole, "what was seen under emergency access alone stands by itself"
    for more in exact:
        await audit.record(look(*three, **more))
        assert row_content(await newest(database)) == whole, more


async def test_callbacks_are_named_again_after_a_while_by_any_process(
    migrated_url: str, database: Database, audit: Audit, clock: FakeClock, three: list[Callback]
) -> None:
    """The state is in the database: another process, or the same one after a restart, continues from it."""
    await audit.record(look(*three))
    clock.advance(FOLD - timedelta(microseconds=1))
    elsewhere = Database(migrated_url)
    try:
        await make_audit(elsewhere, clock, fold=FOLD).record(look(*three))
        assert row_content(await newest(database)) == (set(), 3)
        await make_audit(elsewhere, clock, fold=timedelta(minutes=5)).record(look(*three))
        assert row_content(await newest(database)) == ({callback.id for callback in three}, None), (
            "a shorter time holds at once"
        )
        clock.advance(timedelta(minutes=5))
        await make_audit(elsewhere, clock, fold=timedelta(hours=1)).record(look(*three))
        assert row_content(await newest(database)) == ({callback.id for callback in three}, None), (
            "a row means what it says"
        )
    finally:
        await elsewhere.close()


async def test_one_of_several_simultaneous_views_names_the_callbacks(
    database: Database, audit: Audit, three: list[Callback]
) -> None:
    await asyncio.gather(*(audit.record(look(*three, session=f"token:{n % 2}")) for n in range(20)))
    rows = await everything(database)
    assert [row_content(row)[1] for row in rows] == [None, None] + [3] * 18
    assert await faults(database) == []


async def test_extract_says_how_often_a_folded_list_may_have_shown_the_patient(
    database: Database, audit: Audit, clock: FakeClock, three: list[Callback]
) -> None:
    one, two, _ = three
    await audit.record(look(one, two))
    await audit.record(look(one, who="ola"))
    for _ in range(4):
        clock.advance(timedelta(minutes=5))
        await audit.record(look(one, two))
        await audit.record(entry(AuditAction.ME, session="token:1"))
    found = (await audit.of_patient(SYSTEM, person(0).value)).items
    assert [(row.seq, [each.callback_id for each in row.seen]) for row in found] == [
        *((7, [one.id]), (2, [one.id]), (1, [one.id]))
    ], "of a list only what is the patient's own"
    assert await audit.repeats(SYSTEM, found) == {7: 1, 1: 2}


async def test_changed_count_of_a_folded_row_is_found(
    database: Database, audit: Audit, clock: FakeClock, three: list[Callback]
) -> None:
    for _ in range(3):
        await audit.record(look(*three))
        await audit.record(entry(AuditAction.ME))
    assert await faults(database) == []
    await unguarded(database, "update audit set again = 2 where seq = 3")
    assert [str(fault) for fault in await faults(database)] == ["row 3: changed, or put in"]
    await unguarded(database, "update audit set again = null where seq = 3", "update audit set again = 0 where seq = 4")
    assert [fault.seq for fault in await faults(database)] == [3, 4]
    await unguarded(
        database,
        "update audit set again = 3 where seq = 3",
        "update audit set again = null where seq = 4",
        "update audit set named_until = null where seq = 1",
        "update audit set named_until = at where seq = 5",
    )
    assert [fault.seq for fault in await faults(database)] == [1, 5]


async def test_twenty_simultaneous_views_need_the_statements_of_one(
    database: Database, audit: Audit, three: list[Callback]
) -> None:
    """The first, and those with a number: the lock (on PostgreSQL), the callbacks, the newest row, the named callbacks,
    and the rows themselves. Then, on PostgreSQL, one for all rows, and the first time the callbacks and those named."""
    postgresql = database.dialect == "postgresql"

    async def asked(*entries: AuditEntry) -> int:
        with counted(database) as statements:
            await audit._append([_Pending(each, audit._clock.now()) for each in entries])
        return len(statements)

    assert await asked(entry(AuditAction.ME)) == (3 if postgresql else 2)
    assert await asked(entry(AuditAction.ME)) == (1 if postgresql else 2)
    assert await asked(*[look(*three, session=f"token:{n}") for n in range(20)]) == (3 if postgresql else 5)
    assert await asked(*[look(*three, session=f"token:{n}") for n in range(20)]) == (1 if postgresql else 4)
    assert await asked(*[replace(look(*three), listed=False) for n in range(20)]) == (1 if postgresql else 4)
    named = [entry(AuditAction.GET_PATIENT, patient=person(n).value) for n in range(3)]
    assert await asked(*named) == (7 if postgresql else 6)
    assert await asked(*named) == (4 if postgresql else 3)
