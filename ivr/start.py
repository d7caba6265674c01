"""How the doors to the phone start: errors as one line, and the prompts that a new call hears."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import uvloop

from desk.clock import Clock
from desk.departments.demo import refuse_demo_departments
from desk.departments.file import DepartmentsFile
from desk.doors.doors import DoorReporter, Doors
from desk.doors.model import DoorKind
from desk.errors import DeskError
from desk.files.state import FileState, TakenBy
from desk.logging.service import log_service
from desk.messages.texts import SmsTextsFile
from desk.settings.settings import Settings
from desk.spool.drainer import Drainer
from desk.wire import make_own_numbers
from ivr.asterisk.errors import IvrError
from ivr.calls.controller import Conversation
from ivr.calls.desk import RepeatCallerDesk
from ivr.calls.player import SOUNDS
from ivr.calls.recording import Recorder
from ivr.database_start import DatabaseStart
from ivr.dialogue.caller import request_callback
from ivr.prompts.sets import in_use, lengths, refusal_of, sets


def run_door(name: str, serve: Callable[[Settings], Awaitable[None]]) -> None:
    """Run `serve` until it ends. Print a fatal error as one line and exit with code 1."""
    try:
        settings = Settings.load()
        log_service(settings.secrets(), readable=settings.demo)
        if not settings.demo:
            refuse_demo_departments(settings.files.departments)
        uvloop.run(_awaited(serve(settings)))
    except* (DeskError, IvrError) as errors:
        print(f"innringing {name}: {_first_line(errors)}", file=sys.stderr)
        raise SystemExit(1) from None


def sounds_now(settings: Settings) -> str:
    """Return the prompt folder for a new call: the set of the last build, which later builds do not change.

    An Asterisk on another machine has its own copy of the prompts. We cannot see if it has this set, so we do not use
    it there.
    """
    here = urlsplit(settings.ari.url).hostname in ("127.0.0.1", "::1", "localhost")
    newest = in_use(settings.files.prompts) if here else None
    return f"{SOUNDS}/{newest}" if newest else SOUNDS


def lengths_now(settings: Settings) -> Mapping[str, float]:
    """Return the seconds of each prompt that a new call hears."""
    return _lengths_of(settings.files.prompts, in_use(settings.files.prompts))


@lru_cache(maxsize=2)
def _lengths_of(folder: Path, _set: str | None) -> Mapping[str, float]:
    return lengths(folder)


def conversation_of(
    settings: Settings,
    departments: DepartmentsFile,
    *,
    callers: RepeatCallerDesk,
    clock: Clock,
    recorder: Recorder | None = None,
) -> Conversation:
    """Return what a call hears with these settings. `recorder`: takes what callers say it is about, if anyone does."""
    return partial(
        request_callback,
        callers=callers,
        numbers=settings.numbers,
        own_numbers=make_own_numbers(settings, departments),
        clock=clock,
        recorder=recorder,
    )


def phone_reporter(
    settings: Settings, kind: DoorKind, doors: Doors, departments: DepartmentsFile, texts: SmsTextsFile | None
) -> DoorReporter:
    """Return what reports the files that a door to the phone holds: departments, texts of SMS, and prompts."""

    def files() -> list[FileState]:
        held = [departments.state, *([texts.state] if texts else [])]
        prompts = prompts_state(settings.files.prompts)
        return [*held, prompts] if prompts else held

    return DoorReporter(doors, kind, files)


def prompts_state(folder: Path) -> FileState | None:
    """Return which build of the prompts a new call hears, and whether the last build was refused. None without any."""
    newest = next(iter(sets(folder)), None)
    refusal = refusal_of(folder)
    if newest is None and refusal is None:
        return None
    built = datetime.fromisoformat(newest.built) if newest else None
    return FileState("catalogue.toml", built, TakenBy.BUILD, built, refusal)


async def report_when_ready(start: DatabaseStart, reporter: DoorReporter) -> NoReturn:
    """Report what this door holds, from when the database may be used."""
    await start.wait()
    await reporter.serve()


async def drain_when_ready(start: DatabaseStart, drainer: Drainer) -> NoReturn:
    """Move calls from the spool into the database, from when it may be used."""
    await start.wait()
    await drainer.serve()


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _first_line(errors: BaseExceptionGroup[Exception]) -> str:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split())
