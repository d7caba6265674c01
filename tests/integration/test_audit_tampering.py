"""A hundred changes made directly in the audit's tables, each found with its row; on both engines."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Table, delete, insert, select, update

from desk.access.actor import CALLER
from desk.audit.actions import AuditAction
from desk.audit.chain import Anchor
from desk.audit.repository import NUMBER
from desk.audit.verify import Fault, FaultKind
from desk.callbacks.services import CallbackServices
from desk.database.engine import Connection, Database
from desk.schema.tables import audit, audit_callbacks, audit_patients
from tests.support.desk.audit import VAULT, entry, faults, make_audit, unguarded
from tests.support.desk.desk import call, person, phone
from tests.support.fakes import FakeClock

ACTIONS = (AuditAction.ME, AuditAction.GET_CALLBACK, AuditAction.GET_HISTORY, AuditAction.BOOK, AuditAction.CLAIM_NEXT)
ROWS = 40
TABLES = (audit, audit_callbacks, audit_patients)
TIMES = 100

Tampering = Callable[["Forger"], Awaitable[set[int]]]


class Forger:
    """An attacker with full access to the database, but without the keys."""

    def __init__(self, connection: Connection, chance: random.Random, kept: dict[str, list[dict[str, Any]]]) -> None:
        self.connection = connection
        self.chance = chance
        self.kept = kept

    def row(self, table: Table = audit) -> dict[str, Any]:
        return dict(self.chance.choice(self.kept[table.name]))

    async def put(self, table: Table, row: dict[str, Any]) -> None:
        await self.connection.execute(insert(table).values(**row))

    async def change(self, table: Table, row: dict[str, Any], **values: Any) -> None:
        keys = [column == row[column.name] for column in table.primary_key]
        await self.connection.execute(update(table).where(*keys).values(**values))

    async def remove(self, table: Table, row: dict[str, Any]) -> None:
        keys = [column == row[column.name] for column in table.primary_key]
        await self.connection.execute(delete(table).where(*keys))

    def other(self, value: Any) -> Any:
        """Another value of the same kind."""
        match value:
            case None:
                return None
            case bool():
                return not value
            case int():
                return value + self.chance.randint(1, 9)
            case bytes():
                place = self.chance.randrange(len(value))
                return value[:place] + bytes([value[place] ^ (1 << self.chance.randrange(8))]) + value[place + 1 :]
            case str():
                return value[:-1] + ("y" if value[-1:] == "x" else "x")
            case _:
                return value + timedelta(microseconds=self.chance.randint(1, 1000))


NULLED = {
    **{"who": "ola", "role": "leader", "department": "hjerte", "patient_index": bytes(32), "why": "nødrett"},
    **{
        "status": 403,
        "problem": "forbidden",
        "request_id": "r",
        "session": "s",
        "through": 3,
        "through_hash": bytes(32),
    },
    **{"again": 1, "named_until": datetime(2026, 11, 24, 8, tzinfo=UTC)},
}
"""A value for a column that was empty."""


async def column(forger: Forger) -> set[int]:
    """Change one column of one row, but not its number."""
    row = forger.row()
    name = forger.chance.choice([each.name for each in audit.columns if each.name != "seq"])
    changed = NULLED[name] if row[name] is None else forger.other(row[name])
    await forger.change(audit, row, **{name: changed})
    return {row["seq"]}


async def emptied(forger: Forger) -> set[int]:
    """Empty a column of a row."""
    row = forger.row()
    name = forger.chance.choice([name for name in NULLED if row[name] is not None])
    await forger.change(audit, row, **{name: None})
    return {row["seq"]}


async def removed(forger: Forger) -> set[int]:
    row = forger.row()
    await forger.remove(audit, row)
    return {row["seq"]}


async def forged_at_the_end(forger: Forger) -> set[int]:
    row = forger.row()
    await forger.put(audit, {**row, "seq": ROWS + 1, "patient_index": None})
    return {ROWS + 1}


async def forged_before_the_start(forger: Forger) -> set[int]:
    seq = -forger.chance.randint(0, 5)
    await forger.put(audit, {**forger.row(), "seq": seq, "patient_index": None})
    return {seq}


async def forged_in_place(forger: Forger) -> set[int]:
    """Overwrite a row with the content of another."""
    one, other = forger.chance.sample(forger.kept["audit"], 2)
    await forger.change(audit, one, **{**other, "seq": one["seq"], "at": one["at"]})
    return {one["seq"]}


async def swapped(forger: Forger) -> set[int]:
    """Swap two rows completely, including their subjects."""
    one, other = forger.chance.sample(forger.kept["audit"], 2)
    for seq, to in ((one["seq"], 900), (other["seq"], one["seq"]), (900, other["seq"])):
        for table in (audit, audit_callbacks):
            await forger.connection.execute(update(table).where(table.c.seq == seq).values(seq=to))
    return {one["seq"], other["seq"]}


async def cut_off(forger: Forger) -> set[int]:
    first = forger.chance.randint(2, ROWS)
    for table in (audit, audit_callbacks):
        await forger.connection.execute(delete(table).where(table.c.seq >= first))
    return set(range(first, ROWS + 1))


async def another_callback(forger: Forger) -> set[int]:
    row = forger.row(audit_callbacks)
    await forger.change(audit_callbacks, row, callback_id=str(uuid4()))
    return {row["seq"]}


async def another_patient(forger: Forger) -> set[int]:
    row = forger.row(audit_callbacks)
    name = forger.chance.choice(["department", "patient_index"])
    await forger.change(audit_callbacks, row, **{name: forger.other(row[name]) or bytes(32)})
    return {row["seq"]}


async def callback_removed(forger: Forger) -> set[int]:
    row = forger.row(audit_callbacks)
    await forger.remove(audit_callbacks, row)
    return {row["seq"]}


async def callback_added(forger: Forger) -> set[int]:
    row = {**forger.row(audit_callbacks), "callback_id": str(uuid4())}
    row["seq"] = forger.chance.choice([forger.chance.randint(1, ROWS), ROWS + 7])
    await forger.put(audit_callbacks, row)
    return {row["seq"]}


async def number_changed(forger: Forger) -> set[int]:
    row = forger.row(audit_patients)
    await forger.change(audit_patients, row, number=forger.other(row["number"]))
    return forger_rows(forger, row["patient_index"])


async def number_removed(forger: Forger) -> set[int]:
    row = forger.row(audit_patients)
    await forger.remove(audit_patients, row)
    return forger_rows(forger, row["patient_index"])


async def number_of_another(forger: Forger) -> set[int]:
    """Even a number sealed with the right key does not pass for another's."""
    row = forger.row(audit_patients)
    await forger.change(audit_patients, row, number=VAULT.seal(person(99).value, NUMBER, row["id"]))
    return forger_rows(forger, row["patient_index"])


def forger_rows(forger: Forger, index: bytes) -> set[int]:
    return {row["seq"] for row in forger.kept["audit"] if row["patient_index"] == index}


TAMPERINGS: Sequence[Tampering] = (
    *(column, column, column, column, emptied, removed, forged_at_the_end, forged_before_the_start, forged_in_place),
    *(swapped, cut_off, another_callback, another_patient, callback_removed, callback_added),
    *(number_changed, number_removed, number_of_another),
)


@dataclass
class Written:
    """An audit as it was written: its rows by table, and its last number."""

    kept: dict[str, list[dict[str, Any]]]
    anchor: Anchor


@pytest.fixture
async def written(database: Database, desk: CallbackServices, clock: FakeClock) -> Written:
    """Forty rows: views of one callback, lists of several (some folded), revealed numbers, and entries about none."""
    audit_of = make_audit(database, clock, fold=timedelta(minutes=15))
    ids = [
        (
            await desk.registration.register(CALLER, call(n), ("kirurgi", "hjerte")[n % 2], person(n), phone(n))
        ).callback.id
        for n in range(6)
    ]
    for n in range(ROWS):
        clock.advance(timedelta(seconds=1))
        seen = {0: ids, 1: ids[n % 6 : n % 6 + 1], 2: ids[:2]}.get(n % 4, ())
        more: dict[str, Any] = {"patient": person(n % 6).value} if n % 4 == 1 else {}
        who = None if n % 7 == 3 else f"agent-{n % 3}"
        action = ACTIONS[n % 5]
        if n % 4 == 0 and n > 8:
            action, who, more = AuditAction.LIST_CALLBACKS, "agent-0", {"listed": True, "session": "token:1"}
        await audit_of.record(entry(action, callbacks=seen, who=who, request_id=str(uuid4()), **more))
    await unguarded(database)
    async with database.read() as connection:
        kept = {table.name: [dict(row._mapping) for row in await connection.execute(select(table))] for table in TABLES}
    assert [row["again"] for row in kept["audit"] if row["action"] == "list_callbacks"] == [None, *[6] * 6]
    return Written(kept, await audit_of.anchor())


async def restored(connection: Connection, kept: dict[str, list[dict[str, Any]]]) -> None:
    for table in TABLES:
        await connection.execute(delete(table))
        await connection.execute(insert(table), kept[table.name])


async def test_hundred_manipulations_are_found_with_their_rows(database: Database, written: Written) -> None:
    chance = random.Random(20261124)
    assert await faults(database, written.anchor) == []
    missed = []
    for n in range(TIMES):
        tampering = TAMPERINGS[n % len(TAMPERINGS)]
        async with database.begin() as connection:
            await restored(connection, written.kept)
            expected = await tampering(Forger(connection, chance, written.kept))
        found = await faults(database, written.anchor, step=chance.choice([1, 7, 1000]))
        if rows_of(found) != expected:
            missed.append((tampering.__name__, expected, found))
    assert missed == []
    async with database.begin() as connection:
        await restored(connection, written.kept)
    assert await faults(database, written.anchor) == []


def rows_of(found: Sequence[Fault]) -> set[int]:
    """The rows with a fault, without those that cannot be verified because the row before them is gone."""
    return {seq for fault in found if fault.what is not FaultKind.UNSURE for seq in range(fault.seq, fault.last + 1)}


async def test_fault_names_the_kind_of_manipulation(database: Database, written: Written) -> None:
    async def faults_found(tampering: Tampering) -> set[FaultKind]:
        async with database.begin() as connection:
            await restored(connection, written.kept)
            await tampering(Forger(connection, random.Random(1), written.kept))
        return {fault.what for fault in await faults(database, written.anchor)}

    assert await faults_found(column) == {FaultKind.CHANGED}
    assert await faults_found(removed) == {FaultKind.REMOVED}
    assert await faults_found(swapped) == {FaultKind.MOVED}
    assert await faults_found(forged_in_place) == {FaultKind.CHANGED, FaultKind.UNSURE}
    assert await faults_found(cut_off) == {FaultKind.REMOVED}
    assert await faults_found(forged_before_the_start) == {FaultKind.PUT_IN}
    assert await faults_found(number_of_another) == {FaultKind.NUMBER_CHANGED}
