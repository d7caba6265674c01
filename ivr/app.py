"""The phone door as a process: build its services and serve calls until it is stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import urlsplit

import structlog
import uvloop

from desk.clock import SystemClock
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.departments.demo import refuse_demo_departments
from desk.departments.file import DepartmentsFile
from desk.dials.dials import Dials
from desk.errors import DeskError
from desk.logging.service import log_service
from desk.schema.migrate import is_current, migrate
from desk.settings.group import PREFIX
from desk.settings.settings import Settings
from desk.tls import client_context
from desk.wire import check_keys, make_callbacks, make_recordings, make_vault, open_database
from ivr.asterisk.ari import Ari
from ivr.asterisk.errors import IvrError
from ivr.asterisk.recordings import Spool
from ivr.calls.call import SOUNDS
from ivr.calls.controller import Controller
from ivr.calls.recording_intake import RecordingIntake
from ivr.dialogue.caller import request_callback
from ivr.dials.dialler import Dialler
from ivr.event_router import EventRouter
from ivr.prompts.sets import in_use, lengths

log = structlog.get_logger(__name__)


class TablesOutdated(IvrError):
    """The database schema does not match this version. Run: innringing migrate"""


def main() -> None:
    """Serve calls until SIGTERM or SIGINT. Print a fatal error as one line and exit with code 1."""
    try:
        settings = Settings.load()
        log_service(settings.secrets(), readable=settings.demo)
        uvloop.run(serve(settings))
    except* StorageUnavailable as errors:
        error = _first(errors)
        advice = error.advice if isinstance(error, StorageUnavailable) else ""
        _fail(f"Cannot connect to the database. {advice or f'See {PREFIX}DATABASE_URL.'}")
    except* (DeskError, IvrError) as errors:
        _fail(_first_line(errors))


async def serve(settings: Settings) -> None:
    """Serve calls, and wait for Asterisk if it is not up. Raises DeskError, AriRefused, AriReplaced, TablesOutdated."""
    departments = DepartmentsFile(settings.files.departments)
    if not settings.demo:
        refuse_demo_departments(settings.files.departments)
    ari = Ari(
        base_url=settings.ari.url,
        user=settings.ari.user,
        password=settings.ari.require_password(),
        tls=client_context("ARI", settings.ari.ca) if settings.ari.ca else None,
    )
    await _check_tables(settings)
    clock = SystemClock()
    async with open_database(settings.database) as database:
        await check_keys(database, make_vault(settings.vault), clock)
        callbacks = make_callbacks(database, settings, clock, departments)
        dialler = Dialler(
            channels=ari,
            dials=Dials(
                database=database,
                claiming=callbacks.claiming,
                outcomes=callbacks.outcomes,
                departments=departments,
                clock=clock,
                caps=settings.dials.caps,
            ),
            agent_rings=settings.dials.agent_rings,
            patient_rings=settings.dials.patient_rings,
        )
        intake = RecordingIntake(spool=Spool(ari), recordings=make_recordings(database, settings, clock))
        controller = Controller(
            ari=EventRouter(ari=ari, dialler=dialler, intake=intake),
            registration=callbacks.registration,
            departments=departments,
            held=departments.held,
            sounds=partial(sounds_now, settings),
            lengths=partial(lengths_now, settings),
            conversation=partial(
                request_callback,
                callers=callbacks.repeat_callers,
                numbers=settings.numbers,
                clock=clock,
                recorder=intake,
            ),
        )
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        background = [asyncio.create_task(departments.watch()), asyncio.create_task(intake.serve())]
        try:
            await _serve_both(controller, dialler, stopping)
        finally:
            for task in background:
                task.cancel()
    log.info("Stopped")


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


async def _serve_both(controller: Controller, dialler: Dialler, stopping: asyncio.Event) -> None:
    """Serve calls and dials until `stopping` is set. The controller owns the connection, so it ends last."""
    no_more_dials = asyncio.Event()
    async with asyncio.TaskGroup() as both:
        both.create_task(controller.serve(no_more_dials))
        dialling = both.create_task(dialler.serve(stopping))
        dialling.add_done_callback(lambda _: no_more_dials.set())


async def _check_tables(settings: Settings) -> None:
    """Migrate an embedded database. The operator migrates a database server."""
    if settings.database.url.startswith("sqlite"):
        await migrate(settings.database.url)
        return
    database = Database(settings.database.url)
    try:
        if not await is_current(database):
            raise TablesOutdated
    finally:
        await database.close()


def _first_line(errors: BaseExceptionGroup[Exception]) -> str:
    return " ".join(str(_first(errors)).split())


def _first(errors: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _fail(reason: str) -> None:
    print(f"innringing ivr: {reason}", file=sys.stderr)
    raise SystemExit(1)
