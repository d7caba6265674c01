"""Prove that a copy can be used, and put one into place where there is nothing yet."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from desk.audit.chain import Anchor
from desk.audit.verify import AuditVerifier
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.errors import SettingsError
from desk.key_rotation.opening import Opening
from desk.schema.row_counts import has_tables, row_counts
from desk.settings.database import SQLITE
from desk.settings.settings import Settings
from desk.spool.errors import DamagedEntry
from desk.spool.spool import Spool
from desk.vault.vault import Vault
from desk.wire import check_keys, make_vault, open_database
from ops.backup import files, postgresql, sqlite
from ops.backup import manifest as manifests
from ops.backup.errors import CopyDamaged, RestoreRefused
from ops.backup.manifest import DATABASES, Manifest


@dataclass(frozen=True)
class CheckResult:
    """What a check has proved. `faults`: one line each; without any the copy is good."""

    manifest: Manifest
    opened: int
    audit_rows: int
    faults: list[str]


@dataclass(frozen=True)
class RestoreResult:
    """What was put into place. `kept`: operators' files that are here with another content, which stay."""

    manifest: Manifest
    written: int
    kept: list[str] = field(default_factory=list)


async def check(settings: Settings, folder: Path, scratch: str | None = None) -> CheckResult:
    """Load the copy into a scratch database, open all that is sealed, and verify the audit.

    `scratch`: the address of an empty PostgreSQL database; None makes one beside the service's and removes it.
    Raises CopyDamaged, RestoreRefused, SettingsError, StorageUnavailable.
    """
    manifest = manifests.read(folder)
    _same_engine(settings, manifest)
    vault, clock = make_vault(settings.vault), SystemClock()
    faults = []
    async with _loaded(settings, folder, manifest, scratch) as database:
        try:
            await check_keys(database, vault, clock)
        except SettingsError as error:
            raise CopyDamaged(f"the keys at hand are not its keys. {error}") from None
        async with database.read() as connection:
            counted = await row_counts(connection)
        opening = await Opening(database=database, vault=vault, clock=clock).open_all()
        audit = await AuditVerifier(database=database, vault=vault, clock=clock).verify([Anchor.parse(manifest.anchor)])
    ours = {name: count for name, count in counted.items() if name != "vault_keys"}
    faults += [
        f"{name}: {count} rows, not {manifest.rows.get(name)}"
        for name, count in ours.items()
        if count != manifest.rows.get(name)
    ]
    faults += [f"{column}: {count} values can't be opened" for column, count in opening.closed.items()]
    faults += [f"audit: {fault}" for fault in audit.faults]
    faults += await _closed_entries(folder, vault)
    return CheckResult(manifest, opening.opened, audit.rows, faults)


async def restore(settings: Settings, folder: Path) -> RestoreResult:
    """Put the database, the spools and missing operators' files into place.

    The spool's entries are stored when the phone door starts, those of the audit when the web door does. Those that are
    in the database already stay single, and so do those that are in this machine's spools. Raises CopyDamaged,
    RestoreRefused, StorageUnavailable.
    """
    manifest = manifests.read(folder)
    _same_engine(settings, manifest)
    source = folder / DATABASES[manifest.engine]
    if settings.database.embedded:
        target = _file(settings)
        for path in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
            if path.exists():  # a forgotten -wal would be played into the copy
                raise RestoreRefused(f"{path} is there. Move it away first.")
        _put_spools(settings, folder, manifest)
        files.copy(source, target)
    else:
        owner = settings.changed(database_url=settings.database.owner_url).database
        async with open_database(owner) as database, database.read() as connection:
            if await has_tables(connection):
                raise RestoreRefused("the database has tables already. Make an empty one.")
        _put_spools(settings, folder, manifest)
        await postgresql.load(owner.url, source)
    written, kept = 0, []
    for name in sorted(manifest.files):
        if not name.startswith(f"{files.OPERATORS}/"):
            continue
        place = files.place_of(settings, name)
        if not place.exists():
            files.copy(folder / name, place)
            written += 1
        elif manifests.describe(place) != manifest.files[name]:
            kept.append(name)
    return RestoreResult(manifest, written, kept)


def _same_engine(settings: Settings, manifest: Manifest) -> None:
    if settings.database.embedded != (manifest.engine == "sqlite"):
        raise RestoreRefused(f"the copy is of {manifest.engine}, and the settings are for another database.")


def _file(settings: Settings) -> Path:
    return Path(unquote(settings.database.url.removeprefix(SQLITE).partition("?")[0]))


@asynccontextmanager
async def _loaded(settings: Settings, folder: Path, manifest: Manifest, scratch: str | None) -> AsyncIterator[Database]:
    source = folder / DATABASES[manifest.engine]
    if manifest.engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="innringing-check-", dir=folder.parent) as away:
            file = Path(away) / source.name
            shutil.copyfile(source, file)
            sqlite.check(file)
            async with _opened(f"{SQLITE}{file}") as database:
                yield database
        return
    if scratch is not None:
        async with _opened(scratch) as database, database.read() as connection:
            if await has_tables(connection):
                raise RestoreRefused("the database of --scratch has tables. Make an empty one.")
        await postgresql.load(scratch, source, CopyDamaged)
        async with _opened(scratch) as database:
            yield database
        return
    async with postgresql.scratch(settings.database.owner_url) as url:
        await postgresql.load(url, source, CopyDamaged)
        async with _opened(url) as database:
            yield database


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def _closed_entries(folder: Path, vault: Vault) -> list[str]:
    """Return a fault for each entry of the spools' copies that can't be opened."""
    faults = []
    for kind in (files.SPOOL, files.AUDIT_SPOOL):
        spool = Spool(folder / kind, vault=vault)
        for name in await spool.names():
            try:
                await spool.read(name)
            except DamagedEntry:
                faults.append(f"{kind}: {name} can't be opened")
    return faults


def _put_spools(settings: Settings, folder: Path, manifest: Manifest) -> None:
    """Copy the spools' entries that are not here. Do it before the database: they must not be forgotten."""
    places = files.spools(settings)
    for name in map(Path, manifest.files):
        if here := places.get(name.parts[0]):
            place = here.joinpath(*name.parts[1:])
            if not place.exists():
                files.copy(folder / name, place)
