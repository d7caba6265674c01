"""While the database does not take the audit's rows they wait on disk, sealed; reads go on, within a bound."""

import asyncio
import dataclasses
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api.health.readiness import check_audit
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditOutcome
from desk.audit.entry import MOST_CALLBACKS
from desk.audit.fallback import AuditFallback
from desk.audit.repository import AuditRow
from desk.database.deadline import _abandoned
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.safeguards import make_audit_drainer
from desk.spool.spool import Spool, SpoolState
from tests.support.desk.audit import VAULT, entry, everything, faults
from tests.support.fakes import FakeClock
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import open_world, refused
from tests.support.web.witness import HeardAudit

SOON = 0.2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit-spool"


def fallback_in(folder: Path, **more: Any) -> AuditFallback:
    return AuditFallback(Spool(folder, vault=VAULT), after=SOON, **more)


def audit_of(database: Database, clock: FakeClock, fallback: AuditFallback) -> Audit:
    return Audit(database=database, vault=VAULT, clock=clock, fallback=fallback)


@asynccontextmanager
async def unwritable(database: Database) -> AsyncIterator[None]:
    """Inside the block someone else keeps the audit locked. Reads of everything go on. Waits for what came too late."""
    other = Database(database.engine.url.render_as_string(hide_password=False))
    try:
        async with other.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text("lock table audit in exclusive mode"))
            yield
    finally:
        await other.close()
        while _abandoned:  # noqa: ASYNC110  # nothing reports it
            await asyncio.sleep(0.01)


def files_in(folder: Path) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in sorted(folder.glob("*.entry"))}


def said(rows: list[AuditRow]) -> list[tuple[Any, ...]]:
    return [(row.action, row.at, row.request_id) for row in rows]


async def test_rows_wait_on_disk_and_join_the_chain_once_and_in_order(
    database: Database, clock: FakeClock, folder: Path
) -> None:
    fallback = fallback_in(folder, tried_first=1e6)
    audit = audit_of(database, clock, fallback)
    number, expected = synthetic_identity(7), []
    await audit.record(entry(AuditAction.ME, request_id="before"))
    expected.append(("me", clock.now(), "before"))
    async with unwritable(database):
        for n, action in enumerate((AuditAction.GET_PATIENT, AuditAction.LIST_CALLBACKS, AuditAction.SEARCH)):
            clock.advance(timedelta(seconds=60))
            await audit.record(entry(action, request_id=f"during-{n}", patient=number, listed=True))
            expected.append((action.value, clock.now(), f"during-{n}"))
        assert said(await everything(database)) == expected[:1]
        assert await fallback.spool.state() == SpoolState(waiting=3, damaged=0)
        files = files_in(folder).values()
        assert not any(number.encode() in each or b"get_patient" in each for each in files), "sealed"
        assert (await check_audit(fallback)).detail == "3 rows wait on this machine's disk"
    clock.advance(timedelta(seconds=60))
    await audit.record(entry(AuditAction.ME, request_id="still on disk"))  # the database is asked again later
    copies = files_in(folder)
    assert await make_audit_drainer(audit, fallback).drain() == 4
    for file, content in copies.items():  # as after a crash between the commit and the removal
        file.write_bytes(content)
    await make_audit_drainer(audit, fallback).drain()
    await audit.record(entry(AuditAction.ME, request_id="after"))
    expected += [("me", clock.now(), "still on disk"), ("me", clock.now(), "after")]
    rows = await everything(database)
    assert sorted(said(rows), key=lambda row: (row[1], row[2] == "after")) == expected
    assert [row for row in said(rows) if row[2] != "during-0"] == [row for row in expected if row[2] != "during-0"]
    assert {row.patient_index for row in rows if row.request_id.startswith("during")} == {VAULT.index(number)}
    assert await faults(database) == []
    assert await check_audit(fallback) == await check_audit(fallback_in(folder))


async def test_reads_go_on_with_a_row_for_each(
    migrated_url: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BUSY_SECONDS", "STATEMENT_SECONDS"):  # how long a row that no file may replace is tried
        monkeypatch.setattr(f"desk.database.engine.{name}", 2)
    async with open_world(migrated_url, tmp_path) as world:
        callback = await world.rings(1)
        await world.get("/me")
        fallback = fallback_in(folder)
        heard = world.witness.heard
        audit = HeardAudit(heard, database=world.database, vault=VAULT, clock=world.clock, fallback=fallback)
        world.app.state.services = dataclasses.replace(world.services, audit=audit, audit_fallback=fallback)
        async with unwritable(world.database):
            assert [each["id"] for each in (await world.get("/callbacks"))["items"]] == [callback.id]
            assert (await world.get(f"/callbacks/{callback.id}"))["id"] == callback.id
            answer = await world.client.get("/api/v1/callbacks")
            refused(answer, 503, "storage-unavailable")  # of no one: it shows nothing, and fills no disk
            assert (await fallback.spool.state()).waiting == 2
        assert await make_audit_drainer(audit, fallback).drain() == 2
        found = [(row.who, row.action) for row in await everything(world.database)]
        assert found[-2:] == [("kari", "list_callbacks"), ("kari", "get_callback")]
        [seen] = (await everything(world.database))[-1].seen
        assert seen.callback_id == callback.id


async def test_beyond_the_bound_nothing_is_shown(database: Database, clock: FakeClock, folder: Path) -> None:
    async with unwritable(database):
        few = fallback_in(folder, most=2)
        audit = audit_of(database, clock, few)
        for _ in range(2):
            await audit.record(entry())
        with pytest.raises(StorageUnavailable):
            await audit.record(entry())
        assert not (await check_audit(few)).ok
        old = folder / f"{int((time.time() - 25 * 3600) * 1e6):020d}-{'0' * 16}.entry"
        old.write_bytes(b"")
        with pytest.raises(StorageUnavailable):
            await audit_of(database, clock, fallback_in(folder)).record(entry())
        with pytest.raises(StorageUnavailable):
            await audit_of(database, clock, fallback_in(Path(os.devnull) / "none")).record(entry())


@pytest.mark.parametrize("more", [{"who": None}, {"outcome": AuditOutcome.FAILED, "status": 500}])
async def test_what_shows_nothing_does_not_fill_the_disk(
    database: Database, clock: FakeClock, folder: Path, more: dict[str, Any]
) -> None:
    fallback = fallback_in(folder)
    assert not fallback.takes(entry(**more))
    await audit_of(database, clock, fallback).record(entry(**more))
    assert len(await everything(database)) == 1


async def test_damaged_file_is_set_aside_and_stops_no_other(database: Database, clock: FakeClock, folder: Path) -> None:
    fallback = fallback_in(folder)
    audit = audit_of(database, clock, fallback)
    async with unwritable(database):
        for n in range(3):
            await audit.record(entry(request_id=f"r{n}", callbacks=[f"0f8fad5b-d9cb-469f-a165-{n:012}"]))
    first, content = next(iter(files_in(folder).items()))
    first.write_bytes(content[:-1] + b"x")
    await make_audit_drainer(audit, fallback).drain()
    assert await fallback.spool.state() == SpoolState(waiting=0, damaged=1)
    assert "set aside" in (await check_audit(fallback)).detail
    assert {row.request_id for row in await everything(database)} >= {"r1", "r2"}


async def test_long_list_becomes_several_rows_that_name_all_of_it(
    database: Database, clock: FakeClock, folder: Path
) -> None:
    fallback = fallback_in(folder)
    audit = audit_of(database, clock, fallback)
    ids = [f"0f8fad5b-d9cb-469f-a165-{n:012}" for n in range(MOST_CALLBACKS * 2 + 5)]
    await fallback.add(entry(callbacks=ids, patient=synthetic_identity(1)), clock.now())
    parts = [(await fallback.spool.read(name)) for name in await fallback.spool.names()]
    assert sorted(id for part in parts if part for id in part.data["callbacks"]) == ids
    assert await make_audit_drainer(audit, fallback).drain() == 3
    assert len(await everything(database)) == 3
