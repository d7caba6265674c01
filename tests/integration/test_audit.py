"""The rows of the audit: chained, written by many at once and by several processes, and protected from changes."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from desk.access.actor import CALLER, SYSTEM, Actor
from desk.access.permissions import Scope
from desk.audit.actions import AuditAction
from desk.audit.audit import AuditOutcome
from desk.audit.chain import Anchor
from desk.audit.repository import AuditFilter, AuditRow
from desk.audit.verify import MOST_FAULTS, AuditVerifier
from desk.callbacks.services import CallbackServices
from desk.database.engine import Conflict, Database
from desk.database.errors import BadCursor, StorageUnavailable
from desk.vault.vault import Vault
from tests.support.desk.audit import VAULT, entry, everything, faults, make_audit, unguarded
from tests.support.desk.desk import KEYS, call, person, phone
from tests.support.fakes import FakeClock

NEW_INDEX = b"j" * 32
REFUSED = (Conflict, StorageUnavailable)
"""The two engines' refusals."""


def shown(rows: Sequence[AuditRow]) -> list[tuple[int, str]]:
    return [(row.seq, row.action) for row in rows]


def of_departments(*slugs: str) -> Actor:
    """An auditor of these departments."""
    return Actor("vera", Scope.of(slugs))


async def test_rows_are_numbered_without_gaps_and_complete(
    database: Database, desk: CallbackServices, clock: FakeClock
) -> None:
    audit = make_audit(database, clock)
    callback = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    await audit.record(entry(AuditAction.ME))
    await audit.record(
        entry(
            AuditAction.GET_PATIENT,
            callbacks={callback.id, "0bd4a4a3-7a0b-4f0e-8c68-0d9f9e6f6f01"},
            patient=person(1).value,
            why="nødrett",
            request_id="7b8f5c3d-one",
            session="token:ab12",
            emergency=True,
        )
    )
    first, second = await everything(database)
    assert (first.seq, first.who, first.role, first.action, first.seen) == (1, "kari", "agent", "me", ())
    assert first.at == clock.now()
    assert (second.seq, second.department, second.why, second.emergency) == (2, "kirurgi", "nødrett", True)
    assert (second.request_id, second.session, second.status) == ("7b8f5c3d-one", "token:ab12", 200)
    assert [(each.callback_id, each.department) for each in second.seen] == [(callback.id, "kirurgi")]
    assert second.seen[0].patient_index == second.patient_index == VAULT.index(person(1).value)
    assert await faults(database) == []


async def test_no_personal_data_is_stored_in_clear(
    database: Database, desk: CallbackServices, clock: FakeClock
) -> None:
    callback = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    await make_audit(database, clock).record(
        entry(callbacks=[callback.id], patient=person(1).value, why=f"spurt av {phone(1).e164} om {person(1).value}")
    )
    (row,) = await everything(database)
    assert row.why == "spurt av +… om …"
    async with database.read() as connection:
        kept = [str(tuple(each)) for each in await connection.execute(text("select * from audit_patients"))]
    for secret in (person(1).value, phone(1).e164, person(1).masked):
        assert secret not in f"{row} {kept}"
    async with database.read() as connection:
        id, number = (await connection.execute(text("select id, number from audit_patients"))).one()
    assert VAULT.open(bytes(number), "audit_patients.number", str(UUID(str(id)))) == person(1).value


async def test_simultaneous_entries_share_a_commit_and_one_chain(database: Database, clock: FakeClock) -> None:
    audit = make_audit(database, clock)
    await asyncio.gather(*(audit.record(entry(request_id=f"request-{n}")) for n in range(120)))
    found = await everything(database)
    assert [row.seq for row in found] == list(range(1, 121))
    assert {row.request_id for row in found} == {f"request-{n}" for n in range(120)}
    assert len({row.at for row in found}) == 1
    assert await faults(database, step=7) == []


async def test_chain_with_two_keys_cannot_be_verified_without_the_old_one(database: Database, clock: FakeClock) -> None:
    number = person(1).value
    both = Vault(
        identity_key=KEYS["identity_key"], index_key=NEW_INDEX, index_version=2, older_index={1: KEYS["index_key"]}
    )
    await make_audit(database, clock).record(entry(patient=number))
    await make_audit(database, clock, both).record(entry(patient=number))
    await make_audit(database, clock).record(entry(AuditAction.ME))
    assert [row.key_version for row in await everything(database)] == [1, 2, 1]
    assert await faults(database, vault=both) == []
    found = await make_audit(database, clock, both).of_patient(SYSTEM, number)
    assert [row.seq for row in found.items] == [2, 1]
    alone = Vault(identity_key=KEYS["identity_key"], index_key=NEW_INDEX, index_version=2)
    told = [str(fault) for fault in await faults(database, vault=alone)]
    assert [line for line in told if "INNRINGING_INDEX_KEY" in line] == [
        f"row {seq}: can't be verified: its version of INNRINGING_INDEX_KEY isn't given" for seq in (1, 3)
    ]


@pytest.mark.parametrize("table", ["audit", "audit_callbacks"])
@pytest.mark.parametrize(
    "statement", ["update {table} set seq = seq + 100", "update {table} set department = 'x'", "delete from {table}"]
)
async def test_database_refuses_to_change_or_delete_rows(
    database: Database, desk: CallbackServices, clock: FakeClock, table: str, statement: str
) -> None:
    callback = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    await make_audit(database, clock).record(entry(callbacks=[callback.id]))
    with pytest.raises(REFUSED):
        async with database.begin() as connection:
            await connection.execute(text(statement.format(table=table)))
    if database.dialect == "postgresql":
        with pytest.raises(REFUSED):
            async with database.begin() as connection:
                await connection.execute(text(f"truncate {table}"))
    else:
        with pytest.raises(REFUSED):
            async with database.begin() as connection:
                await connection.execute(text(f"insert or replace into {table} select * from {table}"))
    assert len(await everything(database)) == 1
    assert await faults(database) == []


async def test_page_is_filtered_and_newest_first(database: Database, desk: CallbackServices, clock: FakeClock) -> None:
    audit = make_audit(database, clock)
    mine = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    theirs = (await desk.registration.register(CALLER, call(2), "hjerte", person(2), phone(2))).callback
    start = clock.now()
    entries: list[dict[str, Any]] = [
        {"callbacks": [mine.id]},
        {"callbacks": [theirs.id], "who": "ola"},
        {"callbacks": [mine.id, theirs.id], "action": AuditAction.LIST_CALLBACKS},
        {"who": None, "role": None, "action": AuditAction.ME, "outcome": AuditOutcome.REFUSED, "status": 401},
        {"department": "kirurgi", "emergency": True, "action": AuditAction.CLAIM_NEXT},
    ]
    for n, more in enumerate(entries, 1):
        clock.set(start.replace(minute=n))
        await audit.record(entry(**more))

    async def seqs(by: Actor = SYSTEM, **filters: Any) -> list[int]:
        return [row.seq for row in (await audit.page(by, AuditFilter(**filters))).items]

    assert await seqs() == [5, 4, 3, 2, 1]
    assert await seqs(who="ola") == [2]
    assert await seqs(action="list_callbacks") == [3]
    assert await seqs(outcome="refused") == [4]
    assert await seqs(emergency=True) == [5]
    assert await seqs(department="kirurgi") == [5, 3, 1]
    assert await seqs(callback=theirs.id) == [3, 2]
    assert await seqs(since=start.replace(minute=2), until=start.replace(minute=4)) == [3, 2]
    assert await seqs(of_departments("kirurgi")) == [5, 3, 1]
    assert await seqs(of_departments("kirurgi"), callback=theirs.id) == []
    assert await seqs(of_departments()) == []
    within = await audit.page(of_departments("kirurgi"), AuditFilter(action="list_callbacks"))
    assert [each.callback_id for each in within.items[0].seen] == [mine.id]
    first = await audit.page(SYSTEM, limit=2)
    second = await audit.page(SYSTEM, limit=3, cursor=first.next_cursor)
    assert [row.seq for row in (*first.items, *second.items)] == [5, 4, 3, 2, 1]
    assert second.next_cursor is None
    with pytest.raises(BadCursor):
        await audit.page(SYSTEM, cursor="nonsense")


async def test_rows_of_a_patient_are_found_after_the_callback_is_forgotten(
    database: Database, desk: CallbackServices, clock: FakeClock
) -> None:
    audit = make_audit(database, clock)
    callback = (await desk.registration.register(CALLER, call(1), "kirurgi", person(1), phone(1))).callback
    await audit.record(entry(callbacks=[callback.id]))
    async with database.begin() as connection:
        await connection.execute(
            text(
                "update inquiries set patient_index = null, patient_number = null, "
                "patient_masked = null, patient_kind = null"
            )
        )
    await audit.record(entry(AuditAction.ME))
    assert [row.seq for row in (await audit.of_patient(SYSTEM, person(1).value)).items] == [1]
    assert (await audit.of_patient(of_departments("hjerte"), person(1).value)).items == []
    assert (await audit.of_patient(SYSTEM, person(2).value)).items == []


async def test_anchor_is_written_without_digits_and_read_back(database: Database, clock: FakeClock) -> None:
    audit = make_audit(database, clock)
    await audit.record(entry())
    anchor = await audit.anchor()
    number, _, hash = str(anchor).partition(":")
    assert number == "1"
    assert not any(character.isdigit() for character in hash)
    assert Anchor.parse(str(anchor)) == anchor
    for wrong in ("", "1", "1:abc", f"x:{hash}", f"1:{hash}q"):
        with pytest.raises(ValueError, match="an anchor is"):
            Anchor.parse(wrong)


async def test_rows_removed_at_the_end_are_found_by_an_anchor(database: Database, clock: FakeClock) -> None:
    audit = make_audit(database, clock)
    for _ in range(5):
        await audit.record(entry())
    anchor = await audit.anchor()
    assert await faults(database, anchor) == []
    await unguarded(database, "delete from audit where seq > 3")
    assert await faults(database) == []
    assert [str(fault) for fault in await faults(database, anchor)] == ["rows 4 to 5: removed"]
    other = Anchor(2, bytes(32))
    assert [str(fault) for fault in await faults(database, other)] == ["row 2: not as it was when the anchor was taken"]


async def test_many_faults_are_only_counted(database: Database, clock: FakeClock) -> None:
    audit = make_audit(database, clock)
    await asyncio.gather(*(audit.record(entry()) for _ in range(1100)))

    async def found() -> tuple[int, int]:
        verification = await AuditVerifier(database=database, vault=VAULT, clock=clock).verify()
        return len(verification.faults), verification.more

    assert await found() == (0, 0)
    await unguarded(database, "update audit set who = 'ola'")
    assert await found() == (MOST_FAULTS, 1100 - MOST_FAULTS)
    await unguarded(database, "update audit set who = 'kari'", "delete from audit where seq % 2 = 0")
    assert await found() == (549, 0)
