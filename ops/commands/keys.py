"""`innringing keys status` and `innringing keys rotate`."""

import time
from collections.abc import Callable

import typer
from rich.console import Console
from rich.table import Column, Table

from desk.clock import SystemClock
from desk.key_rotation.keyring import Count, Keyring
from desk.key_rotation.repository import KeyKind
from desk.key_rotation.rotation import Progress, Rotation, StillSealing
from desk.settings.settings import Settings
from ops.commands.on_record import on_record
from ops.commands.terminal import fail, load_settings, run, say, unlocked_database

EVERY_SECONDS = 2.0

app = typer.Typer(no_args_is_help=True, help="The keys personal data are sealed with: which are in use, and rotating.")


@app.command()
def status() -> None:
    """Show how many values each key has sealed or indexed, by column."""
    settings = load_settings(need_keys=True)
    current, counts = run(_count(settings))
    table = Table(Column("Column", no_wrap=True), Column("Key", no_wrap=True), "Values", "")
    for each in counts:
        version = "none" if each.version is None else str(each.version)
        table.add_row(each.column, f"{each.kind.value} {version}", f"{each.rows}", _remark(each, current[each.kind]))
    Console().print(table)
    say(f"New values are sealed with version {current[KeyKind.IDENTITY]}.")
    say(f"New indexes are made with version {current[KeyKind.INDEX]}.")


@app.command()
def rotate() -> None:
    """Seal and index everything anew with the keys in use, while the service runs. May be stopped and run again."""
    settings = load_settings(need_keys=True)
    try:
        done, retired = run(_rotate(settings))
    except StillSealing as error:
        fail(f"{error.__doc__}")
    except KeyboardInterrupt:
        fail("Stopped; everything opens as before. Run it again to go on.")
    say(f"{done.sealed} values sealed anew, {done.indexed} indexes made anew, {done.looked_at} looked at.")
    for kind, version in retired:
        made = "sealed with key" if kind is KeyKind.IDENTITY else "found by index key"
        say(f"Nothing is {made} version {version} any more: it may be taken out of the settings.")
    if done.twice:
        say(f"Whose person has another open callback there; close one, run it again: {', '.join(sorted(done.twice))}")
    if done.broken:
        for column, row in sorted(done.broken, key=str)[:20]:
            say(f"{column} of {row} does not open: it has been changed, or its key is missing.")
        fail(f"{len(done.broken)} values do not open; they were left as they are.")


async def _count(settings: Settings) -> tuple[dict[KeyKind, int], list[Count]]:
    async with unlocked_database(settings) as (database, vault):
        current = {KeyKind.IDENTITY: vault.version, KeyKind.INDEX: vault.index_version}
        return current, await Keyring(database=database, vault=vault, clock=SystemClock()).counts()


async def _rotate(settings: Settings) -> tuple[Progress, list[tuple[KeyKind, int]]]:
    async with on_record(settings, "keys_rotate") as record:
        done = await Rotation(database=record.database, vault=record.vault).rotate(_teller())
        keyring = Keyring(database=record.database, vault=record.vault, clock=SystemClock())
        return done, [] if done.broken else await keyring.retire_unused()


def _teller() -> Callable[[Progress], None]:
    """Says how far it has come, every two seconds."""
    last = time.monotonic()

    def told(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            say(f"{progress.column}: {progress.looked_at} looked at, {progress.sealed + progress.indexed} made anew …")

    return told


def _remark(count: Count, current: int) -> str:
    if count.version is None:
        return "does not open"
    if count.first_format:
        return "to be rotated: not bound to its row"
    if count.version == current:
        return ""
    if count.column == "answers.fingerprint":
        return "gone in a day"
    in_audit = count.kind is KeyKind.INDEX and count.column.startswith("audit")
    return "stays as long as the audit does" if in_audit else "to be rotated"
