"""innringing prompts build | check | list | say | script | rollback, and of ops/commands/recordings.py."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from desk.departments.departments import Departments
from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.paths import ROOT
from ivr.prompts import script, sets
from ivr.prompts.build import BuildReport, build
from ivr.prompts.catalogue import ProgramMissing, PromptsError
from ivr.prompts.check import PromptCheck, check
from ivr.prompts.files import WORDLESS
from ivr.prompts.places import reading_order
from ops.commands import recordings
from ops.commands.printing import show
from ops.commands.prompts_folder import PROMPTS_DIR, Folder
from ops.commands.recordings import fetched_tools
from ops.messages.translation import translated

app = typer.Typer(
    add_completion=False, help="Build, check and list the prompts that callers hear.", no_args_is_help=True
)

app.command("record")(recordings.record)
app.command("unrecord")(recordings.unrecord)
app.command("restore")(recordings.restore)


@app.command("build")
def build_command(
    folder: Folder = PROMPTS_DIR,
    tools: Annotated[Path | None, typer.Option(help="a folder with espeak-ng, ffmpeg and ffprobe")] = None,
    production: Annotated[bool, typer.Option("--production", help="refuse draft voices")] = False,
    departments: Annotated[
        Path, typer.Option("--departments-file", envvar="INNRINGING_DEPARTMENTS_FILE", help="what texts may promise")
    ] = ROOT / "dialplan" / "departments.toml",
    as_json: Annotated[bool, typer.Option("--json", help="print why it was refused as JSON, for programs")] = False,
) -> None:
    """Build changed prompts, from recordings or else with a draft voice. New calls use them at once."""
    if as_json:
        refused = _refusal(folder, tools, production, departments)
        print(json.dumps({"refused": refused and translated(refused)}))
        return
    build_with_progress(folder, tools=tools, console=Console(), production=production, departments_file=departments)


@app.command("check")
def check_command(
    folder: Folder = PROMPTS_DIR,
    production: Annotated[bool, typer.Option("--production", help="refuse draft voices")] = False,
    only_problems: Annotated[bool, typer.Option("--only-problems", help="show only prompts with problems")] = False,
) -> None:
    """Measure the built prompts. Exit code 1 if any is missing, too loud, too soft or (in production) a draft."""
    console = Console(width=None if sys.stdout.isatty() else 160)  # do not cut a table in a log at 80 columns
    try:
        lines = check(folder, production=production)
    except PromptsError as error:
        raise _exit(error) from None
    shown = [line for line in lines if line.problems or not only_problems]
    if shown:
        console.print(table(shown))
    wrong = sum(bool(line.problems) for line in lines)
    drafts = sum(line.source.kind == "draft" for line in lines)
    show(f"{len(lines)} prompts, {drafts} of them drafts (synthetic voice), {wrong} with a problem")
    if wrong:
        raise typer.Exit(1)


@app.command("list")
def list_command(
    folder: Folder = PROMPTS_DIR,
    language: Annotated[str | None, typer.Option(help="nb, nn or en; all when left out")] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="only those to be recorded")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print them as JSON, for programs")] = False,
) -> None:
    """List the prompts: key, source, length and text."""
    try:
        rows = script.rows(folder, language=language, drafts=drafts)
    except PromptsError as error:
        raise _exit(error) from None
    if as_json:
        print(json.dumps([asdict(row) for row in sorted(rows, key=lambda row: reading_order(row.key))]))
        return
    for row in rows:
        seconds = "     –" if row.seconds is None else f"{row.seconds:5.2f}s"
        changed = translated("  (changed after it was recorded)") if row.outdated else ""
        print(f"{row.language}  {row.key:<24} {row.kind:<9} {seconds}  {row.text}{changed}")
    show(f"{len(rows)} prompts, {sum(row.kind == 'draft' for row in rows)} of them drafts (synthetic voice)")
    if outdated := sum(row.outdated for row in rows):
        show(f"{outdated} changed after they were recorded: callers hear the earlier text")


@app.command("say")
def say_command(
    keys: Annotated[list[str], typer.Argument(help="one or more prompts, in playing order")],
    folder: Folder = PROMPTS_DIR,
    language: Annotated[str, typer.Option(help="nb, nn or en")] = "nb",
    out: Annotated[Path | None, typer.Option(help="the WAV file; default: the first key's name")] = None,
    play: Annotated[bool, typer.Option("--play", help="also play it, if a player is installed")] = False,
) -> None:
    """Print the text of a prompt and write its built sound to a WAV file."""
    try:
        text, file, seconds = script.say(folder, language, keys, out or Path(f"{keys[0]}.wav"))
        print(text)
        print(f"{file} ({seconds:.2f} s)")
        if play:
            script.play(file)
    except PromptsError as error:
        raise _exit(error) from None


@app.command("script")
def script_command(
    folder: Folder = PROMPTS_DIR,
    language: Annotated[str | None, typer.Option(help="nb, nn or en; all when left out")] = None,
    out: Annotated[Path | None, typer.Option(help="a CSV file; default: standard output")] = None,
    everything: Annotated[bool, typer.Option("--all", help="include prompts that have a recording")] = False,
) -> None:
    """Write the script for the voice talent: a CSV of the prompts to be recorded, with their file names."""
    try:
        rows = script.rows(folder, language=language, drafts=not everything)
        script.write_csv([row for row in rows if row.kind not in WORDLESS], out)
    except PromptsError as error:
        raise _exit(error) from None


@app.command("rollback")
def rollback_command(folder: Folder = PROMPTS_DIR) -> None:
    """Go back to the previous build: sounds, texts and recordings. New calls use it at once. Repeat it to undo."""
    try:
        used, left, aside = sets.rollback(folder)
    except PromptsError as error:
        raise _exit(error) from None
    show(f"In use: the build of {used.built} ({used.id}: {used.prompts} prompts, {used.drafts} drafts).")
    show(f"No longer in use: the build of {left.built} ({left.id}). Run the command again to return to it.")
    if aside:
        show(f"Texts and recordings changed since that build are in {aside}.")


def build_with_progress(
    folder: Path,
    *,
    tools: Path | None,
    console: Console,
    fetch: Callable[[], Path] = fetched_tools,
    production: bool = False,
    departments_file: Path | None = None,
) -> None:
    """Build with a progress bar and print a summary. An error is one line on stderr, with exit code 1.

    If a program is missing and `tools` is not set, fetch the programs, once per machine.
    """
    try:
        report = _build_fetching(folder, tools, console, fetch, production, departments_file)
    except (DepartmentsFileError, PromptsError) as error:
        raise _exit(error) from None
    drafts = f"; {report.drafts} have a draft voice, not for patients" if report.drafts else ""
    console.print(
        translated(f"Prompts: {report.built} built, {report.kept} unchanged, {report.removed} removed{drafts}.")
    )


def _refusal(folder: Path, tools: Path | None, production: bool, departments_file: Path) -> str:
    """Build after calls have had the processor, and return why it was refused; empty if it was not."""
    os.nice(10)
    try:
        _build_fetching(folder, tools, Console(stderr=True), fetched_tools, production, departments_file)
    except (DepartmentsFileError, PromptsError) as error:
        return str(error)
    return ""


def _build_fetching(
    folder: Path,
    tools: Path | None,
    console: Console,
    fetch: Callable[[], Path],
    production: bool,
    departments_file: Path | None,
) -> BuildReport:
    departments = load_departments(departments_file) if departments_file else Departments([])
    try:
        return _build(folder, tools, console, production, departments)
    except ProgramMissing:
        if tools is not None:
            raise
        return _build(folder, fetch(), console, production, departments)


def _build(
    folder: Path, tools: Path | None, console: Console, production: bool, departments: Departments
) -> BuildReport:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("prompts", total=None)
        return build(
            folder,
            tools=tools,
            on_step=lambda done, of: progress.update(task, completed=done, total=of),
            production=production,
            departments=departments,
        )


def table(lines: list[PromptCheck]) -> Table:
    """Make a table of the measurements, one row per prompt."""
    shown = Table(title="innringing prompts check")
    for heading in ("language", "key", "source"):
        shown.add_column(translated(heading))
    for heading in ("s", "LUFS", "dBTP", "silence before", "after"):
        shown.add_column(translated(heading), justify="right")
    shown.add_column(translated("problem"), style="red")
    for line in lines:
        figures = ["–"] * 5
        if line.levels:
            each = line.levels
            figures = [
                f"{each.seconds:.2f}",
                f"{each.lufs:.1f}",
                f"{each.peak_dbtp:.1f}",
                f"{each.lead:.2f}",
                f"{each.tail:.2f}",
            ]
        source = "[yellow]DRAFT[/yellow]" if line.source.kind == "draft" else line.source.kind
        shown.add_row(
            line.source.language, line.source.key, source, *figures, "; ".join(map(translated, line.problems))
        )
    return shown


def _exit(error: Exception) -> typer.Exit:
    Console(stderr=True).print("[red]prompts:[/red]", translated(error), highlight=False, soft_wrap=True)
    return typer.Exit(1)
