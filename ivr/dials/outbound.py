"""One dial from start to end: call the agent, call the patient, connect them, wait for a hang-up.

The agent is on the line before the patient is called, so no patient hears silence. In every outcome both are hung up at
the end, and the desk gets the reason.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import structlog

from desk.access.actor import SYSTEM
from desk.database.errors import StorageUnavailable
from desk.departments.errors import DepartmentNotFound
from desk.dials.dials import Dials
from desk.dials.errors import DialLost
from desk.dials.model import Dial, DialReason, DialState
from desk.errors import DeskError
from desk.limits.errors import TrunkBudgetSpent
from desk.numbers.endpoints import agent_endpoint
from desk.numbers.errors import InvalidPhone, InvalidPhoneName
from ivr.asterisk.errors import AriError, NotReachable

log = structlog.get_logger(__name__)

LONGEST: Final = 2 * 60 * 60  # seconds a call may last, enforced by Asterisk even if we die
CUT_OFF_WITHIN: Final = 3.0  # seconds: a patient who hangs up this soon after answering was cut off or heard nothing
CREATED_WITHIN: Final = 5.0  # seconds for a new channel to enter the application
EXTRA_RINGING: Final = 5  # seconds that Asterisk's own ringing limit is longer than ours
RETRY_AFTER: Final = 1.0
CHANNEL: Final = re.compile(r"dial-([0-9a-f-]{36})-(agent|patient)", re.ASCII)

NORMAL: Final = frozenset({0, 16, 31})  # Q.850: no cause reported, normal clearing, normal unspecified
REASON_OF_CAUSE: Final[Mapping[int, DialReason]] = {
    17: DialReason.BUSY,
    21: DialReason.BUSY,  # call rejected by the patient
    18: DialReason.NO_ANSWER,
    19: DialReason.NO_ANSWER,
    20: DialReason.NO_ANSWER,  # switched off, or out of coverage
    1: DialReason.NOT_IN_USE,
    22: DialReason.NOT_IN_USE,
    28: DialReason.NOT_IN_USE,
}
"""The reasons for Q.850 causes of an unanswered call. Any other cause means that the call failed."""


class Leg(StrEnum):
    """The two ends of a dial."""

    AGENT = "agent"
    PATIENT = "patient"


class OutboundChannels(Protocol):
    """The part of `ivr.asterisk.ari.Ari` that dials use. Every method may raise an AriError."""

    @property
    def asterisk_id(self) -> str: ...

    connected: bool

    async def create(
        self, channel_id: str, endpoint: str, *, args: Sequence[str], caller_id: str, longest: int
    ) -> None: ...

    async def dial(self, channel_id: str, *, seconds: int) -> None: ...

    async def hangup(self, channel_id: str) -> None: ...

    async def ring(self, channel_id: str) -> None: ...

    async def ring_stop(self, channel_id: str) -> None: ...

    async def bridge(self, bridge_id: str, channel_ids: Sequence[str]) -> None: ...

    async def destroy_bridge(self, bridge_id: str) -> None: ...

    async def is_registered(self, phone: str) -> bool: ...

    async def channels(self) -> frozenset[str]: ...

    async def bridges(self) -> frozenset[str]: ...

    async def started_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class LegCreation:
    """The channel of one end exists and can be dialled."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class LegAnswer:
    """One end answered."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class LegHangup:
    """One end hung up or was not reached. `cause` is a Q.850 code."""

    leg: Leg
    cause: int


@dataclass(frozen=True, slots=True)
class DialCancellation:
    """The dial must end now."""

    reason: DialReason


@dataclass(frozen=True, slots=True)
class Reconnection:
    """The connection to Asterisk was lost and is back: the channels that exist, and when Asterisk started."""

    channels: frozenset[str]
    started_at: datetime


DialEvent = LegCreation | LegAnswer | LegHangup | DialCancellation | Reconnection


class _DialEnd(Exception):
    """Ends the dial with a reason."""

    def __init__(self, reason: DialReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class OutboundDial:
    """One dial and its two channels."""

    def __init__(
        self, dial: Dial, *, channels: OutboundChannels, dials: Dials, by: str, agent_rings: float, patient_rings: float
    ) -> None:
        self.dial = dial
        self._channels = channels
        self._dials = dials
        self._by = by
        self._agent_rings = agent_rings
        self._patient_rings = patient_rings
        self._events: asyncio.Queue[DialEvent] = asyncio.Queue()
        self._bridge = f"dial-{dial.id}"
        self._agent, self._patient = (f"{self._bridge}-{leg}" for leg in Leg)

    def notify(self, event: DialEvent) -> None:
        """Pass an event to the dial. Never blocks."""
        self._events.put_nowait(event)

    async def run(self, *, talking: bool = False) -> None:
        """Run the dial to its end. With `talking` it starts in the connected state, to recover a dial.

        Cancelling the task leaves the channels as they are, for another controller to continue.
        """
        try:
            if not talking:
                await self._ring_agent()
                await self._ring_patient()
                await self._connect()
            await self._talk()
        except _DialEnd as end:
            await self._hang_up()
            await self._end(end.reason)
        except DialLost:
            await self._hang_up()
        except (AriError, DeskError) as error:
            log.error("A dial failed", dial_id=self.dial.id, error=type(error).__name__)
            await self._hang_up()
            await self._end(DialReason.LOST)

    async def _ring_agent(self) -> None:
        try:
            endpoint = agent_endpoint(self.dial.agent_phone)
            _, shown = self._dials.destination(self.dial)
        except (InvalidPhone, InvalidPhoneName, DepartmentNotFound):
            raise _DialEnd(DialReason.REFUSED) from None
        await self._advance(DialState.AGENT_RINGING)
        try:
            event = await self._ring(Leg.AGENT, endpoint, shown, self._agent_rings)
        except NotReachable:
            raise _DialEnd(DialReason.AGENT_UNAVAILABLE) from None
        match event:
            case LegAnswer(Leg.AGENT):
                return
            case LegHangup(_, cause) if REASON_OF_CAUSE.get(cause) is not DialReason.NO_ANSWER:
                raise _DialEnd(DialReason.AGENT_UNAVAILABLE)
            case _:
                raise _DialEnd(DialReason.AGENT_NO_ANSWER)

    async def _ring_patient(self) -> None:
        """Call the patient, if it is still allowed: the agent may have taken a while to answer."""
        if not self._dials.may_ring(self.dial):
            raise _DialEnd(DialReason.OUTSIDE_HOURS)
        try:
            endpoint, shown = self._dials.destination(self.dial)
        except (InvalidPhone, DepartmentNotFound):
            raise _DialEnd(DialReason.REFUSED) from None
        try:
            await self._advance(DialState.PATIENT_RINGING)  # store it first, so that every call is counted
        except TrunkBudgetSpent:
            raise _DialEnd(DialReason.TRUNK_BUDGET) from None
        try:
            await self._channels.ring(self._agent)
            event = await self._ring(Leg.PATIENT, endpoint, shown, self._patient_rings)
        except NotReachable:
            raise _DialEnd(DialReason.FAILED) from None
        match event:
            case LegAnswer(Leg.PATIENT):
                return
            case LegHangup(Leg.AGENT, _):
                raise _DialEnd(DialReason.AGENT_HUNG_UP)
            case LegHangup(_, cause):
                raise _DialEnd(REASON_OF_CAUSE.get(cause, DialReason.FAILED))
            case _:
                raise _DialEnd(DialReason.NO_ANSWER)

    async def _connect(self) -> None:
        try:
            await self._channels.ring_stop(self._agent)
            await self._channels.bridge(self._bridge, (self._agent, self._patient))
        except AriError:  # one of them hung up just as the patient answered
            raise _DialEnd(DialReason.DROPPED) from None
        await self._advance(DialState.BRIDGED)

    async def _talk(self) -> None:
        """Wait until one of them hangs up."""
        began = asyncio.get_running_loop().time()
        while True:
            match await self._next():
                case LegHangup(leg, cause):
                    soon = asyncio.get_running_loop().time() - began < CUT_OFF_WITHIN
                    cut_off = cause not in NORMAL or (leg is Leg.PATIENT and soon)
                    raise _DialEnd(DialReason.DROPPED if cut_off else DialReason.ANSWERED)

    async def _next(self, seconds: float | None = None) -> DialEvent | None:
        """Wait for the next event. None after `seconds`. Raises _DialEnd for an event that ends a dial in any state."""
        try:
            async with asyncio.timeout(seconds):
                event = await self._events.get()
        except TimeoutError:
            if not self._channels.connected:  # the outcome is unknown
                raise _DialEnd(DialReason.LOST) from None
            return None
        match event:
            case DialCancellation(reason):
                raise _DialEnd(reason)
            case Reconnection(channels, started_at):
                self._check(channels, started_at)
                return await self._next(seconds)
            case _:
                return event

    def _check(self, channels: frozenset[str], started_at: datetime) -> None:
        """After a reconnect, continue if both channels still exist. Otherwise end with the most likely reason."""
        if self.dial.bridged_at is None:
            raise _DialEnd(DialReason.LOST)
        if started_at > self.dial.bridged_at:
            raise _DialEnd(DialReason.DROPPED)  # Asterisk restarted during the call
        if not {self._agent, self._patient} <= channels:
            raise _DialEnd(DialReason.ANSWERED)

    async def _ring(self, leg: Leg, endpoint: str, shown: str, seconds: float) -> DialEvent | None:
        """Dial one end. Return the first event of the ringing, or None after `seconds` without one."""
        channel = f"{self._bridge}-{leg}"
        args = ("dial", self.dial.id, leg.value)
        await self._channels.create(channel, endpoint, args=args, caller_id=shown, longest=LONGEST)
        event = await self._next(CREATED_WITHIN)
        if event is None:
            raise NotReachable("the channel was not created in time")
        if event != LegCreation(leg):
            return event
        await self._channels.dial(channel, seconds=int(seconds) + EXTRA_RINGING)
        return await self._next(seconds)

    async def _advance(self, state: DialState) -> None:
        self.dial = await self._dials.advance(SYSTEM, self.dial, self._by, state)

    async def _hang_up(self) -> None:
        """Hang up both ends, if they exist. After a failure here, the next reconnect cleans up."""
        for channel in (self._patient, self._agent):
            try:
                await self._channels.hangup(channel)
            except AriError as error:
                log.debug("Could not hang up a channel", error=type(error).__name__)
        try:
            await self._channels.destroy_bridge(self._bridge)
        except AriError as error:
            log.debug("Could not destroy a bridge", error=type(error).__name__)

    async def _end(self, reason: DialReason) -> None:
        """Report the end to the desk. Retry until stored: an open dial blocks further dials of the callback."""
        while True:
            try:
                await self._dials.end(SYSTEM, self.dial, self._by, reason)
            except StorageUnavailable:
                await asyncio.sleep(RETRY_AFTER)
                continue
            except DeskError as error:
                log.error("Could not record the end of a dial", dial_id=self.dial.id, error=error.id)
            log.info("A dial ended", dial_id=self.dial.id, reason=reason.value)
            return


def leg_of(channel_id: str) -> tuple[str, Leg] | None:
    """Return the dial id and the leg of one of our channels. None for any other channel."""
    match = CHANNEL.fullmatch(channel_id)
    return (match[1], Leg(match[2])) if match else None
