"""`innringing keys status` and `innringing keys rotate`."""

import time
from collections.abc import Callable

import typer
from rich.console import Console
from rich.table import Table

from desk.clock import SystemClock
from desk.keyring import Count, Keyring
from desk.rotation import Progress, Rotation, StillSealing
from desk.settings import Settings
from desk.terminal import fail, load_settings, run, say, unlocked_database

EVERY_SECONDS = 2.0

app = typer.Typer(no_args_is_help=True, help="The keys personal data are sealed with: which are in use, and rotating.")


@app.command()
def status() -> None:
    """Show how many values each key has sealed, by column."""
    settings = load_settings(need_keys=True)
    current, counts = run(_count(settings))
    table = Table("Column", "Key version", "Values", "")
    for each in counts:
        version = "none" if each.version is None else str(each.version)
        table.add_row(each.column, version, f"{each.rows}", _remark(each, current))
    Console().print(table)
    say(f"New values are sealed with version {current}.")


@app.command()
def rotate() -> None:
    """Seal everything anew with the key in use, while the service runs. May be stopped at any time and run again."""
    settings = load_settings(need_keys=True)
    try:
        done, retired = run(_rotate(settings))
    except StillSealing as error:
        fail(f"{error.__doc__}")
    except KeyboardInterrupt:
        fail("Stopped; everything opens as before. Run it again to go on.")
    say(f"{done.sealed} values sealed anew, {done.looked_at} looked at.")
    for version in retired:
        say(f"Nothing is sealed with key version {version} any more: it may be taken out of the settings.")
    if done.broken:
        for column, row in sorted(done.broken, key=str)[:20]:
            say(f"{column} of {row} does not open: it has been changed, or its key is missing.")
        fail(f"{len(done.broken)} values do not open; they were left as they are.")


async def _count(settings: Settings) -> tuple[int, list[Count]]:
    async with unlocked_database(settings) as (database, vault):
        return vault.version, await Keyring(database=database, vault=vault, clock=SystemClock()).counts()


async def _rotate(settings: Settings) -> tuple[Progress, list[int]]:
    async with unlocked_database(settings) as (database, vault):
        done = await Rotation(database=database, vault=vault).rotate(_teller())
        keyring = Keyring(database=database, vault=vault, clock=SystemClock())
        return done, [] if done.broken else await keyring.retire_unused()


def _teller() -> Callable[[Progress], None]:
    """Says how far it has come, every two seconds."""
    last = time.monotonic()

    def told(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            say(f"{progress.column}: {progress.looked_at} looked at, {progress.sealed} sealed anew …")

    return told


def _remark(count: Count, current: int) -> str:
    if count.version is None:
        return "does not open"
    if count.first_format:
        return "to be rotated: not bound to its row"
    return "" if count.version == current else "to be rotated"
