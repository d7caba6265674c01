"""The phone door as a process: build its services and serve calls until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from desk.access.actor import SYSTEM
from desk.clock import SystemClock
from desk.clock_check.clock_check import ClockCheck, SharedClock
from desk.connections.standby import standby_answers
from desk.connections.tls import client_context
from desk.controllers.controllers import Controllers
from desk.controllers.model import Load
from desk.database.engine import Database
from desk.departments.file import DepartmentsFile
from desk.doors.doors import DoorReporter, Doors
from desk.doors.model import DoorKind
from desk.garbage import settle
from desk.settings.settings import Settings
from desk.spool.drainer import Drainer
from desk.spool.errors import SpoolUnavailable
from desk.spool.spool import SpoolState
from desk.wire import (
    make_callbacks,
    make_dials,
    make_drainer,
    make_reception,
    make_recordings,
    make_spool,
    make_vault,
    open_database,
    sms_texts,
)
from ivr.asterisk.ari import Ari
from ivr.asterisk.recordings import AsteriskRecordings
from ivr.calls.controller import Controller
from ivr.calls.lease import Lease
from ivr.calls.recording_intake import RecordingIntake
from ivr.calls.seat import Seat
from ivr.database_start import DatabaseStart
from ivr.dialogue.caller import too_many_callers
from ivr.dials.dialler import Dialler
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

CHECK_FIRST: Final = 3.0  # seconds that the start waits for the database


def main() -> None:
    """Serve calls until SIGTERM or SIGINT. Print a fatal error as one line and exit with code 1."""
    run_door("ivr", serve)


async def serve(settings: Settings) -> None:
    """Serve calls, and wait for Asterisk and the database if they are not up.

    Raises DeskError, AriRefused, TablesOutdated.
    """
    departments = DepartmentsFile(settings.files.departments)
    ari = Ari(
        base_url=settings.ari.url,
        user=settings.ari.user,
        password=settings.ari.require_password(),
        tls=client_context("ARI", settings.ari.ca) if settings.ari.ca else None,
    )
    clock = SystemClock()
    async with open_database(settings.database) as database:
        door = _build(settings, database, departments, ari, clock)
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        background = [
            asyncio.create_task(departments.watch()),
            asyncio.create_task(door.intake.serve()),
            asyncio.create_task(drain_when_ready(door.start, door.drainer)),
            asyncio.create_task(door.lease.serve()),
            asyncio.create_task(report_when_ready(door.start, door.reporter)),
            asyncio.create_task(door.start.watch_clock()),
            asyncio.create_task(serve_signs_of_life()),
            asyncio.create_task(door.lease.seat.serve()),
        ]
        try:
            await _serve_all(door, stopping)
        finally:
            for task in background:
                task.cancel()
            if door.start.is_ready:
                await door.reporter.leave()
    log.info("Stopped")


@dataclass(frozen=True, kw_only=True)
class PhoneDoor:
    """The parts of the phone door that run."""

    start: DatabaseStart
    controller: Controller
    dialler: Dialler
    intake: RecordingIntake
    drainer: Drainer
    lease: Lease
    reporter: DoorReporter


def _build(
    settings: Settings, database: Database, departments: DepartmentsFile, ari: Ari, clock: SystemClock
) -> PhoneDoor:
    embedded_url = settings.database.url if settings.database.embedded else None
    shared = SharedClock(clock)
    check = ClockCheck(database=database, clock=clock, shared=shared)
    start = DatabaseStart(
        database, vault=make_vault(settings.vault), clock=clock, check=check, embedded_url=embedded_url
    )
    texts = sms_texts(settings.sms)
    callbacks = make_callbacks(database, settings, clock, departments, lease_clock=shared, texts=texts)
    spool = make_spool(settings)
    reception = make_reception(
        callbacks, spool=spool, departments=departments, clock=clock, is_ready=lambda: start.is_ready
    )
    controllers = Controllers(database=database, clock=shared)
    dialler = Dialler(
        channels=ari,
        controllers=partial(controllers.serving, SYSTEM),
        dials=make_dials(database, callbacks, settings.dials, departments=departments, clock=clock),
        agent_rings=settings.dials.agent_rings,
        patient_rings=settings.dials.patient_rings,
    )

    async def load() -> Load:
        try:
            state = await spool.state()
        except SpoolUnavailable:
            state = SpoolState(waiting=0, damaged=1)  # the folder itself
        return Load(controller.calls, state.waiting, state.damaged)

    lease = Lease(
        controllers,
        seat=Seat(settings.files.var),
        load=load,
        is_ready=lambda: start.is_ready,
    )
    intake = RecordingIntake(spool=AsteriskRecordings(ari), recordings=make_recordings(database, settings, clock))
    controller = Controller(
        ari=EventRouter(ari=ari, dialler=dialler, intake=intake),
        registration=reception,
        departments=departments,
        held=departments.held,
        sounds=partial(sounds_now, settings),
        lengths=partial(lengths_now, settings),
        lease=lease,
        most_calls=settings.limits.calls_at_once,
        crowded=partial(too_many_callers, callers=reception, clock=clock),
        has_other_door=partial(standby_answers, settings.standby.host, settings.standby.port),
        conversation=conversation_of(settings, departments, callers=reception, clock=clock, recorder=intake),
    )
    return PhoneDoor(
        start=start,
        controller=controller,
        dialler=dialler,
        intake=intake,
        drainer=make_drainer(spool, callbacks),
        lease=lease,
        reporter=phone_reporter(settings, DoorKind.IVR, Doors(database=database, clock=clock), departments, texts),
    )


async def _serve_all(door: PhoneDoor, stopping: asyncio.Event) -> None:
    """Serve calls and dials until `stopping` is set. The controller owns the connection, so it ends last."""
    no_more_dials = asyncio.Event()
    async with asyncio.TaskGroup() as all_:
        checking = all_.create_task(door.start.serve())
        await asyncio.wait((checking,), timeout=CHECK_FIRST)  # a database in order is checked before the first call
        settle()
        all_.create_task(door.controller.serve(stopping, others_done=no_more_dials))
        dialling = all_.create_task(door.dialler.serve(stopping))
        dialling.add_done_callback(lambda _: no_more_dials.set())
        await stopping.wait()
        checking.cancel()
