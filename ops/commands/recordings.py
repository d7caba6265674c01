"""innringing prompts record | unrecord | restore: the recordings of single prompts, for people and for the console."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ivr.prompts import own_recordings
from ivr.prompts.catalogue import ProgramMissing, PromptsError, RecordingUnusable
from ivr.prompts.examine import Judgement
from ivr.prompts.voices import programs_from
from ops.commands.printing import say, show
from ops.commands.prompts_folder import PROMPTS_DIR, Folder
from ops.machine import tree
from ops.machine.apt import AptError
from ops.messages.translation import translated

Key = Annotated[str, typer.Argument(help="the prompt, as `prompts list` names it")]
Language = Annotated[str, typer.Option("--language", help="nb, nn or en")]
Replaces = Annotated[str | None, typer.Option(help="refuse if the present recording has another digest", hidden=True)]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as JSON, for programs")]


def record(
    key: Key,
    file: Annotated[Path, typer.Argument(help="the recording: WAV, or FLAC where ffmpeg is installed")],
    folder: Folder = PROMPTS_DIR,
    language: Language = "nb",
    replaces: Replaces = None,
    as_json: AsJson = False,
) -> None:
    """Judge a recording of a prompt, and store it unless callers could not use it. Then build."""
    with _reporting(as_json) as report:
        report(_stored(folder, language, key, file, replaces))


def unrecord(
    key: Key,
    folder: Folder = PROMPTS_DIR,
    language: Language = "nb",
    replaces: Replaces = None,
    as_json: AsJson = False,
) -> None:
    """Remove the recording of a prompt, so that the draft voice is heard again. Then build."""
    with _reporting(as_json) as report:
        own_recordings.remove(folder, language, key, replaces=replaces)
        report(Judgement())


def restore(
    key: Key,
    folder: Folder = PROMPTS_DIR,
    language: Language = "nb",
    replaces: Replaces = None,
    as_json: AsJson = False,
) -> None:
    """Exchange the recording of a prompt with the former one. Repeat it to undo. Then build."""
    with _reporting(as_json) as report:
        own_recordings.restore(folder, language, key, replaces=replaces)
        report(Judgement())


def fetched_tools() -> Path:
    """Fetch espeak-ng, ffmpeg and ffprobe from Debian packages to the cache folder. Raises PromptsError."""
    try:
        return tree.ensure(tree.ASTERISK) / "bin"
    except (AptError, OSError) as error:
        raise PromptsError(f"espeak-ng and ffmpeg are not installed and could not be fetched: {error}") from None


def _stored(folder: Path, language: str, key: str, file: Path, replaces: str | None) -> Judgement:
    try:
        try:
            return own_recordings.store(folder, language, key, file, replaces=replaces)
        except ProgramMissing:
            with programs_from(fetched_tools()):
                return own_recordings.store(folder, language, key, file, replaces=replaces)
    except RecordingUnusable as unusable:
        return Judgement((unusable.reason,))


@contextmanager
def _reporting(as_json: bool) -> Iterator[Callable[[Judgement], None]]:
    """Give a function that prints a judgement. An error is printed as a refusal. Exit code 1 for refusals."""
    found = Judgement()

    def report(judged: Judgement) -> None:
        nonlocal found
        found = judged

    try:
        yield report
    except PromptsError as error:
        found = Judgement((str(error),))
    refusals, advice = ([translated(each) for each in some] for some in (found.refusals, found.advice))
    if as_json:
        print(json.dumps({"done": not refusals, "refusals": refusals, "advice": advice}))
    else:
        for each in (*refusals, *advice):
            say(f"prompts: {each}")
        if not refusals:
            show("Done. Callers hear it after innringing prompts build.")
    if refusals:
        raise typer.Exit(1)
