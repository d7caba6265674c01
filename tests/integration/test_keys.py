"""Keys by version: the start requires the right ones, and rotation moves all values to the newest; both engines."""

import asyncio
import base64
import re

import pytest
from sqlalchemy import LargeBinary, func, select, update
from typer.testing import CliRunner

from desk.database.engine import Database
from desk.errors import SettingsError
from desk.key_rotation import sealed_columns as sealed
from desk.key_rotation.keyring import Keyring
from desk.key_rotation.repository import KeyKind
from desk.key_rotation.rotation import OlderKeyInUse, Progress, Rotation
from desk.key_rotation.sealed_columns import NOT_SEALED, NUMBERS, SEALED
from desk.schema.tables import inquiries, metadata, vault_keys
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault
from innringing import app
from tests.support.desk import sealed_database
from tests.support.desk.sealed_database import (
    INDEX,
    NEW,
    OLD,
    fill,
    headers,
    new_vault,
    newest_vault,
    old_vault,
    opened,
    values,
    written,
)
from tests.support.desk.units import a_unit
from tests.support.fakes import FakeClock

c = inquiries.c


def keyring(database: Database, vault: Vault) -> Keyring:
    return Keyring(database=database, vault=vault, clock=FakeClock())


def rotation(database: Database, vault: Vault | None = None) -> Rotation:
    return Rotation(database=database, vault=vault or new_vault(), clock=FakeClock(), rows_a_step=7, rest=0)


# --- which columns


def test_every_binary_column_is_declared() -> None:
    """A binary column is sealed and part of the rotation, or holds no personal data."""
    binary = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert binary == {of.name for of in SEALED} | NOT_SEALED, (
        "say in desk/key_rotation/sealed_columns.py what the column holds"
    )
    assert all(len(of.column.table.primary_key.columns) == 1 for of in SEALED)


# --- at the start


async def test_key_leaves_a_canary_and_is_recognised(database: Database) -> None:
    for _ in range(2):
        await keyring(database, old_vault()).check()
    async with database.read() as connection:
        rows = (await connection.execute(select(vault_keys.c.kind, vault_keys.c.version))).all()
    assert sorted(map(tuple, rows)) == [("identity", 1), ("index", 1)]


async def test_processes_that_start_together_store_one_canary(database: Database) -> None:
    await asyncio.gather(*(keyring(database, old_vault()).check() for _ in range(8)))
    await keyring(database, old_vault()).check()


async def test_wrong_key_is_refused(database: Database, clock: FakeClock) -> None:
    await fill(database, clock, 3)
    await keyring(database, old_vault()).check()
    wrong = Vault(identity_key=b"w" * 32, index_key=INDEX)
    with pytest.raises(SettingsError, match=r"INNRINGING_IDENTITY_KEY: its key of version 1 is not the one"):
        await keyring(database, wrong).check()
    with pytest.raises(SettingsError, match="INNRINGING_INDEX_KEY: its key of version 1 is not the one"):
        await keyring(database, Vault(identity_key=OLD, index_key=b"w" * 32)).check()
    await keyring(database, old_vault()).check()


async def test_key_that_is_still_needed_must_be_set(database: Database) -> None:
    await keyring(database, old_vault()).check()
    with pytest.raises(SettingsError, match="no key of version 1, and this database still needs it"):
        await keyring(database, newest_vault()).check()
    await keyring(database, new_vault()).check()
    with pytest.raises(SettingsError, match="no key of version 2"):
        await keyring(database, old_vault()).check()
    other = Vault(identity_key=OLD, older={2: b"w" * 32}, index_key=INDEX)
    with pytest.raises(SettingsError, match="its key of version 2 is not the one"):
        await keyring(database, other).check()


async def test_key_is_retired_when_unused_and_required_again_once_used(database: Database, clock: FakeClock) -> None:
    await keyring(database, old_vault()).check()
    await keyring(database, new_vault()).check()
    await fill(database, clock, 3)
    assert await keyring(database, new_vault()).retire_unused() == []
    await rotation(database).rotate()
    assert await keyring(database, new_vault()).retire_unused() == [(KeyKind.IDENTITY, 1)]
    assert await keyring(database, new_vault()).retire_unused() == []
    await keyring(database, newest_vault()).check()
    both = Vault(identity_key=OLD, older={2: NEW}, index_key=INDEX)
    await keyring(database, both).check()
    with pytest.raises(SettingsError, match="no key of version 1"):
        await keyring(database, newest_vault()).check()


# --- rotating


async def test_rotation_reseals_everything_with_the_same_content(database: Database, clock: FakeClock) -> None:
    await fill(database, clock, 40)
    before = await values(database)
    done = await rotation(database).rotate()
    after = await values(database)
    assert headers(before) == [old_vault().header]
    assert headers(after) == [new_vault().header]
    assert opened(newest_vault(), after) == opened(old_vault(), before)
    assert (done.sealed, done.broken) == (len(before), set())
    assert {column for column, _ in after} == {of.name for of in SEALED}


async def test_rotating_again_changes_nothing(database: Database, clock: FakeClock) -> None:
    await fill(database, clock, 20)
    await rotation(database).rotate()
    before = await values(database)
    assert (await rotation(database).rotate()).sealed == 0
    assert await values(database) == before


async def test_two_rotations_at_once_do_no_harm(database: Database, clock: FakeClock) -> None:
    await fill(database, clock, 60)
    clear = opened(old_vault(), await values(database))
    await asyncio.gather(*(rotation(database).rotate() for _ in range(3)))
    assert opened(newest_vault(), await values(database)) == clear


async def test_values_changed_during_rotation_are_kept(database: Database, clock: FakeClock) -> None:
    """A value that another process deletes or writes after it was read is not restored."""
    gone, *_ = await fill(database, clock, 3)
    async with a_unit(database) as unit:
        found = await sealed.page(unit, NUMBERS, None, 10)
        without = update(inquiries).where(c.id == gone).values(patient_number=None, patient_index=None)
        await unit.connection.execute(without)
        await sealed.replace(unit, NUMBERS, [(value, b"late") for value in found])
        kept = {row.id: row.patient_number for row in await unit.connection.execute(select(c.id, c.patient_number))}
    assert kept[gone] is None
    assert all(value == b"late" for id, value in kept.items() if id != gone)


async def test_values_that_cannot_be_opened_are_kept_and_reported(database: Database, clock: FakeClock) -> None:
    broken, *others = await fill(database, clock, 9)
    async with database.begin() as connection:
        number = (await connection.execute(select(c.patient_number).where(c.id == broken))).scalar_one()
        changed = number[:-1] + bytes([number[-1] ^ 1])
        await connection.execute(update(inquiries).where(c.id == broken).values(patient_number=changed))
    done = await rotation(database).rotate()
    assert done.broken == {("inquiries.patient_number", broken)}
    found = await values(database)
    assert found.pop(("inquiries.patient_number", broken)) == changed
    assert set(headers(found)) == {new_vault().header}
    assert len(others) == 8


async def test_rotation_fails_when_a_process_still_uses_an_older_key(database: Database, clock: FakeClock) -> None:
    ids = await fill(database, clock, 3)

    class Undone(Rotation):
        async def _rotate_column(self, *given: object) -> None:
            await super()._rotate_column(*given)  # type: ignore[arg-type]
            again = old_vault().seal("0", "inquiries.patient_number", ids[0])
            async with database.begin() as connection:
                await connection.execute(update(inquiries).where(c.id == ids[0]).values(patient_number=again))

    with pytest.raises(OlderKeyInUse):
        await Undone(database=database, vault=new_vault(), clock=FakeClock(), rest=0).rotate()


async def test_status_counts_values_by_key(database: Database, clock: FakeClock) -> None:
    await fill(database, clock, 30)
    await rotation_of(database, 4)
    counts = await keyring(database, new_vault()).counts()
    of_numbers = [each for each in counts if each.column == "inquiries.patient_number"]
    assert sum(each.rows for each in of_numbers) == 30
    assert {each.version for each in of_numbers} == {1, 2}
    assert next(each.rows for each in of_numbers if each.version == 2) == 4
    others = [each for each in counts if each.column != "inquiries.patient_number" and each.kind is KeyKind.IDENTITY]
    assert sum(each.rows for each in others) == 24


async def rotation_of(database: Database, count: int) -> None:
    """A rotation that stops after its first `count` values."""

    class Stopped(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        await Rotation(database=database, vault=new_vault(), clock=FakeClock(), rows_a_step=count, rest=0).rotate(stop)


# --- tampering


async def test_no_changed_value_opens_or_stops_the_rotation(database: Database, clock: FakeClock) -> None:
    """100 changes of every kind: bits, lengths, versions, and values that belong to another row or column."""
    await fill(database, clock, 50)
    found = await values(database)
    vault, undone = new_vault(), 0
    places = sorted(found, key=str)
    for n in range(100):
        column, row = places[n % len(places)]
        value, other = found[column, row], found[places[(n + 1) % len(places)]]
        mutants = [
            value[: n % len(value)] + bytes([value[n % len(value)] ^ (1 << n % 8)]) + value[n % len(value) + 1 :],
            value[:-1] if n % 2 else value + b"\0",
            other,
            bytes([n]) * len(value),
        ]
        try:
            vault.open(mutants[n % 4], column, row)
        except CannotOpen:
            undone += 1
    assert undone == 100


# --- the commands


@pytest.fixture
def asked(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in sealed_database.variables(migrated_url, identity_key=written(v2=NEW, v1=OLD)).items():
        monkeypatch.setenv(name, value)
    return CliRunner()


async def test_key_commands_report_and_rotate_values(asked: CliRunner, database: Database, clock: FakeClock) -> None:
    await keyring(database, old_vault()).check()
    await fill(database, clock, 12)
    status = await asyncio.to_thread(asked.invoke, app, ["keys", "status"])
    assert status.exit_code == 0, status.output
    assert re.search(r"inquiries.patient_number\W+identity 1\W+12\W+to be rotated", status.output)
    assert "New values are sealed with version 2" in status.output
    done = await asyncio.to_thread(asked.invoke, app, ["keys", "rotate"])
    assert done.exit_code == 0, done.output
    assert "28 values re-sealed" in done.output
    assert "key version 1 any more. You can remove it" in done.output
    assert opened(newest_vault(), await values(database))
    async with database.begin() as connection:
        await connection.execute(update(inquiries).values(patient_number=func.substr(c.patient_number, 1, 20)))
    broken = await asyncio.to_thread(asked.invoke, app, ["keys", "rotate"])
    assert broken.exit_code == 0, "what has the newest header is not opened again"


async def test_commands_refuse_a_wrong_key(
    asked: CliRunner, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keyring(database, old_vault()).check()
    monkeypatch.setenv("INNRINGING_IDENTITY_KEY", base64.b64encode(b"w" * 32).decode())
    for command in ("status", "rotate"):
        refused = await asyncio.to_thread(asked.invoke, app, ["keys", command])
        assert refused.exit_code == 1
        assert "its key of version 1 is not the one this database was made with" in refused.output
