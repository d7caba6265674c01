"""`innringing audit verify|extract|prune`: whether the audit is whole, what a patient may read of it, its oldest days.

Whose rows are taken out is asked for, or read from stdin: on a command line other users of the machine could read it.
"""

import sys
from enum import StrEnum
from getpass import getpass
from typing import Annotated

import typer

from desk.audit.audit import Audit
from desk.audit.chain import Anchor
from desk.audit.extract import ExtractLine, as_csv, as_json, lines
from desk.audit.retention import AuditRetention, Pruned
from desk.audit.verify import Verified, Verifying
from desk.clock import SystemClock
from desk.departments.departments import Departments
from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import IdentityNumber, parse_identity
from desk.settings.settings import Settings
from ops.commands.on_record import on_record, operating_user
from ops.commands.terminal import fail, load_settings, run, say, unlocked_database

ROWS_A_STEP = 1000

app = typer.Typer(no_args_is_help=True, help="Who saw and did what: is it whole, and what may a patient read of it.")


class Form(StrEnum):
    """How an extract is written."""

    JSON = "json"
    CSV = "csv"


@app.command()
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="SEQ:HASH, from the log or an earlier run: finds that the end was cut off. May be repeated."),
    ] = None,
) -> None:
    """Go through the whole audit. Exit code 1 when a row was changed, removed, put in or moved; each is named."""
    settings = load_settings(need_keys=True)
    try:
        anchors = [Anchor.parse(each) for each in anchor or ()]
    except ValueError as error:
        fail(f"--anchor: {error}")
    found = run(_verify(settings, anchors))
    for fault in found.faults:
        typer.echo(str(fault))
    if found.more:
        typer.echo(f"and {found.more} more")
    say(f"{found.rows} rows. Anchor: {found.anchor}")
    if found.faults:
        fail("The audit is not as it was written.")
    say("The audit is whole." + ("" if anchors else " Give an earlier anchor to see that its end was not cut off."))


@app.command()
def extract(
    by: Annotated[str, typer.Option(help="Who you are: the audit shows it.")],
    form: Annotated[Form, typer.Option("--format", help="json, or csv for a spreadsheet.")] = Form.JSON,
) -> None:
    """Print who has looked at one patient's callbacks, as the patient may read it. The number is asked for."""
    settings = load_settings(need_keys=True)
    who = _ask(settings)
    told = run(_extract(settings, who, by))
    typer.echo(as_csv(told) if form is Form.CSV else as_json(told), nl=form is Form.JSON)
    say(f"{len(told)} rows.")


@app.command()
def prune() -> None:
    """Delete the days that have been kept long enough, as the owner of the tables. The service does it, if it may."""
    settings = load_settings(need_keys=True)
    done = run(_prune(settings))
    say("Nothing is old enough." if done is None else f"{done.rows} rows deleted, up to row {done.through}.")


async def _verify(settings: Settings, anchors: list[Anchor]) -> Verified:
    async with unlocked_database(settings) as (database, vault):
        return await Verifying(database=database, vault=vault).verify(anchors)


async def _extract(settings: Settings, who: IdentityNumber, by: str) -> list[ExtractLine]:
    async with on_record(settings, "audit_extract", by=by, patient=who.value) as record:
        told: list[ExtractLine] = []
        names, cursor = _departments(settings), None
        while True:
            page = await record.audit.of_patient(who.value, None, cursor=cursor, limit=ROWS_A_STEP)
            repeats = await record.audit.repeats(page.items)
            told += lines(page.items, lambda slug: names.get(slug).name if names and slug in names else slug, repeats)
            cursor = page.next_cursor
            if cursor is None:
                return told


async def _prune(settings: Settings) -> Pruned | None:
    """As whoever owns the tables."""
    owner = settings.changed(database_url=settings.database.owner_url)
    async with unlocked_database(owner) as (database, vault):
        audit, clock, user = Audit(database=database, vault=vault, clock=SystemClock()), SystemClock(), operating_user()
        keeping = AuditRetention(database=database, audit=audit, clock=clock, days=settings.audit.retention_days)
        return await keeping.run(who=user, source=f"cli:{user}")


def _departments(settings: Settings) -> Departments | None:
    """For their names; an extract is given without them rather than not at all."""
    try:
        return load_departments(settings.files.departments)
    except DeskError:
        return None


def _ask(settings: Settings) -> IdentityNumber:
    """The number, typed unseen or from stdin. Ends the command, without repeating it, when it is none."""
    given = (getpass("Identity number: ") if sys.stdin.isatty() else sys.stdin.readline()).strip().replace(" ", "")
    try:
        return parse_identity(given, allow_test=settings.demo, allow_h=settings.numbers.enable_h_numbers)
    except InvalidIdentity as error:
        fail(str(error))
