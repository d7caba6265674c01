"""innringing prompts build | check"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from docker import tree
from docker.apt import AptError
from ivr.prompts.build import Report, build
from ivr.prompts.catalogue import ProgramMissing, PromptsError
from ivr.prompts.check import Checked, check

app = typer.Typer(help="What the caller hears: build the sound files, and measure them.", no_args_is_help=True)

PROMPTS_DIR = Path(__file__).parents[2] / "prompts"
Folder = Annotated[Path, typer.Option("--prompts-dir", envvar="INNRINGING_PROMPTS_DIR", help="holds catalogue.toml")]


@app.command("build")
def build_command(
    folder: Folder = PROMPTS_DIR,
    tools: Annotated[Path | None, typer.Option(help="a folder with espeak-ng, ffmpeg and ffprobe")] = None,
) -> None:
    """Build what changed, from recordings where they exist, else from a draft voice."""
    build_with_progress(folder, tools=tools, console=Console())


@app.command("check")
def check_command(
    folder: Folder = PROMPTS_DIR,
    production: Annotated[bool, typer.Option("--production", help="refuse draft voices")] = False,
    only_problems: Annotated[bool, typer.Option("--only-problems", help="leave out what is in order")] = False,
) -> None:
    """Measure what was built. Exit code 1 when anything is missing, too loud, too soft or (in production) a draft."""
    console = Console(width=None if sys.stdout.isatty() else 160)  # a table in a log is not cut at 80 columns
    try:
        lines = check(folder, production=production)
    except PromptsError as error:
        raise _told(error) from None
    shown = [line for line in lines if line.problems or not only_problems]
    if shown:
        console.print(table(shown))
    wrong = sum(bool(line.problems) for line in lines)
    drafts = sum(line.source.kind == "draft" for line in lines)
    console.print(f"{len(lines)} prompts, {drafts} of them drafts (a machine's voice), {wrong} with a problem")
    if wrong:
        raise typer.Exit(1)


def fetched_tools() -> Path:
    """espeak-ng, ffmpeg and ffprobe from Debian packages in the cache folder. Raises PromptsError."""
    try:
        return tree.ensure(tree.ASTERISK) / "bin"
    except (AptError, OSError) as error:
        raise PromptsError(f"espeak-ng and ffmpeg are not installed, and could not be fetched: {error}") from None


def build_with_progress(
    folder: Path, *, tools: Path | None, console: Console, fetch: Callable[[], Path] = fetched_tools
) -> None:
    """Build under a progress bar and print one line about it; a problem is one line on stderr and exit code 1.

    Where a program is missing and no `tools` were named, they are fetched, once on a machine.
    """
    try:
        try:
            report = _build(folder, tools, console)
        except ProgramMissing:
            if tools is not None:
                raise
            report = _build(folder, fetch(), console)
    except PromptsError as error:
        raise _told(error) from None
    drafts = f"; {report.drafts} are a draft voice, not for patients" if report.drafts else ""
    console.print(f"Prompts: {report.built} built, {report.kept} unchanged, {report.removed} removed{drafts}.")


def _build(folder: Path, tools: Path | None, console: Console) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("prompts", total=None)
        return build(folder, tools=tools, on_step=lambda done, of: progress.update(task, completed=done, total=of))


def table(lines: list[Checked]) -> Table:
    """The measurements, one row a prompt."""
    shown = Table(title="Prompts")
    for heading in ("language", "key", "source"):
        shown.add_column(heading)
    for heading in ("s", "LUFS", "dBTP", "silence before", "after"):
        shown.add_column(heading, justify="right")
    shown.add_column("problem", style="red")
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
        shown.add_row(line.source.language, line.source.key, source, *figures, "; ".join(line.problems))
    return shown


def _told(error: PromptsError) -> typer.Exit:
    Console(stderr=True).print(f"[red]prompts:[/red] {error}", highlight=False, soft_wrap=True)
    return typer.Exit(1)
