"""Run one task per call: route Asterisk's events, recover calls after a reconnect, end each call exactly once."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol
from uuid import uuid4

import structlog
from structlog.contextvars import bound_contextvars

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.departments.departments import Department, Departments
from desk.errors import DeskError
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, parse_phone
from ivr.asterisk.ari import Admit, Reconcile, Route
from ivr.asterisk.channel import Channel
from ivr.asterisk.errors import AriReplaced, AriUnavailable
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
from ivr.calls.call import SOUNDS, Call, CallerId
from ivr.calls.desk import CallDesk
from ivr.calls.errors import CallerHungUp, CallReleased
from ivr.calls.player import prompt_version
from ivr.calls.rescue import SERVED_WITHIN

log = structlog.get_logger(__name__)

RENEW_EVERY: Final = 1.0  # seconds
STUCK_AFTER: Final = 8.0  # seconds without a prompt or a question after which we let the dialplan rescue the caller
SETTLING: Final = 0.3  # seconds for events in flight when the connection opened
LATE_COMMANDS: Final = 20.0  # seconds in which Asterisk may still carry out a request that timed out
UNANSWERED: Final = "unanswered"  # the dialplan's word for a caller whom the switchboard did not answer
FAX: Final = "fax"  # its word for a caller in whose sound it heard a fax machine's tone
AGAIN: Final = "again"  # its word for a caller whose conversation was broken off, here or at the other door
GRACE: Final = 5.0  # seconds for running confirmations when we stop: a callback is stored, its receipt sent
LAST_WRITES: Final = 4.0

Conversation = Callable[[Call, CallDesk, Department], Awaitable[None]]


class InboundChannels(Protocol):
    """The part of `ivr.asterisk.ari.Ari` that the controller uses."""

    @property
    def asterisk_id(self) -> str: ...

    async def run(self, route: Route, reconcile: Reconcile, admit: Admit) -> NoReturn: ...

    async def leave(self) -> None: ...

    def channel(self, channel_id: str) -> Channel: ...

    async def channel_ids(self) -> frozenset[str]: ...

    async def found(self, channel_id: str) -> StasisStart | None: ...


class ConnectionLease(Protocol):
    """The part of `ivr.calls.lease.Lease` that the controller uses."""

    async def admit(self, asterisk_id: str) -> None: ...

    def replaced(self) -> None: ...

    async def end(self) -> None: ...


class _NoLease:
    """For a controller that is alone."""

    async def admit(self, asterisk_id: str) -> None:
        pass

    def replaced(self) -> None:
        pass

    async def end(self) -> None:
        pass


NO_LEASE: Final = _NoLease()


async def _no_other_door() -> bool:
    return False


@dataclass(slots=True, eq=False)
class _ActiveCall:
    call: Call
    crowded: bool = False
    last_key: ChannelDtmfReceived | None = None
    task: asyncio.Task[None] | None = None


class Controller:
    """Accepts every call that enters the application and runs one conversation with each."""

    def __init__(
        self,
        *,
        ari: InboundChannels,
        registration: CallDesk,
        departments: Callable[[], Departments],
        conversation: Conversation,
        grace: float = GRACE,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
        sounds: Callable[[], str] = lambda: SOUNDS,
        lengths: Callable[[], Mapping[str, float]] = dict,
        lease: ConnectionLease = NO_LEASE,
        most_calls: int | None = None,
        crowded: Conversation | None = None,
        has_other_door: Callable[[], Awaitable[bool]] = _no_other_door,
    ) -> None:
        """`held` freezes the departments for the task that enters it. `sounds` returns the prompt folder of a new call.

        `lengths` returns the seconds of its prompts, by language and key. Rules and prompts do not change during a
        call. A caller above `most_calls` has the `crowded` conversation.
        `has_other_door`: whether the dialplan has another door for the callers that we let go when we stop.
        """
        self._ari = ari
        self._registration = registration
        self._departments = departments
        self._conversation = conversation
        self._grace = grace
        self._held = held
        self._sounds = sounds
        self._lengths = lengths
        self._lease = lease
        self._most_calls = most_calls
        self._crowded = crowded or conversation
        self._has_other_door = has_other_door
        self._active: dict[str, _ActiveCall] = {}
        self._leaving: dict[str, float] = {}  # until when Asterisk may carry out a request that timed out
        self._tasks: asyncio.TaskGroup | None = None
        self._closing = False

    @property
    def calls(self) -> int:
        """The number of active calls."""
        return len(self._active)

    async def serve(self, stopping: asyncio.Event, *, others_done: asyncio.Event | None = None) -> None:
        """Serve calls until `stopping` is set, then let go of them. Raises AriRefused.

        The connection for requests stays open until `others_done`.
        """
        async with asyncio.TaskGroup() as self._tasks:
            ours = [
                self._tasks.create_task(self._stay_connected()),
                self._tasks.create_task(self._keep_from_rescue()),
            ]
            await stopping.wait()
            await self._close()
            if others_done:
                await others_done.wait()
            for task in ours:
                task.cancel()

    def route(self, event: Event) -> None:
        """Pass an event to its call. Never blocks and never raises. Events of unknown calls are ignored."""
        if isinstance(event, StasisStart):
            self._begin(event, recovered=False)
            return
        if isinstance(event, RecordingEnded) and event.failed:  # an alarm: docs/operations.md
            log.error("Asterisk could not write a recording", recording=event.name)
        active = self._active.get(getattr(event, "channel_id", ""))
        if active is None:
            return
        match event:
            case ChannelDtmfReceived() if not event.echoes(active.last_key):
                active.last_key = event
                active.call.key_pressed(event.digit)
            case PlaybackFinished(playback_id=playback_id, state=state):
                active.call.playback_finished(playback_id, state)
            case RecordingEnded(name=name):
                active.call.recording_ended(name)
            case StasisEnd() | ChannelHangupRequest() | ChannelDestroyed():
                active.call.ended()  # idempotent: more than one of these events may arrive

    async def reconcile(self) -> None:
        """After a (re)connect, end calls whose channel is gone and take over channels that have no call."""
        before = dict(self._active)
        present = await self._ari.channel_ids()
        for channel_id, active in before.items():
            if channel_id in present:
                active.call.events_lost()
            else:
                active.call.ended()
        await asyncio.sleep(SETTLING)
        for channel_id in sorted(present):
            if not self._is_served(channel_id) and not self._may_leave(channel_id):
                start = await self._ari.found(channel_id)
                if start and not self._is_served(channel_id):
                    log.info("Recovered a call", channel_id=channel_id)
                    self._begin(start, recovered=True)
        await self._end_lost_calls()

    def _may_leave(self, channel_id: str) -> bool:
        """Whether Asterisk may still send the caller away at our request. Their time limit takes them otherwise."""
        now = asyncio.get_running_loop().time()
        self._leaving = {channel: until for channel, until in self._leaving.items() if until > now}
        return channel_id in self._leaving

    def _is_served(self, channel_id: str) -> bool:
        active = self._active.get(channel_id)
        return active is not None and active.call.live

    def _begin(self, start: StasisStart, *, recovered: bool) -> None:
        if self._tasks is None or self._closing or self._is_served(start.channel_id):
            return
        how = "".join(start.args[3:4])
        unanswered, again = how == UNANSWERED, how in (AGAIN, FAX)
        match start.args:
            case (department, language, presentation, *_):
                withheld = presentation.startswith("prohib") or presentation == "unavailable"
            case (department, *rest):
                language, withheld = (rest[0] if rest else "nb"), False
            case _:
                department, language, withheld = "", "nb", False
        sounds = self._sounds()
        call = Call(
            self._ari.channel(start.channel_id),
            key=CallKey(start.asterisk_id, start.channel_id),
            department=department,
            language=language,
            caller=CallerId(None if withheld else start.caller_number, withheld),
            sounds=sounds,
            lengths=self._lengths(),
            rescued_in=0.0 if recovered or again else SERVED_WITHIN,
            recovered=recovered or again,
            unanswered=unanswered,
        )
        call.fax_tone = how == FAX
        full = self._most_calls is not None and len(self._active) >= self._most_calls
        active = _ActiveCall(call, crowded=full and not (recovered or again or unanswered))
        self._active[start.channel_id] = active
        self._tasks.create_task(self._record_arrival(call, prompt_version(sounds)))
        active.task = self._tasks.create_task(self._serve(active))

    async def _serve(self, active: _ActiveCall) -> None:
        """Run the conversation. In every outcome, end the call once and never leave the caller in silence."""
        call = active.call
        with bound_contextvars(channel_id=call.key.channel_id, department=call.department), self._held():
            try:
                await self._converse(call, self._crowded if active.crowded else self._conversation)
            except CallReleased:
                log.info("Let go of a caller")
                if self._closing:
                    await call.pass_on(has_other_door=await self._has_other_door())
            except CallerHungUp:
                await self._record(call, WhyEnded.HUNG_UP)
            except AriUnavailable as error:
                log.warning("Lost Asterisk during a conversation", error=str(error))
                await self._to_switchboard(call)
                await self._record(call, WhyEnded.TROUBLE)
            except Exception as error:  # must not affect other calls
                log.error("A conversation failed", error_id=uuid4().hex, **_described(error))
                await self._to_switchboard(call)
                await self._record(call, WhyEnded.TROUBLE)
            finally:
                call.ended()
                if call.may_leave:
                    self._leaving[call.key.channel_id] = asyncio.get_running_loop().time() + LATE_COMMANDS
                if self._active.get(call.key.channel_id) is active:
                    del self._active[call.key.channel_id]

    async def _converse(self, call: Call, conversation: Conversation) -> None:
        department = self._departments().get(call.department)
        await conversation(call, self._registration, department)
        await call.hangup()

    async def _to_switchboard(self, call: Call) -> None:
        try:
            await call.to_switchboard()
        except CallerHungUp:
            pass
        except Exception as error:  # the dialplan's time limit transfers the caller instead
            log.error("Could not transfer a caller to the switchboard", **_described(error))

    async def _record_arrival(self, call: Call, prompts: str | None) -> None:
        """Record the call beside its conversation, so that it leaves a trace whatever happens to us."""
        try:
            await self._registration.record_arrival(
                CALLER, call.key, call.department, phone=self._phone(call), prompts=prompts
            )
        except DeskError as error:
            log.warning("Could not record an arriving call", error=error.id)
        except Exception as error:
            log.error("Could not record an arriving call", **_described(error))

    async def _end_lost_calls(self) -> None:
        """Record the end of calls that ended while no one listened. `reconcile` has taken over the others."""
        try:
            lost = await self._registration.end_lost_calls(CALLER, self._ari.asterisk_id, excluding=set(self._active))
        except DeskError as error:
            log.warning("Could not record the end of lost calls", error=error.id)
        else:
            if lost:
                log.warning("Recorded the end of lost calls", calls=lost)

    async def _record(self, call: Call, why: WhyEnded) -> None:
        """Record an incomplete call. The desk leaves a call that has been registered unchanged."""
        try:
            phone = self._phone(call)
            step = call.interrupted_at or IncompleteStep.WELCOME
            record = self._registration.record_call(
                CALLER, call.key, call.department, phone=phone, step=step, why=why, patient=call.identity
            )
            await asyncio.shield(record)
        except DeskError as error:
            log.error("Could not record an incomplete call", error=error.id)
        except Exception as error:
            log.error("Could not record an incomplete call", **_described(error))

    def _phone(self, call: Call) -> PhoneNumber | None:
        try:
            return parse_phone(call.caller.number, allow_foreign=True, asserted=True)
        except InvalidPhone:
            return None

    async def _stay_connected(self) -> None:
        """Stay connected for ever. When another controller takes our place, let go of its callers and stand by."""
        while True:
            try:
                await self._ari.run(self.route, self.reconcile, self._lease.admit)
            except AriReplaced:
                log.error("Another controller has connected to this Asterisk")
                self._lease.replaced()
                for active in self._active.values():
                    active.call.release()
                await self._ended(LAST_WRITES)

    async def _keep_from_rescue(self) -> None:
        """Keep postponing the dialplan's rescue of each caller. It stops for a stuck call, or when we die."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            for active in self._active.values():
                if active.call.idle < STUCK_AFTER:
                    active.call.keep_from_rescue()

    async def _close(self) -> None:
        """Leave the application at once. Callers stay on the line, and running confirmations are finished.

        A call that takes longer than the grace is left to the dialplan's time limit.
        """
        self._closing = True
        log.info("Stopping", calls=self.calls)
        await self._ari.leave()
        for active in self._active.values():
            active.call.release()
        await self._ended(self._grace)
        await self._lease.end()
        for active in self._active.values():
            if active.task:
                active.task.cancel()

    async def _ended(self, seconds: float) -> None:
        tasks = [active.task for active in self._active.values() if active.task]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)


def _described(error: BaseException) -> dict[str, str]:
    """Describe an error by type and place. Leave its message out: it may contain digits that the caller keyed."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"error": type(error).__name__, "where": where}
