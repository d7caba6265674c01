"""`innringing keys status` and `innringing keys rotate`."""

import time

import typer
from rich.console import Console
from rich.table import Column, Table

from desk.audit.actions import AuditAction
from desk.clock import SystemClock
from desk.key_rotation.keyring import Keyring, KeyUse
from desk.key_rotation.repository import KeyKind
from desk.key_rotation.rotation import OlderKeyInUse, Progress, Report, Rotation
from desk.settings.settings import Settings
from ops.commands.audited import audited
from ops.commands.terminal import fail, load_settings, run, say, unlocked_database
from ops.messages.translation import translated

EVERY_SECONDS = 2.0

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show and rotate the keys that seal personal data.")


@app.command()
def status() -> None:
    """Show how many values each key has sealed or indexed, by column."""
    settings = load_settings(need_keys=True)
    current, counts = run(_count(settings))
    table = Table(
        Column(translated("Column"), no_wrap=True), Column(translated("Key"), no_wrap=True), translated("Values"), ""
    )
    for each in counts:
        version = translated("none") if each.version is None else str(each.version)
        table.add_row(
            each.column, f"{each.kind.value} {version}", f"{each.rows}", translated(_remark(each, current[each.kind]))
        )
    Console().print(table)
    say(f"New values are sealed with version {current[KeyKind.IDENTITY]}.")
    say(f"New indexes are made with version {current[KeyKind.INDEX]}.")


@app.command()
def rotate() -> None:
    """Re-seal and re-index everything with the current keys, while the service runs. It can be stopped and resumed."""
    settings = load_settings(need_keys=True)
    try:
        done, retired = run(_rotate(settings))
    except OlderKeyInUse as error:
        fail(f"{error.__doc__}")
    except KeyboardInterrupt:
        fail("Stopped. All values are still readable. Run the command again to continue.")
    say(f"{done.sealed} values re-sealed, {done.indexed} indexes renewed, {done.read} read.")
    for kind, version in retired:
        use = "sealed with key" if kind is KeyKind.IDENTITY else "indexed with index key"
        say(f"No values are {use} version {version} any more. You can remove it from the settings.")
    if done.twice:
        say(f"Patients with two open callbacks; close one and run this again: {', '.join(sorted(done.twice))}")
    if done.broken:
        for column, row in sorted(done.broken, key=str)[:20]:
            say(f"{column} of {row} cannot be opened: it was changed, or its key is missing.")
        fail(f"{len(done.broken)} values cannot be opened and were left unchanged.")


async def _count(settings: Settings) -> tuple[dict[KeyKind, int], list[KeyUse]]:
    async with unlocked_database(settings) as (database, vault):
        current = {KeyKind.IDENTITY: vault.version, KeyKind.INDEX: vault.index_version}
        return current, await Keyring(database=database, vault=vault, clock=SystemClock()).counts()


async def _rotate(settings: Settings) -> tuple[Progress, list[tuple[KeyKind, int]]]:
    async with audited(settings, AuditAction.KEYS_ROTATE) as command:
        database, vault, clock = command.database, command.vault, command.clock
        done = await Rotation(database=database, vault=vault, clock=clock).rotate(_reporter())
        keyring = Keyring(database=database, vault=vault, clock=clock)
        return done, [] if done.broken else await keyring.retire_unused()


def _reporter() -> Report:
    """Return a function that prints the progress every two seconds."""
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            say(f"{progress.column}: {progress.read} read, {progress.sealed + progress.indexed} renewed …")

    return report


def _remark(use: KeyUse, current: int) -> str:
    if use.version is None:
        return "cannot be opened"
    if use.version == current:
        return ""
    if use.column == "answers.fingerprint":
        return "deleted within a day"
    in_audit = use.kind is KeyKind.INDEX and use.column.startswith("audit")
    return "needed as long as the audit is kept" if in_audit else "to be rotated"
