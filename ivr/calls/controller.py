"""One task for each call: routes what Asterisk tells, recovers calls after a reconnect, ends each call once."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol
from uuid import uuid4

import structlog
from structlog.contextvars import bound_contextvars

from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.callbacks.queue import Desk
from desk.departments.departments import Department, Departments
from desk.errors import DeskError
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, parse_phone
from ivr.asterisk.ari import Reconcile, Route
from ivr.asterisk.channel import Channel
from ivr.asterisk.errors import AriError, AriReplaced, AriUnavailable
from ivr.asterisk.events import (
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    Event,
    PlaybackFinished,
    RecordingEnded,
    StasisEnd,
    StasisStart,
)
from ivr.calls.call import SOUNDS, Call, CallerHungUp, CallerId

log = structlog.get_logger(__name__)

RESCUE_AFTER: Final = 30  # seconds without us, then the dialplan takes the caller; extensions.conf starts with the same
REARM_AFTER: Final = 10.0
REARM_TICK: Final = 5.0
STUCK_AFTER: Final = 20.0  # seconds in which a caller hears nothing and is asked nothing: then the rescue may come
SETTLING: Final = 0.3  # seconds for events on their way when the connection opened
GRACE: Final = 8.0  # seconds running calls get when we are told to stop
LAST_WRITES: Final = 4.0

Conversation = Callable[[Call, Desk, Department], Awaitable[None]]


class Asterisk(Protocol):
    """What the controller needs of `ivr.ari.Ari`."""

    async def run(self, route: Route, reconcile: Reconcile) -> NoReturn: ...

    def channel(self, channel_id: str) -> Channel: ...

    async def channel_ids(self) -> frozenset[str]: ...

    async def found(self, channel_id: str) -> StasisStart | None: ...


@dataclass(slots=True, eq=False)
class _Served:
    call: Call
    armed_at: float
    task: asyncio.Task[None] | None = None


class Controller:
    """Takes every call that enters the application and holds one conversation with each."""

    def __init__(
        self,
        *,
        ari: Asterisk,
        desk: Desk,
        departments: Callable[[], Departments],
        conversation: Conversation,
        grace: float = GRACE,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
        sounds: Callable[[], str] = lambda: SOUNDS,
    ) -> None:
        """`held` keeps the departments as they are for the task that enters it, `sounds` names the folder of the
        prompts that a call beginning now hears: one call, one set of rules, one voice.
        """
        self._ari = ari
        self._desk = desk
        self._departments = departments
        self._conversation = conversation
        self._grace = grace
        self._held = held
        self._sounds = sounds
        self._served: dict[str, _Served] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._closing = False

    @property
    def calls(self) -> int:
        """How many calls are being served."""
        return len(self._served)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Serve calls until `stopping` is set, then let those running end. Raises AriRefused and AriReplaced."""
        async with asyncio.TaskGroup() as self._tasks:
            ours = [
                self._tasks.create_task(self._stay_connected()),
                self._tasks.create_task(self._keep_from_rescue()),
            ]
            await stopping.wait()
            await self._close()
            for task in ours:
                task.cancel()

    def route(self, event: Event) -> None:
        """Pass an event on to its call. Never waits, never raises; events of unknown calls do not matter."""
        if isinstance(event, StasisStart):
            self._begin(event, recovered=False)
            return
        served = self._served.get(getattr(event, "channel_id", ""))
        if served is None:
            return
        match event:
            case ChannelDtmfReceived(digit=digit):
                served.call.key_pressed(digit)
            case PlaybackFinished(playback_id=playback_id, state=state):
                served.call.playback_finished(playback_id, state)
            case RecordingEnded(name=name):
                served.call.recording_ended(name)
            case StasisEnd() | ChannelHangupRequest() | ChannelDestroyed():
                served.call.ended()  # gone, or in the dialplan's hands: over for us, and once is enough

    async def reconcile(self) -> None:
        """After a (re)connect: forget calls that are gone, take up those that are in the application unserved."""
        before = dict(self._served)
        present = await self._ari.channel_ids()
        for channel_id, served in before.items():
            if channel_id in present:
                served.call.events_lost()
            else:
                served.call.ended()
        await asyncio.sleep(SETTLING)
        for channel_id in sorted(present):
            if not self._is_served(channel_id):
                start = await self._ari.found(channel_id)
                if start and not self._is_served(channel_id):
                    log.info("A call is taken up again", channel_id=channel_id)
                    self._begin(start, recovered=True)

    def _is_served(self, channel_id: str) -> bool:
        served = self._served.get(channel_id)
        return served is not None and served.call.live

    def _begin(self, start: StasisStart, *, recovered: bool) -> None:
        if self._tasks is None or self._is_served(start.channel_id):
            return
        match start.args:
            case (department, language, presentation, *_):
                withheld = presentation.startswith("prohib") or presentation == "unavailable"
            case (department, *rest):
                language, withheld = (rest[0] if rest else "nb"), False
            case _:
                department, language, withheld = "", "nb", False
        call = Call(
            self._ari.channel(start.channel_id),
            key=CallKey(start.asterisk_id, start.channel_id),
            department=department,
            language=language,
            caller=CallerId(None if withheld else start.caller_number, withheld),
            sounds=self._sounds(),
        )
        now = asyncio.get_running_loop().time()
        served = _Served(call, now - REARM_AFTER if recovered else now)
        self._served[start.channel_id] = served
        served.task = self._tasks.create_task(self._serve(served, recovered=recovered))

    async def _serve(self, served: _Served, *, recovered: bool) -> None:
        """Hold the conversation, and whatever becomes of it, end the call once and leave nobody in silence."""
        call = served.call
        with bound_contextvars(channel_id=call.key.channel_id, department=call.department), self._held():
            try:
                await self._converse(call, recovered=recovered)
            except CallerHungUp:
                await self._record(call, WhyEnded.HUNG_UP)
            except AriUnavailable as error:
                log.warning("Asterisk was lost during a conversation", error=str(error))
                await self._to_switchboard(call)
                await self._record(call, WhyEnded.TROUBLE)
            except Exception as error:  # whatever it is, it is this call's and no other's
                log.error("A conversation failed", error_id=uuid4().hex, **_described(error))
                await self._to_switchboard(call)
                await self._record(call, WhyEnded.TROUBLE)
            finally:
                call.ended()
                if self._served.get(call.key.channel_id) is served:
                    del self._served[call.key.channel_id]

    async def _converse(self, call: Call, *, recovered: bool) -> None:
        if self._closing:
            await call.to_switchboard()
            return
        department = self._departments().get(call.department)
        if recovered:
            await call.keep_from_rescue(RESCUE_AFTER)
            await call.play("recovered")
        await self._conversation(call, self._desk, department)
        await call.hangup()

    async def _to_switchboard(self, call: Call) -> None:
        try:
            await call.to_switchboard()
        except CallerHungUp:
            pass
        except Exception as error:  # then the time limit in the dialplan does it
            log.error("A caller could not be sent to the switchboard", **_described(error))

    async def _record(self, call: Call, why: WhyEnded) -> None:
        """Keep an incomplete call. A registered one stays as it is: the desk sees to that."""
        try:
            phone = self._phone(call)
            step = call.interrupted_at or IncompleteStep.WELCOME
            kept = self._desk.record_call(call.key, call.department, phone=phone, step=step, why=why)
            await asyncio.shield(kept)
        except DeskError as error:
            log.error("An incomplete call could not be kept", error=error.id)
        except Exception as error:
            log.error("An incomplete call could not be kept", **_described(error))

    def _phone(self, call: Call) -> PhoneNumber | None:
        try:
            return parse_phone(call.caller.number, allow_foreign=self._departments().get(call.department).allow_foreign)
        except InvalidPhone:
            return None

    async def _stay_connected(self) -> None:
        try:
            await self._ari.run(self.route, self.reconcile)
        except AriReplaced:
            for served in self._served.values():  # the other one serves them now
                served.call.ended()
            await self._ended(LAST_WRITES)
            raise

    async def _keep_from_rescue(self) -> None:
        """Tell the dialplan again and again that each caller is being served. Dead or stuck, we do not."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(REARM_TICK)
            due = [
                served
                for served in self._served.values()
                if served.call.live
                and clock() - served.armed_at >= REARM_AFTER
                and served.call.idle < STUCK_AFTER
                and not served.call.is_recorded
            ]
            await asyncio.gather(*(self._rearm(served) for served in due))

    async def _rearm(self, served: _Served) -> None:
        try:
            await served.call.keep_from_rescue(RESCUE_AFTER)
        except AriError as error:
            log.warning("A caller's time limit could not be renewed", error=str(error))
        else:
            served.armed_at = asyncio.get_running_loop().time()

    async def _close(self) -> None:
        """Take no more calls, wait for those running, hand the rest to the switchboard."""
        self._closing = True
        log.info("Stopping", calls=self.calls)
        await self._ended(self._grace)
        await asyncio.gather(*(self._to_switchboard(served.call) for served in list(self._served.values())))
        await self._ended(LAST_WRITES)
        for served in self._served.values():
            if served.task:
                served.task.cancel()

    async def _ended(self, seconds: float) -> None:
        tasks = [served.task for served in self._served.values() if served.task]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


def _described(error: BaseException) -> dict[str, str]:
    """What went wrong and where, without the error's words: they may hold what the caller keyed."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"error": type(error).__name__, "where": where}
