"""Backup while callers ring, restore, and what is in the spool; on both engines."""

import asyncio
import os
import shlex
import stat
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from desk.access.actor import CALLER
from desk.audit.actions import AuditAction
from desk.callbacks.reception import Reception
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.departments.file import DepartmentsFile
from desk.safeguards import make_audit, make_audit_drainer
from desk.schema.tables import callbacks
from desk.settings.settings import Settings
from desk.wire import check_keys, make_callbacks, make_drainer, make_reception, make_spool, make_vault
from ops.backup import backup, files, manifest, postgresql, restore
from ops.backup.errors import BackupFailed, CopyDamaged, RestoreRefused
from ops.backup.restore import _closed_entries
from tests.support.desk.audit import entry, everything, faults
from tests.support.desk.desk import call, person, phone
from tests.support.web.api import KEYS


@pytest.fixture(autouse=True)
def programs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's programs, also where its server runs in a container or from the tree."""
    if "postgresql" not in request.node.name or (server := request.getfixturevalue("postgres_server")).kind == "local":
        return
    (folder := tmp_path / "bin").mkdir()
    for name in ("pg_dump", "pg_restore", "createdb", "dropdb"):
        words = [str(word) for word in server.server.program(name)]
        if server.kind == "container":
            at = words.index("exec") + 1
            words[at:at] = ["-i", *(f"--env={name}" for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE"))]
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{Path('/usr/bin')}:/bin")


def settings_for(url: str, var: Path, **more: Any) -> Settings:
    return Settings.load(environment="demo", database_url=url, var_dir=var, **{**KEYS, **more})


class House:
    """A desk with its spool. `is_up` says whether its database may be used."""

    def __init__(self, settings: Settings, database: Database) -> None:
        clock, departments = SystemClock(), DepartmentsFile(settings.files.departments)
        self.is_up = True
        self.database = database
        self.callbacks: CallbackServices = make_callbacks(database, settings, clock, departments)
        self.spool = make_spool(settings)
        self.reception: Reception = make_reception(
            self.callbacks, spool=self.spool, departments=departments, clock=clock, is_ready=lambda: self.is_up
        )
        self.drainer = make_drainer(self.spool, self.callbacks)

    async def rings(self, n: int) -> None:
        await self.reception.register(CALLER, call(n), "kirurgi", person(n), phone(n))

    async def phones(self) -> Counter[str]:
        async with self.database.read() as connection:
            return Counter((await connection.execute(select(callbacks.c.phone))).scalars())


@asynccontextmanager
async def house(settings: Settings) -> AsyncIterator[House]:
    database = Database(settings.database.url)
    try:
        await check_keys(database, make_vault(settings.vault), SystemClock())
        yield House(settings, database)
    finally:
        await database.close()


@asynccontextmanager
async def empty(settings: Settings, var: Path) -> AsyncIterator[Settings]:
    """Settings of a machine with nothing on it."""
    if settings.database.embedded:
        yield settings_for(f"sqlite+aiosqlite:///{var / 'innringing.db'}", var)
        return
    async with postgresql.scratch(settings.database.url) as url:
        yield settings_for(url, var)


def whole(copy: Path) -> list[Path]:
    return [path for path in copy.rglob("*") if path.is_file()]


def contents(*paths: Path) -> bytes:
    return b"".join(path.read_bytes() for path in paths)


def once(*numbers: int) -> Counter[str]:
    return Counter(phone(n).e164 for n in numbers)


@pytest.fixture
def settings(migrated_url: str, tmp_path: Path) -> Settings:
    return settings_for(migrated_url, tmp_path / "var")


async def test_copy_made_while_callers_ring_holds_each_confirmed_callback_once(
    settings: Settings, tmp_path: Path
) -> None:
    copy, before = tmp_path / "copies" / "monday", range(1, 21)
    async with house(settings) as live:
        for n in before:
            live.is_up = n % 4 != 0  # some wait in the spool, and are drained while the copy is made
            await live.rings(n)
        live.is_up = True
        making = asyncio.create_task(backup.make(settings, copy))
        draining = asyncio.create_task(live.drainer.drain())
        for n in range(21, 41):
            await live.rings(n)
        made, _ = await asyncio.gather(making, draining)
    assert {stat.S_IMODE(path.stat().st_mode) for path in whole(copy)} == {0o600}
    assert made.keys == {"identity": [1], "index": [1]}
    found = await restore.check(settings, copy)
    assert (found.faults, found.manifest) == ([], made)
    assert found.opened >= 15
    async with empty(settings, tmp_path / "new") as fresh:
        assert (await restore.restore(fresh, copy)).manifest.spooled == made.spooled
        async with house(fresh) as restored:
            restored.is_up = False
            await restored.rings(99)  # someone rings before the restored database is in use
            await restored.drainer.drain()
            await restored.drainer.drain()
            after = await restored.phones()
            assert set(after.values()) == {1}, "none is doubled"
            assert after >= once(*before, 99), "none is lost"
        with pytest.raises(RestoreRefused):
            await restore.restore(fresh, copy)


def put_no_entries(spool: Path) -> None:
    """A pipe, a folder and a link with names of entries: what is no file must neither stop nor enter a copy."""
    names = [spool / f"{n:020d}-{n:016x}.entry" for n in (1, 2, 3)]
    os.mkfifo(names[0])
    names[1].mkdir()
    names[2].symlink_to("/etc/passwd")


async def test_spool_that_is_here_stays_and_comes_in_once(settings: Settings, tmp_path: Path) -> None:
    async with house(settings) as live:
        live.is_up = False
        await live.rings(1)
    put_no_entries(settings.files.spool_folder)
    copy = tmp_path / "copy"
    await backup.make(settings, copy)
    assert len(list((copy / "spool").iterdir())) == 1
    fresh = settings_for(f"sqlite+aiosqlite:///{tmp_path / 'other' / 'innringing.db'}", settings.files.var)
    async with empty(settings, tmp_path / "other") as other:
        url = other.database.url
        fresh = settings_for(url, settings.files.var)  # the machine has its spool, but lost its database
        await restore.restore(fresh, copy)
        async with house(fresh) as restored:
            await restored.drainer.drain()
            assert await restored.phones() == once(1)


@pytest.fixture
async def copy(settings: Settings, tmp_path: Path) -> Path:
    async with house(settings) as live:
        await live.rings(1)
        live.is_up = False
        await live.rings(2)
    await backup.make(settings, tmp_path / "copy")
    return tmp_path / "copy"


async def test_check_finds_changed_missing_and_added_files_and_wrong_keys(settings: Settings, copy: Path) -> None:
    [database] = (path for path in whole(copy) if path.name.startswith("database."))
    content = database.read_bytes()
    database.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CopyDamaged, match="has changed"):
        await restore.check(settings, copy)
    database.write_bytes(content)
    (copy / "more").write_text("?")
    with pytest.raises(CopyDamaged, match="not in the manifest"):
        await restore.check(settings, copy)
    (copy / "more").unlink()
    other = settings_for(
        settings.database.url, settings.files.var, identity_key=KEYS["index_key"], index_key=KEYS["identity_key"]
    )
    with pytest.raises(CopyDamaged, match="keys at hand are not its keys"):
        await restore.check(other, copy)
    [entry] = (copy / files.SPOOL).iterdir()
    entry.unlink()
    with pytest.raises(CopyDamaged, match="is missing"):
        await restore.check(settings, copy)


async def test_backup_needs_a_new_folder_and_leaves_nothing_half_done(
    settings: Settings, copy: Path, tmp_path: Path
) -> None:
    with pytest.raises(BackupFailed, match="exists already"):
        await backup.make(settings, copy)
    made = await backup.make(settings, tmp_path / "with-keys", with_keys=True)
    key = KEYS["identity_key"].encode()
    assert made.has_keys
    assert key in contents(tmp_path / "with-keys" / files.KEYS)
    assert key not in contents(*whole(copy)), "the keys are copied on request only"
    gone = settings.changed(database_url="sqlite+aiosqlite:////nowhere/innringing.db")
    with pytest.raises(BackupFailed, match="there is no database"):
        await backup.make(gone, tmp_path / "third")
    assert not [path for path in whole(tmp_path) if "third" in str(path)]


async def test_audit_that_waits_on_disk_is_in_the_copy_and_joins_the_chain_once(
    settings: Settings, tmp_path: Path
) -> None:
    clock, vault = SystemClock(), make_vault(settings.vault)
    spool = settings.audit.spool_folder
    async with house(settings) as live:
        audit, fallback = make_audit(settings.audit, database=live.database, vault=vault, clock=clock)
        await audit.record(entry(AuditAction.ME, request_id="stored"))
        await fallback.add(entry(AuditAction.SEARCH, request_id="waits"), clock.now())
        (spool / "damaged").mkdir()
        (spool / "damaged" / f"{1:020d}-{1:016x}.entry").write_bytes(b"?")
    copy = tmp_path / "copy"
    made = await backup.make(settings, copy)
    assert (made.spooled, made.audit_spooled) == (0, 1)
    assert len(list((copy / files.AUDIT_SPOOL).rglob("*.entry"))) == 2, "also what was set aside"
    assert (await restore.check(settings, copy)).faults == []
    async with empty(settings, tmp_path / "new") as fresh:
        await restore.restore(fresh, copy)
        async with house(fresh) as restored:
            audit, fallback = make_audit(fresh.audit, database=restored.database, vault=vault, clock=clock)
            assert await make_audit_drainer(audit, fallback).drain() == 1
            assert [row.request_id for row in await everything(restored.database)] == ["stored", "waits"]
            assert await faults(restored.database, vault=vault) == []
    [waiting] = (copy / files.AUDIT_SPOOL).glob("*.entry")
    waiting.write_bytes(b"?")
    assert await _closed_entries(copy, vault) == [f"audit-spool: {waiting.name} can't be opened"]


def test_copy_without_manifest_is_no_copy(tmp_path: Path) -> None:
    with pytest.raises(CopyDamaged, match="was not finished"):
        manifest.read(tmp_path)


def test_password_goes_to_the_programs_in_their_environment() -> None:
    url = "postgresql+asyncpg://app:p%40ss@db.example.org:5433/innringing?ssl=verify-full&sslrootcert=%2Fetc%2Fca.pem"
    assert postgresql.environment(url) == {
        "PGHOST": "db.example.org",
        "PGPORT": "5433",
        "PGUSER": "app",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "innringing",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/ca.pem",
    }
