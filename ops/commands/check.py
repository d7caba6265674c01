"""`innringing check`: validate the operators' files before the service starts."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from desk.accounts.errors import AccessFileError, LeakedPasswordsFault
from desk.accounts.oidc.groups_file import unknown_departments
from desk.accounts.passwords.leaked_passwords import LeakedPasswords
from desk.departments.departments import Departments
from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.files.errors import OperatorsFileError
from desk.files.faults import FileFault, of_file, shown
from desk.files.toml_files import read_text
from desk.files.toml_lines import key_lines
from desk.messages.errors import SmsTextsError
from desk.messages.texts import load_sms_texts, naming_departments
from desk.paths import ROOT
from desk.settings.settings import Settings
from desk.settings.variables import unread
from ivr.prompts import rules, voices
from ivr.prompts.build import Source, find_sources, missing_recordings
from ivr.prompts.catalogue import (
    Catalogue,
    CatalogueError,
    ProgramMissing,
    PromptsError,
    catalogue_lines,
    load_catalogue,
)
from ivr.prompts.check import DRAFT, PromptCheck
from ivr.prompts.check import check as measured
from ivr.prompts.files import read_manifest
from ops.commands.dialplan.asked import asked
from ops.commands.dialplan.candidate import prompts_of
from ops.commands.dialplan.rules import DialplanCheck
from ops.commands.terminal import load_settings
from ops.machine import kamailio_files
from ops.machine.demo_parts import demo_parts
from ops.machine.going_live import switchboard_faults, trial_settings
from ops.machine.instance import OWN
from ops.messages.translation import translated

DIALPLAN = ROOT / "dialplan"


def check(
    production: Annotated[
        bool,
        typer.Option(
            "--production", help="refuse what suits only a trial: no trunk, draft voices, prompts that are not built …"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the faults as JSON, for programs")] = False,
) -> None:
    """Check departments.toml, the prompts and the dialplan. Print a table of faults with file, line and reason."""
    settings = load_settings()
    local = own_extensions(settings)
    found = faults(
        settings.files.departments, settings.files.prompts, DIALPLAN, root=ROOT, production=production, local=local
    )
    found += asked_of_asterisk(settings, DIALPLAN, found, root=ROOT, local=local)
    found += proxy_files(settings)
    if production or not settings.demo:
        found += demo_parts(settings.files.departments, DIALPLAN, root=ROOT)
        found += switchboard_faults(settings, DIALPLAN, own=local, root=ROOT)
    if production:
        found += trial_settings(settings)
        if settings.files.draft_voices == "accepted":
            found = [fault for fault in found if fault.reason != DRAFT]
    found += sms_off(settings)
    found += leaked_passwords(settings)
    found += [FileFault("environment", None, each) for each in unread(os.environ)]
    found += groups(settings.files.access, settings.files.departments, root=ROOT)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if as_json:
        print(json.dumps([asdict(fault) | {"reason": translated(fault.reason)} for fault in found]))
    elif found:
        console.print(table(found))
    wrong = sum(not fault.note for fault in found)
    if wrong and as_json:
        raise typer.Exit(1)
    if wrong:
        console.print(translated(f"{wrong} mistake to fix." if wrong == 1 else f"{wrong} mistakes to fix."))
        raise typer.Exit(1)
    if not as_json:
        console.print(translated("Departments, prompts and dialplan are in order."))


def faults(
    departments_file: Path,
    prompts_dir: Path,
    dialplan: Path,
    *,
    root: Path,
    production: bool = False,
    local: Path | None = None,
) -> list[FileFault]:
    """Find all faults in the operators' files, in the order departments, prompts, SMS, Asterisk's files.

    `local` is this machine's own extensions.conf, if it has one.
    """
    found: list[FileFault] = []
    departments, catalogue = Departments([]), None
    try:
        departments = load_departments(departments_file)
    except DepartmentsFileError as error:
        found.append(of_file(error, root))
    try:
        catalogue = load_catalogue(rules.texts_file(prompts_dir))
    except CatalogueError as error:
        found.append(FileFault(shown(error.file, root), error.line, error.reason))
    if catalogue:
        found += _texts(departments_file, prompts_dir, catalogue, departments, root, production)
        found += _sounds(prompts_dir, departments, root, production)
    found += _sms(prompts_dir, departments, root)
    if len(departments):
        check = DialplanCheck(
            dialplan, departments, root, local=local, prompts=prompts_of(catalogue) if catalogue else None
        )
        found += check.faults()
    return found


def own_extensions(settings: Settings) -> Path:
    """Return the path of this machine's own extensions.conf: that of `make up` if it was used, else of the service."""
    folders = [settings.files.var / name / "etc" / "local" for name in ("compose/asterisk", "asterisk")]
    return next((folder / OWN for folder in folders if (folder / OWN).exists()), folders[-1] / OWN)


def asked_of_asterisk(
    settings: Settings, dialplan: Path, known: list[FileFault], *, root: Path, local: Path
) -> list[FileFault]:
    """Return what a throw-away Asterisk says about its files, beyond the `known` faults of them."""
    try:
        departments = load_departments(settings.files.departments)
    except DepartmentsFileError:
        departments = Departments([])
    about_it = [fault for fault in known if fault.file.endswith(".conf")]
    return asked(settings, dialplan, departments, root=root, local=local, known=about_it)


def groups(access_file: Path, departments_file: Path, *, root: Path) -> list[FileFault]:
    """Find faults in the file of groups and roles. A missing file is a fault too."""
    try:
        known = list(load_departments(departments_file))
    except DepartmentsFileError:
        known = []  # reported already; otherwise every department would count as unknown
    try:
        unknown = list(unknown_departments(access_file, known))
    except AccessFileError as error:
        return [FileFault(shown(Path(error.file), root), error.line, error.reason)]
    return [FileFault(shown(access_file, root), line, reason) for line, reason in unknown if known]


def sms_off(settings: Settings) -> list[FileFault]:
    """Return a note for each department that sends receipts by SMS, if SMS is off."""
    file = settings.files.departments
    try:
        departments, lines = load_departments(file), key_lines(_read(file))
    except DepartmentsFileError:
        return []  # reported already
    reason = "sms_receipt is true, but SMS is off: set INNRINGING_SMS_GATEWAY=link and your LINK Mobility settings"
    return [
        FileFault(shown(file, ROOT), lines.get((each.slug, "sms_receipt")), f"[{each.slug}] {reason}", note=True)
        for each in departments.all()
        if each.sms_receipt and settings.sms.active_gateway == "off"
    ]


def proxy_files(settings: Settings) -> list[FileFault]:
    """Find faults in the files of a Kamailio, on a machine that has one."""
    if not kamailio_files.FOLDER.is_dir():
        return []
    mark = settings.sip.proxy_mark
    return [*kamailio_files.faults(kamailio_files.FOLDER, mark=mark.get_secret_value() if mark else "", root=ROOT)]


def leaked_passwords(settings: Settings) -> list[FileFault]:
    """Find faults in the list of leaked passwords. In production, a missing list is a note."""
    name = "INNRINGING_LEAKED_PASSWORDS"
    if settings.login.leaked_passwords is None:
        reason = "not set: leaked passwords are accepted, except for the most common ones (docs/operator.md)"
        return [] if settings.demo else [FileFault(name, None, reason, note=True)]
    try:
        LeakedPasswords(settings.login.leaked_passwords).check()
    except LeakedPasswordsFault as error:
        return [FileFault(error.file, None, error.reason)]
    return []


def _sms(prompts_dir: Path, departments: Departments, root: Path) -> list[FileFault]:
    """Find faults in the texts of SMS."""
    file = prompts_dir / "sms.toml"
    try:
        texts = load_sms_texts(file)
    except SmsTextsError as error:
        return [FileFault(shown(file, root), error.line, error.reason)]
    lines = key_lines(_read(file))
    return [
        FileFault(shown(file, root), lines.get((language, kind.value)), f"[{language}] {kind.value} {reason}")
        for language, kind, reason in naming_departments(texts, departments.all())
    ]


def _read(file: Path) -> str:
    return read_text(file, OperatorsFileError)


def _texts(
    departments_file: Path,
    prompts_dir: Path,
    catalogue: Catalogue,
    departments: Departments,
    root: Path,
    production: bool,
) -> list[FileFault]:
    file = rules.texts_file(prompts_dir)
    places = key_lines(_read(departments_file)) if len(departments) else {}
    return [
        *rules.missing_languages(shown(departments_file, root), catalogue, departments, places),
        *rules.missing_answers(shown(departments_file, root), catalogue, departments, places),
        *rules.missing_welcomes(shown(departments_file, root), catalogue, departments, places, production=production),
        *rules.contradictions(shown(file, root), catalogue, catalogue_lines(file), departments),
        *rules.unspeakable(shown(file, root), catalogue, catalogue_lines(file)),
    ]


def _sounds(prompts_dir: Path, departments: Departments, root: Path, production: bool) -> list[FileFault]:
    """Find faults in the built prompts. A missing build or a draft is a fault in production, otherwise a note."""
    folder = shown(prompts_dir, root)
    try:
        gone = missing_recordings(prompts_dir)
        lines = measured(prompts_dir, production=production)
    except PromptsError as error:
        place, _, reason = str(error).partition(": ")
        return [FileFault(shown(Path(place), root), None, reason)]
    found = [
        FileFault(
            f"{folder}/{name}", None, "the recording of the last build is missing: restore it, or build without it"
        )
        for name in gone
    ]
    found += _recordings(folder, prompts_dir)
    if not read_manifest(prompts_dir / "build"):
        return [*found, FileFault(folder, None, "not built yet: run innringing prompts build", note=not production)]
    offered = {language for department in departments.all() for language in department.languages}
    bad = [line for line in lines if line.problems and line.source.language in offered]
    if production:
        return [*found, *(fault for line in bad for fault in _each(folder, line))]
    if not bad:
        return found
    first = bad[0]
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    reason = f"{first.source.name}: {first.problems[0]}{more} (innringing prompts check shows all)"
    return [*found, FileFault(folder, None, reason, note=True)]


def _recordings(folder: str, prompts_dir: Path) -> list[FileFault]:
    """Find new recordings that cannot be built."""
    manifest = read_manifest(prompts_dir / "build")
    found = []
    for source in find_sources(prompts_dir, load_catalogue(rules.texts_file(prompts_dir))):
        known = manifest.get(source.name)
        if source.recording is None or (known and known.fingerprint == source.fingerprint):
            continue
        try:
            voices.recorded(source.recording)
        except ProgramMissing:
            found.append(_recording_fault(folder, source, "not checked: ffmpeg is not installed here", note=True))
        except PromptsError as error:
            found.append(_recording_fault(folder, source, str(error).removeprefix(f"{source.recording}: ")))
    return found


def _recording_fault(folder: str, source: Source, reason: str, *, note: bool = False) -> FileFault:
    name = source.recording.name if source.recording else source.key
    return FileFault(f"{folder}/{source.language}/{name}", None, reason, note=note)


def _each(folder: str, line: PromptCheck) -> list[FileFault]:
    return [FileFault(f"{folder}/{line.source.name}", None, problem) for problem in line.problems]


def table(found: list[FileFault]) -> Table:
    """Make a table with one row per fault."""
    shown_table = Table(title="innringing check")
    shown_table.add_column(translated("file"), overflow="fold")
    shown_table.add_column(translated("line"), justify="right")
    shown_table.add_column(translated("fault"), overflow="fold")
    for fault in found:
        line = "" if fault.line is None else str(fault.line)
        # As plain text: a department's [name] is not markup.
        shown_table.add_row(
            *(Text(cell) for cell in (fault.file, line)),
            Text(translated(fault.reason), "yellow" if fault.note else "red"),
        )
    return shown_table
