"""`innringing audit verify|extract|prune`: verify the audit, extract a patient's rows, delete expired rows.

The patient's number is asked for or read from stdin, because other users of the machine can see command lines.
"""

import sys
from enum import StrEnum
from getpass import getpass
from typing import Annotated

import typer

from desk.audit.actions import AuditAction
from desk.audit.anchors import AnchorFile, AnchorsChanged
from desk.audit.audit import Audit
from desk.audit.chain import Anchor
from desk.audit.extract import ExtractLine, as_csv, as_json, lines
from desk.audit.retention import PruneResult
from desk.audit.verify import AuditVerifier, Verification
from desk.clock import SystemClock
from desk.clock_check.clock_check import ClockCheck
from desk.departments.departments import Departments
from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.safeguards import make_audit_retention
from desk.settings.settings import Settings
from ops.commands.audited import audited, operating_user
from ops.commands.terminal import fail, load_settings, run, say, show, unlocked_database
from ops.messages.translation import translated

PAGE_SIZE = 1000

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Verify the audit, extract a patient's rows, delete expired rows."
)


class ExtractFormat(StrEnum):
    """The output format of an extract."""

    JSON = "json"
    CSV = "csv"


@app.command()
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="SEQ:HASH from the log or an earlier run, to detect a truncated end. May be repeated."),
    ] = None,
) -> None:
    """Verify the whole audit. List rows that were changed, removed, inserted or moved, and exit with 1 if any were.

    The anchors of AUDIT_ANCHORS are used too.
    """
    settings = load_settings(need_keys=True)
    try:
        anchors = [Anchor.parse(each) for each in anchor or ()]
    except ValueError as error:
        fail(f"--anchor: {error}")
    found, missing, stored = run(_verify(settings, anchors))
    for fault in (*found.faults, *missing):
        show(fault)
    if found.more:
        show(f"and {found.more} more")
    say(f"{found.rows} rows. Anchor: {found.anchor}")
    if found.faults or missing:
        fail("The audit was changed.")
    if not found.rows:
        fail("The audit is empty. If this installation has ever been used, its audit was removed.")
    say("The audit is intact.")
    if not (anchors or stored):
        file = settings.audit.anchors_file
        say(f"There are no anchors in {file}: use --anchor with one from the log to detect a truncated end.")


@app.command()
def extract(
    by: Annotated[str, typer.Option(help="Your name, shown in the audit.")],
    format_: Annotated[
        ExtractFormat, typer.Option("--format", help="json, or csv for a spreadsheet.")
    ] = ExtractFormat.JSON,
) -> None:
    """Print who has read one patient's callbacks, in a form for the patient. The patient's number is asked for."""
    settings = load_settings(need_keys=True)
    patient = _ask_patient(settings)
    rows = run(_extract(settings, patient, by))
    is_csv = format_ is ExtractFormat.CSV
    typer.echo(as_csv(rows) if is_csv else as_json(rows), nl=not is_csv)
    say(f"{len(rows)} rows.")


@app.command()
def prune() -> None:
    """Delete expired rows of the audit, as the owner of the tables. The service does it too, if it has the rights."""
    settings = load_settings(need_keys=True)
    done = run(_prune(settings))
    say("No rows have expired." if done is None else f"{done.rows} rows deleted, up to row {done.through}.")


async def _verify(settings: Settings, anchors: list[Anchor]) -> tuple[Verification, list[str], int]:
    """Verify, and return also what is missing in other tables, and how many anchors are stored."""
    async with unlocked_database(settings) as (database, vault):
        try:
            stored = AnchorFile(settings.audit.anchors_file, vault).read()
        except (OSError, AnchorsChanged) as error:
            fail(str(error))
        verifier = AuditVerifier(database=database, vault=vault, clock=SystemClock())
        found = await verifier.verify([*anchors, *(each.anchor for each in stored)])
        return found, await verifier.missing_others(stored[-1:]), len(stored)


async def _extract(settings: Settings, patient: IdentityNumber, by: str) -> list[ExtractLine]:
    async with audited(settings, AuditAction.AUDIT_EXTRACT, by=by, patient=patient.value) as command:
        rows: list[ExtractLine] = []
        names, cursor = _departments(settings), None
        while True:
            page = await command.audit.of_patient(command.actor, patient.value, cursor=cursor, limit=PAGE_SIZE)
            repeats = await command.audit.repeats(command.actor, page.items)
            rows += lines(page.items, lambda slug: names.get(slug).name if names and slug in names else slug, repeats)
            cursor = page.next_cursor
            if cursor is None:
                return rows


async def _prune(settings: Settings) -> PruneResult | None:
    """Delete expired rows as the owner of the tables."""
    owner = settings.changed(database_url=settings.database.owner_url)
    async with unlocked_database(owner) as (database, vault):
        audit, clock, user = Audit(database=database, vault=vault, clock=SystemClock()), SystemClock(), operating_user()
        check = ClockCheck(database=database, clock=clock)
        keeping = make_audit_retention(database, audit, settings.audit, clock, check)
        return await keeping.run(who=user, source=f"cli:{user}")


def _departments(settings: Settings) -> Departments | None:
    """Load the departments for their names. None if the file is invalid: the extract then has no names."""
    try:
        return load_departments(settings.files.departments)
    except DeskError:
        return None


def _ask_patient(settings: Settings) -> IdentityNumber:
    """Ask for the number without echo, or read it from stdin. If it is invalid, exit without repeating it."""
    number = (
        (getpass(translated("Identity number: ")) if sys.stdin.isatty() else sys.stdin.readline())
        .strip()
        .replace(" ", "")
    )
    try:
        return parse_identity(number, allow_test=settings.demo, allow_h=settings.numbers.enable_h_numbers)
    except InvalidIdentity as error:
        fail(str(error))
