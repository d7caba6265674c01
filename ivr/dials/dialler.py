"""Click to call: take dials from the desk, call the agent, then the patient, and report the result to the desk.

Each dial is one task that runs straight through (ivr/dials/outbound.py). This module does the rest: it takes dials,
routes events, cancels, and cleans up after an earlier controller or a restart of Asterisk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from uuid import uuid4

import structlog

from desk.access.actor import SYSTEM
from desk.dials.dials import Dials
from desk.dials.model import Dial, DialReason, DialState, WaitingDial
from desk.errors import DeskError
from ivr.asterisk.errors import AriError
from ivr.asterisk.events import ChannelAnswered, ChannelDestroyed, Event, StasisStart
from ivr.dials.outbound import (
    DialCancellation,
    Leg,
    LegAnswer,
    LegCreation,
    LegHangup,
    OutboundChannels,
    OutboundDial,
    Reconnection,
    leg_of,
)

log = structlog.get_logger(__name__)

POLL: Final = 0.5  # seconds; polling is the guarantee, notifications only make it faster
AT_MOST: Final = 200  # concurrent dials
HEARTBEAT_EVERY: Final = 5.0
LEFT_TO_OTHERS: Final = 3.0  # seconds for the controller at whose Asterisk the agent's phone is registered
EXTEND_LEASES_EVERY: Final = 120.0
LEAST_PAUSE: Final = 0.05  # seconds between two polls, however many notifications arrive
LAST_HANG_UPS: Final = 2.0


class Dialler:
    """Runs every dial it can get while Asterisk is connected."""

    def __init__(
        self,
        *,
        channels: OutboundChannels,
        dials: Dials,
        controllers: Callable[[], Awaitable[int]],
        agent_rings: float,
        patient_rings: float,
    ) -> None:
        """`agent_rings` and `patient_rings`: seconds until a call counts as unanswered.

        `controllers` returns how many serve an Asterisk now, this one included.
        """
        self._channels = channels
        self._dials = dials
        self._controllers = controllers
        self._agent_rings = agent_rings
        self._patient_rings = patient_rings
        self._own = uuid4().hex
        self._outbound: dict[str, OutboundDial] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting_since: dict[str, float] = {}
        self._reconciled = False
        self._woken = asyncio.Event()
        self._heartbeat_at = self._leases_at = 0.0

    @property
    def name(self) -> str:
        """The owner of our dials in the desk: this controller at this Asterisk."""
        return f"{self._channels.asterisk_id}/{self._own}"

    @property
    def dials(self) -> int:
        """The number of dials in progress."""
        return len(self._tasks)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Run dials until `stopping` is set. Then connected calls continue, and all other calls are hung up."""
        async with self._dials.changes() as self._woken:
            stop = asyncio.create_task(stopping.wait())
            try:
                while not stopping.is_set():
                    await self._poll()
                    self._woken.clear()
                    woken = asyncio.create_task(self._woken.wait())
                    await asyncio.wait((woken, stop), timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
                    woken.cancel()
                    await asyncio.sleep(LEAST_PAUSE)
                await self._close()
            finally:
                stop.cancel()
                for task in self._tasks.values():
                    task.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def route(self, event: Event) -> bool:
        """Handle an event of a dial's channel. False for an event of an inbound call. Never blocks."""
        leg = leg_of(getattr(event, "channel_id", ""))
        if leg is None:
            return False
        dial_id, which = leg
        outbound = self._outbound.get(dial_id)
        match event:
            case StasisStart() if outbound:
                outbound.notify(LegCreation(which))
            case ChannelAnswered() if outbound:
                outbound.notify(LegAnswer(which))
            case ChannelDestroyed(cause=cause) if outbound:
                outbound.notify(LegHangup(which, cause))
        return True

    def reconnected(self) -> None:
        """Handle a (re)connect to Asterisk: reconcile with its channels before anything else. Never blocks."""
        self._reconciled = False
        self._woken.set()

    async def _poll(self) -> None:
        """Do one round of work. The next round retries whatever fails."""
        try:
            if not self._channels.connected:
                return
            if not self._reconciled:
                await self._reconcile()
            if self._outbound:
                await self._cancel_wanted()
            await self._send_heartbeat()
            await self._take()
        except DeskError as error:
            log.error("Could not poll for dials", error=error.id)
        except AriError as error:
            log.warning("Lost Asterisk while polling for dials", error=str(error))

    async def _take(self) -> None:
        """Take the dials that wait for this Asterisk."""
        waiting = await self._dials.waiting(SYSTEM)
        now = asyncio.get_running_loop().time()
        self._waiting_since = {dial.id: self._waiting_since.get(dial.id, now) for dial in waiting}
        ours = [dial.id for dial in waiting if await self._is_ours(dial, now)]
        if ours:
            for dial in await self._dials.take(SYSTEM, self.name, limit=AT_MOST - len(self._tasks), only=ours):
                self._begin(dial)

    async def _is_ours(self, dial: WaitingDial, now: float) -> bool:
        """Whether the agent's phone is registered at this Asterisk, or apparently at no one's.

        Asterisk is asked at that moment, so no copy of its registrations can be out of date.
        """
        return (
            await self._channels.is_registered(dial.agent_phone)
            or now - self._waiting_since[dial.id] >= LEFT_TO_OTHERS
            or await self._controllers() <= 1
        )

    def _begin(self, dial: Dial, *, talking: bool = False) -> None:
        outbound = self._outbound[dial.id] = OutboundDial(
            dial,
            channels=self._channels,
            dials=self._dials,
            by=self.name,
            agent_rings=self._agent_rings,
            patient_rings=self._patient_rings,
        )
        task = self._tasks[dial.id] = asyncio.create_task(outbound.run(talking=talking))
        task.add_done_callback(lambda done: self._ended(dial.id, done))

    def _ended(self, dial_id: str, task: asyncio.Task[None]) -> None:
        self._outbound.pop(dial_id, None)
        self._tasks.pop(dial_id, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("A dial failed", dial_id=dial_id, error=type(error).__name__)

    async def _cancel_wanted(self) -> None:
        for dial_id in await self._dials.to_cancel(SYSTEM, self.name):
            if outbound := self._outbound.get(dial_id):
                outbound.notify(DialCancellation(DialReason.CANCELLED))

    async def _send_heartbeat(self) -> None:
        """Send a heartbeat, so that no one else ends our dials. Extend the claims of connected calls."""
        now = asyncio.get_running_loop().time()
        if now - self._heartbeat_at < HEARTBEAT_EVERY:
            return
        self._heartbeat_at = now
        await self._dials.live(SYSTEM, self.name)
        await self._dials.end_forgotten(SYSTEM)
        if now - self._leases_at >= EXTEND_LEASES_EVERY:
            self._leases_at = now
            for outbound in list(self._outbound.values()):
                if outbound.dial.state is DialState.BRIDGED:
                    await self._dials.extend(SYSTEM, outbound.dial)

    async def _reconcile(self) -> None:
        """Continue connected calls, end all other dials from before, and hang up their channels."""
        present = await self._channels.channels()
        started = await self._channels.started_at()
        for outbound in list(self._outbound.values()):
            outbound.notify(Reconnection(present, started))
        asterisk = f"{self._channels.asterisk_id}/"
        for dial in await self._dials.inherit(SYSTEM, self.name, of=asterisk, excluding=list(self._outbound)):
            log.info("Recovered a dial", dial_id=dial.id)
            self._begin(dial, talking=True)
            self._outbound[dial.id].notify(Reconnection(present, started))
        await self._sweep(channel for channel in present if (leg := leg_of(channel)) and leg[0] not in self._outbound)
        self._reconciled = True

    async def _sweep(self, strays: Iterable[str]) -> None:
        """Hang up the channels and destroy the bridges of dials that have ended."""
        for channel in strays:
            log.warning("Hanging up a channel of an ended dial", channel_id=channel)
            try:
                await self._channels.hangup(channel)
            except AriError as error:
                log.info("Could not hang up a channel", error=str(error))
        for bridge in await self._channels.bridges():
            leg = leg_of(f"{bridge}-{Leg.AGENT}")
            if leg and leg[0] not in self._outbound:
                try:
                    await self._channels.destroy_bridge(bridge)
                except AriError as error:
                    log.info("Could not destroy a bridge", error=str(error))

    async def _close(self) -> None:
        """Hang up ringing calls. Leave connected calls to the next controller."""
        for dial_id, outbound in list(self._outbound.items()):
            if outbound.dial.state is DialState.BRIDGED:
                self._tasks[dial_id].cancel()
            else:
                outbound.notify(DialCancellation(DialReason.LOST))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=LAST_HANG_UPS)
