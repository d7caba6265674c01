"""One dial as it goes: the agent is rung, then the patient, they talk, somebody hangs up. Read it from top to bottom.

No patient hears silence: the agent is on the line before the patient is rung. Whatever happens, both are hung up at the
end, and the desk is told why.
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

from desk.database.errors import StorageUnavailable
from desk.departments.errors import DepartmentNotFound
from desk.dials.dials import Dials
from desk.dials.errors import DialLost
from desk.dials.model import Dial, DialReason, DialState
from desk.errors import DeskError
from desk.numbers.endpoints import agent_endpoint
from desk.numbers.errors import InvalidPhone, InvalidPhoneName
from ivr.asterisk.errors import AriError, NotReachable

log = structlog.get_logger(__name__)

LONGEST: Final = 2 * 60 * 60  # seconds a call may last, whatever becomes of us
CUT_OFF_WITHIN: Final = 3.0  # seconds: a patient gone so soon after the answer was cut off, or heard nothing
LATER: Final = 5  # seconds by which Asterisk's own limit on ringing lies behind ours
AGAIN: Final = 1.0
CHANNEL: Final = re.compile(r"dial-([0-9a-f-]{36})-(agent|patient)", re.ASCII)

NORMAL: Final = frozenset({0, 16, 31})  # Q.850: none told, normal clearing, normal unspecified
REASON_OF_CAUSE: Final[Mapping[int, DialReason]] = {
    17: DialReason.BUSY,
    21: DialReason.BUSY,  # rejected: the patient pressed the red button
    18: DialReason.NO_ANSWER,
    19: DialReason.NO_ANSWER,
    20: DialReason.NO_ANSWER,  # switched off, or out of coverage
    1: DialReason.NOT_IN_USE,
    22: DialReason.NOT_IN_USE,
    28: DialReason.NOT_IN_USE,
}
"""A call that ends unanswered by any other cause failed on its way."""


class Leg(StrEnum):
    """The two ends of a dial."""

    AGENT = "agent"
    PATIENT = "patient"


class Lines(Protocol):
    """What a dial needs of `ivr.ari.Ari`. Every method may raise an AriError."""

    @property
    def asterisk_id(self) -> str: ...

    connected: bool

    async def originate(
        self, channel_id: str, endpoint: str, *, args: Sequence[str], caller_id: str, seconds: int, longest: int
    ) -> None: ...

    async def hangup(self, channel_id: str) -> None: ...

    async def ring(self, channel_id: str) -> None: ...

    async def ring_stop(self, channel_id: str) -> None: ...

    async def join(self, bridge_id: str, channel_ids: Sequence[str]) -> None: ...

    async def part(self, bridge_id: str) -> None: ...

    async def channels(self) -> frozenset[str]: ...

    async def bridges(self) -> frozenset[str]: ...

    async def started_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Answered:
    leg: Leg


@dataclass(frozen=True, slots=True)
class Gone:
    leg: Leg
    cause: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    reason: DialReason


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Asterisk was away, or we were: these channels are there now, and it was started then."""

    channels: frozenset[str]
    started_at: datetime


Happening = Answered | Gone | Cancelled | Reconnected


class _Over(Exception):
    """The dial is over."""

    def __init__(self, reason: DialReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Outbound:
    """One dial and its two channels."""

    def __init__(
        self, dial: Dial, *, lines: Lines, dials: Dials, by: str, agent_rings: float, patient_rings: float
    ) -> None:
        self.dial = dial
        self._lines = lines
        self._dials = dials
        self._by = by
        self._agent_rings = agent_rings
        self._patient_rings = patient_rings
        self._happenings: asyncio.Queue[Happening] = asyncio.Queue()
        self._bridge = f"dial-{dial.id}"
        self._agent, self._patient = (f"{self._bridge}-{leg}" for leg in Leg)

    def tell(self, happening: Happening) -> None:
        """Something happened to the dial. Never waits."""
        self._happenings.put_nowait(happening)

    async def run(self, *, talking: bool = False) -> None:
        """From the first ring to the last hang-up. `talking`: they may be at it already; the rest is told.

        Cancelled, it leaves the channels as they are: another controller goes on.
        """
        try:
            if not talking:
                await self._ring_agent()
                await self._ring_patient()
                await self._connect()
            await self._talk()
        except _Over as over:
            await self._hang_up()
            await self._end(over.reason)
        except DialLost:
            await self._hang_up()
        except (AriError, DeskError) as error:
            log.error("A dial broke off", dial_id=self.dial.id, error=type(error).__name__)
            await self._hang_up()
            await self._end(DialReason.LOST)

    async def _ring_agent(self) -> None:
        try:
            endpoint = agent_endpoint(self.dial.agent_phone)
            _, shown = self._dials.destination(self.dial)
        except (InvalidPhone, InvalidPhoneName, DepartmentNotFound):
            raise _Over(DialReason.REFUSED) from None
        await self._advance(DialState.AGENT_RINGING)
        try:
            await self._ring(Leg.AGENT, endpoint, shown, self._agent_rings)
        except NotReachable:
            raise _Over(DialReason.AGENT_UNAVAILABLE) from None
        match await self._next(self._agent_rings):
            case Answered(Leg.AGENT):
                return
            case Gone(_, cause) if REASON_OF_CAUSE.get(cause) is not DialReason.NO_ANSWER:
                raise _Over(DialReason.AGENT_UNAVAILABLE)
            case _:
                raise _Over(DialReason.AGENT_NO_ANSWER)

    async def _ring_patient(self) -> None:
        """Only now, and only if it is still allowed: the agent may have taken a while to answer."""
        if not self._dials.may_ring(self.dial):
            raise _Over(DialReason.OUTSIDE_HOURS)
        try:
            endpoint, shown = self._dials.destination(self.dial)
        except (InvalidPhone, DepartmentNotFound):
            raise _Over(DialReason.REFUSED) from None
        await self._advance(DialState.PATIENT_RINGING)  # before it is true, so that none goes uncounted
        try:
            await self._lines.ring(self._agent)
            await self._ring(Leg.PATIENT, endpoint, shown, self._patient_rings)
        except NotReachable:
            raise _Over(DialReason.FAILED) from None
        match await self._next(self._patient_rings):
            case Answered(Leg.PATIENT):
                return
            case Gone(Leg.AGENT, _):
                raise _Over(DialReason.AGENT_HUNG_UP)
            case Gone(_, cause):
                raise _Over(REASON_OF_CAUSE.get(cause, DialReason.FAILED))
            case _:
                raise _Over(DialReason.NO_ANSWER)

    async def _connect(self) -> None:
        try:
            await self._lines.ring_stop(self._agent)
            await self._lines.join(self._bridge, (self._agent, self._patient))
        except AriError:  # one of them went in the very moment the patient answered
            raise _Over(DialReason.DROPPED) from None
        await self._advance(DialState.BRIDGED)

    async def _talk(self) -> None:
        """Until one of them hangs up."""
        began = asyncio.get_running_loop().time()
        while True:
            match await self._next():
                case Gone(leg, cause):
                    soon = asyncio.get_running_loop().time() - began < CUT_OFF_WITHIN
                    cut_off = cause not in NORMAL or (leg is Leg.PATIENT and soon)
                    raise _Over(DialReason.DROPPED if cut_off else DialReason.ANSWERED)

    async def _next(self, seconds: float | None = None) -> Happening | None:
        """What happens next; None when nothing does. Raises _Over for what ends a dial in any state."""
        try:
            async with asyncio.timeout(seconds):
                happening = await self._happenings.get()
        except TimeoutError:
            if not self._lines.connected:  # then nobody knows what happened
                raise _Over(DialReason.LOST) from None
            return None
        match happening:
            case Cancelled(reason):
                raise _Over(reason)
            case Reconnected(channels, started_at):
                self._check(channels, started_at)
                return await self._next(seconds)
            case _:
                return happening

    def _check(self, channels: frozenset[str], started_at: datetime) -> None:
        """After a gap: those who talk go on if both are there; else what happened meanwhile is told by what is left."""
        if self.dial.bridged_at is None:
            raise _Over(DialReason.LOST)
        if started_at > self.dial.bridged_at:
            raise _Over(DialReason.DROPPED)  # Asterisk went down under them
        if not {self._agent, self._patient} <= channels:
            raise _Over(DialReason.ANSWERED)

    async def _ring(self, leg: Leg, endpoint: str, shown: str, seconds: float) -> None:
        await self._lines.originate(
            f"{self._bridge}-{leg}",
            endpoint,
            args=("dial", self.dial.id, leg.value),
            caller_id=shown,
            seconds=int(seconds) + LATER,
            longest=LONGEST,
        )

    async def _advance(self, state: DialState) -> None:
        self.dial = await self._dials.advance(self.dial, self._by, state)

    async def _hang_up(self) -> None:
        """Both ends, whether they are there or not. What can't be reached now is found after the next connection."""
        for channel in (self._patient, self._agent):
            try:
                await self._lines.hangup(channel)
            except AriError as error:
                log.debug("Hanging up was not needed or not possible", error=type(error).__name__)
        try:
            await self._lines.part(self._bridge)
        except AriError as error:
            log.debug("There was no bridge", error=type(error).__name__)

    async def _end(self, reason: DialReason) -> None:
        """Tell the desk, for as long as it takes: a dial that never ends keeps the callback from being dialled."""
        while True:
            try:
                await self._dials.end(self.dial, self._by, reason)
            except StorageUnavailable:
                await asyncio.sleep(AGAIN)
                continue
            except DeskError as error:
                log.error("A dial's end could not be recorded", dial_id=self.dial.id, error=error.id)
            log.info("A dial ended", dial_id=self.dial.id, reason=reason.value)
            return


def leg_of(channel_id: str) -> tuple[str, Leg] | None:
    """(the dial's id, which end) of a channel of ours; None for any other."""
    match = CHANNEL.fullmatch(channel_id)
    return (match[1], Leg(match[2])) if match else None
