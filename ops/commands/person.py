"""`innringing person export|erase` and `innringing retention status|run|hold|lift`.

The person's number is asked for or read from stdin, because other users of the machine can see command lines.
"""

import sys
from collections.abc import Awaitable, Callable
from getpass import getpass
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from desk.access.actor import SYSTEM
from desk.audit.actions import AuditAction
from desk.callbacks.model import callback_id
from desk.clock import Clock, SystemClock
from desk.clock_check.clock_check import ClockCheck
from desk.database.engine import Database
from desk.numbers.errors import InvalidIdentity, InvalidPhone
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.numbers.phone_number import parse_phone
from desk.privacy.retention import Retention
from desk.privacy.retention_repository import RetentionRun
from desk.privacy.subject_access import ErasureResult, Person, SubjectAccess, as_text
from desk.safeguards import make_retention
from desk.settings.settings import Settings
from ops.commands.audited import AuditedCommand, audited
from ops.commands.terminal import current_database, fail, load_settings, run, say
from ops.messages.translation import translated

T = TypeVar("T")

person = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Export or erase everything stored about one person."
)
retention = typer.Typer(no_args_is_help=True, add_completion=False, help="Manage nightly deletion and legal holds.")

By = Annotated[str, typer.Option(help="Your name, shown in the callback's history.")]
ByPhone = Annotated[
    bool, typer.Option("--phone", help="Ask for a phone number, for callbacks without an identity number.")
]
Id = Annotated[str, typer.Argument(help="The callback's id.")]


@person.command("export")
def export(by: By, phone: ByPhone = False) -> None:
    """Print everything stored about one person, as JSON. The number is asked for, or read from stdin."""
    settings = load_settings(need_keys=True)
    subject = _ask_person(settings, phone)
    document = run(_export(settings, subject, by))
    typer.echo(as_text(document))
    say(f"{len(document['callbacks'])} callbacks.")


@person.command("erase")
def erase(by: By, phone: ByPhone = False) -> None:
    """Delete everything stored about one person, except open callbacks and those under legal hold."""
    settings = load_settings(need_keys=True)
    subject = _ask_person(settings, phone)
    done = run(_erase(settings, subject, by))
    if phone:
        say(f"Deleted: {len(done.deleted)} callbacks, {done.calls} calls without one.")
    else:
        say(f"Deleted: {len(done.deleted)} callbacks.")
    for id in done.open:
        say(f"{id} is open: close it, then erase again.")
    for id in done.held:
        say(f"{id} is under legal hold and is not deleted.")
    if done.open or done.held:
        raise typer.Exit(1)


@retention.command("status")
def status() -> None:
    """Show what was deleted in the nights of the last two weeks, and by which process."""
    settings = load_settings()
    nights, held = run(_with_retention(settings, lambda nightly: nightly.nights(SYSTEM)))
    table = Table(*map(translated, ("Night", "Finished", "Callbacks", "Incomplete calls", "Answers", "By")))
    for night in nights:
        counts = [str(night.deleted.get(kind, 0)) for kind in ("callbacks", "incomplete_calls", "answers")]
        finished = f"{night.finished_at:%Y-%m-%d %H:%M} UTC" if night.finished_at else translated("not yet")
        table.add_row(str(night.night), finished, *counts, night.runner)
    Console().print(table)
    say(f"{held} callbacks are under legal hold. Kept after closing: {settings.retention.days} days.")


@retention.command("run")
def run_now(
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="The service was really stopped for so long: delete by this clock.")
    ] = False,
) -> None:
    """Delete expired data now, without waiting for the night."""
    settings = load_settings()
    done = run(_run_now(settings, clock_is_right))
    if done is None:
        fail("Another process is deleting now. See: innringing retention status")
    counts = ", ".join(f"{kind}: {count}" for kind, count in done.deleted.items())
    say(f"{counts} this night.")


@retention.command("hold")
def hold(
    id: Id, by: By, case: Annotated[str, typer.Option(help="The reference of the case. Do not use names.")]
) -> None:
    """Put a callback under legal hold: it is not deleted, at night or on request, until the hold is lifted."""
    if not 0 < len(case) <= 64:
        fail("The case reference must have 1 to 64 characters.")
    settings = load_settings(need_keys=True)
    run(_hold(settings, id, by, case))
    say(f"It is under legal hold. To lift it: innringing retention lift {id} --by <your name>")


@retention.command("lift")
def lift(id: Id, by: By) -> None:
    """Lift a legal hold. The callback is then deleted when it expires."""
    settings = load_settings(need_keys=True)
    run(_lift(settings, id, by))
    say("The hold is lifted.")


def _ask_person(settings: Settings, phone: bool) -> Person:
    """Ask for the number without echo, or read it from stdin. If it is invalid, exit without repeating it."""
    question = "Phone number: " if phone else "Identity number: "
    number = (getpass(translated(question)) if sys.stdin.isatty() else sys.stdin.readline()).strip().replace(" ", "")
    try:
        if phone:
            return parse_phone(number, allow_foreign=True)
        return parse_identity(number, allow_test=settings.demo, allow_h=settings.numbers.enable_h_numbers)
    except (InvalidIdentity, InvalidPhone) as error:
        fail(str(error))


async def _export(settings: Settings, subject: Person, by: str) -> dict[str, Any]:
    async with audited(settings, AuditAction.PERSON_EXPORT, by=by, patient=_number(subject)) as command:
        return await _subject_access(command).export(command.actor, subject)


async def _erase(settings: Settings, subject: Person, by: str) -> ErasureResult:
    async with audited(settings, AuditAction.PERSON_ERASE, by=by, patient=_number(subject)) as command:
        return await _subject_access(command).erase(command.actor, subject)


async def _hold(settings: Settings, id: str, by: str, case: str) -> None:
    async with audited(settings, AuditAction.LEGAL_HOLD, by=by, why=case) as command:
        await _subject_access(command).hold(command.actor, callback_id(id), case)


async def _lift(settings: Settings, id: str, by: str) -> None:
    async with audited(settings, AuditAction.LEGAL_HOLD_LIFT, by=by) as command:
        await _subject_access(command).lift(command.actor, callback_id(id))


async def _run_now(settings: Settings, clock_is_right: bool) -> RetentionRun | None:
    async with audited(settings, AuditAction.RETENTION_RUN) as command:
        nightly = _retention(settings, command.database, command.clock)
        return await nightly.run_now(gap_is_right=clock_is_right)


def _retention(settings: Settings, database: Database, clock: Clock) -> Retention:
    return make_retention(database, settings.retention, clock, ClockCheck(database=database, clock=clock))


def _subject_access(command: AuditedCommand) -> SubjectAccess:
    return SubjectAccess(database=command.database, vault=command.vault, clock=command.clock)


def _number(subject: Person) -> str | None:
    """Return the identity number for the audit, which stores it sealed. The audit stores no phone numbers."""
    return subject.value if isinstance(subject, IdentityNumber) else None


async def _with_retention(settings: Settings, work: Callable[[Retention], Awaitable[T]]) -> T:
    async with current_database(settings) as database:
        return await work(_retention(settings, database, SystemClock()))
