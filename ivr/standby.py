"""The standby as a process: the phone door's conversation over FastAGI, for callers it cannot serve itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from desk.clock import SystemClock
from desk.clock_check.clock_check import ClockCheck, SharedClock
from desk.connections.tls import client_context
from desk.departments.file import DepartmentsFile
from desk.doors.doors import Doors
from desk.doors.model import DoorKind
from desk.garbage import settle
from desk.settings.settings import Settings
from desk.wire import (
    make_callbacks,
    make_drainer,
    make_reception,
    make_recordings,
    make_spool,
    make_vault,
    open_database,
    sms_texts,
)
from ivr.abandoned import Abandoned
from ivr.agi.door import AgiDoor
from ivr.agi.recordings import StandbyRecordings
from ivr.asterisk.bare import BareAri
from ivr.calls.controller import Controller
from ivr.calls.recording import LONGEST_SECONDS
from ivr.calls.recording_intake import RecordingIntake
from ivr.database_start import DatabaseStart
from ivr.dialogue.caller import too_many_callers
from ivr.event_router import EventRouter
from ivr.signs_of_life import serve_signs_of_life
from ivr.start import (
    conversation_of,
    drain_when_ready,
    lengths_now,
    phone_reporter,
    report_when_ready,
    run_door,
    sounds_now,
)

log = structlog.get_logger(__name__)

GRACE: Final = 10.0  # seconds for running confirmations when we stop: over AGI Asterisk cannot finish them alone


def main() -> None:
    """Serve callers until SIGTERM or SIGINT. Print a fatal error as one line and exit with code 1."""
    run_door("standby", serve)


async def serve(settings: Settings) -> None:
    """Serve the callers whom the dialplan sends here. Raises DeskError, StandbyPortTaken, TablesOutdated.

    It is the phone door's conversation. An embedded database is migrated by the phone door.
    """
    departments = DepartmentsFile(settings.files.departments)
    clock = SystemClock()
    async with open_database(settings.database) as database, _asterisk(settings) as ari:
        shared = SharedClock(clock)
        check = ClockCheck(database=database, clock=clock, shared=shared)
        vault = make_vault(settings.vault)
        start = DatabaseStart(database, vault=vault, clock=clock, check=check, embedded_url=None)
        texts = sms_texts(settings.sms)
        callbacks = make_callbacks(database, settings, clock, departments, lease_clock=shared, texts=texts)
        doors = Doors(database=database, clock=clock)
        reporter = phone_reporter(settings, DoorKind.STANDBY, doors, departments, texts)
        spool = make_spool(settings)
        reception = make_reception(
            callbacks, spool=spool, departments=departments, clock=clock, is_ready=lambda: start.is_ready
        )
        door = AgiDoor(host=settings.standby.host, port=settings.standby.port)
        intake = None
        if ari:
            kept = StandbyRecordings(ari, door.recordings, longest=LONGEST_SECONDS)
            intake = RecordingIntake(spool=kept, recordings=make_recordings(database, settings, clock))
        controller = Controller(
            ari=EventRouter(ari=door, intake=intake),
            registration=reception,
            departments=departments,
            held=departments.held,
            grace=GRACE,
            sounds=partial(sounds_now, settings),
            lengths=partial(lengths_now, settings),
            has_other_door=_phone_door_may_serve,
            most_calls=settings.limits.calls_at_once,
            crowded=partial(too_many_callers, callers=reception, clock=clock),
            conversation=conversation_of(settings, departments, callers=reception, clock=clock, recorder=intake),
        )
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        async with asyncio.TaskGroup() as beside:
            tasks = [
                beside.create_task(start.serve()),
                beside.create_task(start.watch_clock()),
                beside.create_task(departments.watch()),
                beside.create_task(drain_when_ready(start, make_drainer(spool, callbacks))),
                beside.create_task(report_when_ready(start, reporter)),
                beside.create_task(serve_signs_of_life()),
                *([beside.create_task(Abandoned(ari, folder=settings.files.var).serve())] if ari else []),
                *([beside.create_task(intake.serve())] if intake else []),
            ]
            settle()
            await controller.serve(stopping)
            for task in tasks:
                task.cancel()
        if start.is_ready:
            await reporter.leave()
    log.info("Stopped")


@asynccontextmanager
async def _asterisk(settings: Settings) -> AsyncIterator[BareAri | None]:
    """Open what is asked over ARI: a dead phone door's callers, and recordings. None without ARI's password."""
    if settings.ari.password is None:
        log.warning("Without INNRINGING_ARI_PASSWORD no one records, and callers of a dead phone door wait for seconds")
        yield None
        return
    ari = BareAri(
        base_url=settings.ari.url,
        user=settings.ari.user,
        password=settings.ari.require_password(),
        tls=client_context("ARI", settings.ari.ca) if settings.ari.ca else None,
    )
    try:
        yield ari
    finally:
        await ari.close()


async def _phone_door_may_serve() -> bool:
    """Whether callers go back to the dialplan, which tries the phone door first. They must: this process ends."""
    return True
