"""Make a copy: spools, database, spools again, operators' files; renamed into place when all of it is on the disk."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

from desk.access.actor import SYSTEM
from desk.audit.audit import Audit
from desk.clock import SystemClock
from desk.database.engine import Connection, Database
from desk.database.snapshot import snapshot
from desk.database.unit_of_work import Unit
from desk.schema.row_counts import row_counts
from desk.settings.database import SQLITE
from desk.settings.group import PREFIX
from desk.settings.settings import Settings
from desk.wire import check_keys, make_vault, open_database
from ops.backup import files, postgresql, sqlite
from ops.backup.errors import BackupFailed
from ops.backup.manifest import DATABASES, NAME, Engine, Manifest, describe


async def make(settings: Settings, folder: Path, *, with_keys: bool = False) -> Manifest:
    """Make a copy in a new folder. Raises BackupFailed, StorageUnavailable, SettingsError."""
    with _new_folder(folder) as draft:
        _copy_spools(settings, draft)  # first: what is drained from here on is in the database's copy
        engine: Engine = "sqlite" if settings.database.embedded else "postgresql"
        database = draft / DATABASES[engine]
        counted = await (_sqlite if settings.database.embedded else _postgresql)(settings, database)
        _copy_spools(settings, draft)
        for source, name in files.operators(settings):
            files.copy(source, draft / name)
        if with_keys:
            _write_keys(settings, draft / files.KEYS)
        identity, index = settings.vault.keys()
        found = sorted(path for path in draft.rglob("*") if path.is_file())
        rows, anchor = counted
        manifest = Manifest(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=version("innringing"),
            engine=engine,
            keys={"identity": sorted(identity.by_version), "index": sorted(index.by_version)},
            has_keys=with_keys,
            anchor=anchor,
            rows=rows,
            files={str(path.relative_to(draft)): describe(path) for path in found},
        )
        with files.private(draft / NAME) as out:
            out.write(manifest.text().encode())
            out.flush()
            os.fsync(out.fileno())
    return manifest


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Inside the block, write to a folder beside it. It gets its name only when the block has succeeded."""
    if folder.exists():
        raise BackupFailed(f"{folder} exists already: each copy needs a new folder.")
    draft = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(draft, ignore_errors=True)  # of a backup that was cut off
        files.make_folder(folder.parent)
        draft.mkdir(mode=0o700)
        yield draft
        for path in (draft, *(each for each in draft.rglob("*") if each.is_dir())):
            files.sync_folder(path)
        draft.rename(folder)
        files.sync_folder(folder.parent)
    except OSError as error:
        raise BackupFailed(f"{folder}: {error.strerror or type(error).__name__}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy_spools(settings: Settings, draft: Path) -> None:
    for source, name in files.spooled(settings):
        try:
            files.copy(source, draft / name)
        except FileNotFoundError:
            continue  # drained meanwhile: it is in the database


async def _sqlite(settings: Settings, target: Path) -> tuple[dict[str, int], str]:
    source = Path(unquote(settings.database.url.removeprefix(SQLITE).partition("?")[0]))
    sqlite.copy(source, target)
    sqlite.check(target)
    working = target.with_suffix(".counting")  # opening it here would leave its own files beside the copy
    shutil.copyfile(target, working)
    try:
        database = Database(f"{SQLITE}{working}")
        try:
            async with database.read() as connection:
                return await _count(settings, database, connection)
        finally:
            await database.close()
    finally:
        for path in target.parent.glob(f"{working.name}*"):
            path.unlink()


async def _postgresql(settings: Settings, target: Path) -> tuple[dict[str, int], str]:
    owner = settings.changed(database_url=settings.database.owner_url)
    async with open_database(owner.database) as database:
        await check_keys(database, make_vault(settings.vault), SystemClock())
        async with snapshot(database) as (connection, name):
            counted = await _count(settings, database, connection)
            await postgresql.dump(owner.database.url, target, name)
    return counted


async def _count(settings: Settings, database: Database, connection: Connection) -> tuple[dict[str, int], str]:
    vault, clock = make_vault(settings.vault), SystemClock()
    audit = Audit(database=database, vault=vault, clock=clock)
    return await row_counts(connection), str(await audit.anchor(Unit(connection, clock, SYSTEM)))


def _write_keys(settings: Settings, path: Path) -> None:
    keys = {name: getattr(settings.vault, name) for name in ("identity_key", "index_key")}
    with files.private(path) as out:
        for name, key in keys.items():
            out.write(f"{PREFIX}{name.upper()}={key.get_secret_value()}\n".encode())
