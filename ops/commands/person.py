"""`innringing person export|erase` and `innringing retention status|run|hold|lift`.

Whose data it is about is asked for, or read from stdin: on a command line other users of the machine could read it.
"""

import sys
from collections.abc import Awaitable, Callable
from getpass import getpass
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from desk.callbacks.model import Callback
from desk.clock import SystemClock
from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.numbers.phone_number import parse_phone
from desk.privacy.retention import Retention
from desk.privacy.retention_repository import Run
from desk.privacy.subject_access import Erased, Person, Rights, as_text
from desk.settings.settings import Settings
from desk.wire import make_retention
from ops.commands.on_record import OnRecord, on_record
from ops.commands.terminal import current_database, fail, load_settings, run, say

T = TypeVar("T")

person = typer.Typer(no_args_is_help=True, help="One person's rights: everything held on them, and deleting it.")
retention = typer.Typer(no_args_is_help=True, help="What is deleted at night, and what a legal hold keeps.")

By = Annotated[str, typer.Option(help="Who you are: the callback's history shows it.")]
ByPhone = Annotated[
    bool, typer.Option("--phone", help="Ask for a phone number: for callbacks that name no identity number.")
]
Id = Annotated[str, typer.Argument(help="The callback's id.")]


@person.command("export")
def export(by: By, phone: ByPhone = False) -> None:
    """Print everything held on one person, as JSON. The number is asked for, or read from stdin."""
    settings = load_settings(need_keys=True)
    who = _ask(settings, phone)
    document = run(_export(settings, who, by))
    typer.echo(as_text(document))
    say(f"{len(document['callbacks'])} callbacks.")


@person.command("erase")
def erase(by: By, phone: ByPhone = False) -> None:
    """Delete everything held on one person, but for what is open or under legal hold."""
    settings = load_settings(need_keys=True)
    who = _ask(settings, phone)
    done = run(_erase(settings, who, by))
    say(f"Deleted: {len(done.deleted)} callbacks" + (f", {done.calls} calls without one." if phone else "."))
    for id in done.open:
        say(f"{id} is open: close it, then erase again.")
    for id in done.held:
        say(f"{id} is under legal hold, and stays.")
    if done.open or done.held:
        raise typer.Exit(1)


@retention.command("status")
def status() -> None:
    """Show the last two weeks' nights: what was deleted, and by which process."""
    settings = load_settings()
    nights, held = run(_with_retention(settings, lambda nightly: nightly.nights()))
    table = Table("Night", "Finished", "Callbacks", "Incomplete calls", "Answers", "By")
    for night in nights:
        counts = [str(night.deleted.get(kind, 0)) for kind in ("callbacks", "incomplete_calls", "answers")]
        finished = f"{night.finished_at:%Y-%m-%d %H:%M} UTC" if night.finished_at else "not yet"
        table.add_row(str(night.night), finished, *counts, night.runner)
    Console().print(table)
    say(f"{held} callbacks are under legal hold. Kept after closing: {settings.retention.days} days.")


@retention.command("run")
def run_now() -> None:
    """Delete now what is due, without waiting for the night."""
    settings = load_settings()
    done = run(_run_now(settings))
    if done is None:
        fail("Another process is deleting now. See: innringing retention status")
    say(", ".join(f"{kind.replace('_', ' ')}: {count}" for kind, count in done.deleted.items()) + " this night.")


@retention.command("hold")
def hold(
    id: Id, by: By, case: Annotated[str, typer.Option(help="The case it is kept for: a reference, no name.")]
) -> None:
    """Keep a callback from being deleted, at night and on request, until the hold is lifted."""
    if not 0 < len(case) <= 64:
        fail("Give the case's reference: 64 characters at most.")
    settings = load_settings(need_keys=True)
    run(_held(settings, "legal_hold", id, by, case, lambda rights: rights.hold(id, by, case)))
    say(f"It is kept until: innringing retention lift {id} --by <your name>")


@retention.command("lift")
def lift(id: Id, by: By) -> None:
    """End a legal hold: the callback is deleted in its time."""
    settings = load_settings(need_keys=True)
    run(_held(settings, "legal_hold_lift", id, by, None, lambda rights: rights.lift(id, by)))
    say("The hold is lifted.")


def _ask(settings: Settings, phone: bool) -> Person:
    """The number, typed unseen or from stdin. Ends the command, without repeating it, when it is none."""
    asked = "Phone number: " if phone else "Identity number: "
    given = (getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()).strip().replace(" ", "")
    try:
        if phone:
            return parse_phone(given, allow_foreign=True)
        return parse_identity(given, allow_test=settings.demo, allow_h=settings.numbers.enable_h_numbers)
    except (InvalidIdentity, InvalidPhone) as error:
        fail(str(error))


async def _export(settings: Settings, who: Person, by: str) -> dict[str, Any]:
    async with on_record(settings, "person_export", by=by, patient=_number(who)) as record:
        document = await _rights(record).export(who, by)
        record.callbacks.update(callback["id"] for callback in document["callbacks"])
    return document


async def _erase(settings: Settings, who: Person, by: str) -> Erased:
    async with on_record(settings, "person_erase", by=by, patient=_number(who)) as record:
        done = await _rights(record).erase(who, by)
        record.callbacks.update((*done.deleted, *done.open, *done.held))
    return done


async def _held(
    settings: Settings, action: str, id: str, by: str, case: str | None, work: Callable[[Rights], Awaitable[Callback]]
) -> None:
    async with on_record(settings, action, by=by, why=case) as record:
        record.callbacks.add((await work(_rights(record))).id)


async def _run_now(settings: Settings) -> Run | None:
    async with on_record(settings, "retention_run") as record:
        return await make_retention(record.database, settings.retention, SystemClock()).run_now()


def _rights(record: OnRecord) -> Rights:
    return Rights(database=record.database, vault=record.vault, clock=SystemClock())


def _number(who: Person) -> str | None:
    """An identity number, which the audit keeps sealed; a phone is not kept there at all."""
    return who.value if isinstance(who, IdentityNumber) else None


async def _with_retention(settings: Settings, work: Callable[[Retention], Awaitable[T]]) -> T:
    async with current_database(settings) as database:
        return await work(make_retention(database, settings.retention, SystemClock()))
