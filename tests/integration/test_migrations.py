"""The migrations create the tables that the code uses, and remove them again; on both engines."""

import asyncio
import sys
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.paths import ROOT
from desk.schema import migrate as migrations
from desk.schema.migrate import config, is_current, migrate, newest, steps
from desk.schema.tables import metadata

TABLES = {
    *("audit", "audit_callbacks", "audit_patients"),
    *("second_factors", "recovery_codes"),
    *(
        "devices",
        "shares",
        "login_tries",
        "request_buckets",
        "external_identities",
        "sessions",
        "used_nonces",
    ),
    *("agents", "answers", "attempts", "callbacks", "calls", "closures", "controllers"),
    *("dials", "doors", "grants", "history", "inquiries", "outbox"),
    *("promises", "recordings", "retention_runs", "tokens", "vault_keys", "warnings", "write_probes"),
}


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)


def shape(connection: Connection) -> dict[str, object]:
    """Indexes with their conditions, constraints and foreign keys, which compare_metadata does not compare."""
    found = inspect(connection)
    kinds = ("get_indexes", "get_check_constraints", "get_unique_constraints", "get_foreign_keys", "get_pk_constraint")
    return {
        f"{table} {kind}": sorted(map(_text, _listed(getattr(found, kind)(table))))
        for table in TABLES
        for kind in kinds
    }


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    """As text, conditions included (SQLite reflects them as clauses)."""
    if isinstance(value, dict):
        return str({key: _text(inner) for key, inner in value.items()})
    return str(value)


async def test_models_and_migrations_match(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrated_tables_have_the_models_indexes_and_constraints(database: Database) -> None:
    async with database.begin() as connection:
        migrated = await connection.run_sync(shape)
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(shape)
    assert any("uq_inquiries_open" in index for index in migrated["inquiries get_indexes"])


async def test_eight_services_that_start_together_all_find_the_tables(database_url: str) -> None:
    command = "import asyncio, sys; from desk.schema.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"
    children = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", command, database_url, cwd=ROOT) for _ in range(8)
    ]
    assert await asyncio.gather(*(child.wait() for child in children)) == [0] * 8
    opened = Database(database_url)
    assert await is_current(opened)
    await opened.close()


async def test_migration_waits_as_long_as_another_one_goes_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, goes_on, done = threading.Event(), threading.Event(), []

    def slow(connection: Connection, revision: str) -> None:
        asked.set()
        goes_on.wait()
        move(connection, revision)

    move = migrations._move
    with monkeypatch.context() as first:
        first.setattr(migrations, "_move", slow)
        one = threading.Thread(target=lambda: done.append(asyncio.run(migrate(database_url))))
        one.start()
        await asyncio.to_thread(asked.wait)
    for name in ("BUSY_SECONDS", "STATEMENT_SECONDS"):
        monkeypatch.setattr(f"desk.database.engine.{name}", 1)
    other = asyncio.create_task(migrate(database_url))
    await asyncio.sleep(2.5)  # longer than a lock or a statement of another kind is waited for
    assert not other.done()
    goes_on.set()
    await other
    await asyncio.to_thread(one.join)
    assert done == [None]


async def test_is_current_only_after_migrating(database_url: str) -> None:
    opened = Database(database_url)
    assert not await is_current(opened)
    await migrate(database_url)
    assert await is_current(opened)
    await migrate(database_url)
    assert await is_current(opened)
    await opened.close()


async def test_downgrade_removes_every_table_and_upgrade_restores_them(database_url: str) -> None:
    await migrate(database_url)
    database = Database(database_url)
    await migrate(database_url, "base")
    async with database.read() as connection:
        assert not TABLES & set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    assert not await is_current(database)
    await migrate(database_url)
    assert await is_current(database)
    await database.close()


async def test_services_that_start_together_migrate_once(database_url: str) -> None:
    await asyncio.gather(*(migrate(database_url) for _ in range(4)))
    opened = Database(database_url)
    assert await is_current(opened)
    async with opened.read() as connection:
        assert (await connection.execute(text("select count(*) from alembic_version"))).scalar_one() == 1
    await opened.close()


async def test_unreachable_server_is_reported() -> None:
    with pytest.raises(StorageUnavailable):
        await migrate("postgresql+asyncpg://nobody@127.0.0.1:1/none")


async def test_tables_of_a_later_version_are_accepted_and_left_alone(database: Database, migrated_url: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text("update alembic_version set version_num = '9999'"))
    assert await is_current(database)
    await migrate(migrated_url)
    async with database.read() as connection:
        assert (await connection.execute(text("select version_num from alembic_version"))).scalar_one() == "9999"


def test_revisions_are_those_that_alembic_finds() -> None:
    """The services read them without Alembic."""
    scripts = ScriptDirectory.from_config(config())
    assert newest() == frozenset(scripts.get_heads())
    assert set(steps()) == {script.revision for script in scripts.walk_revisions()}
