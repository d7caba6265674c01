"""Click to call: takes dials off the desk, rings the agent, then the patient, and tells the desk how it goes.

Each dial is one task and one straight line (ivr/dials/outbound.py). Here is what is around them: taking, events,
cancelling,
and what an earlier controller or a restarted Asterisk has left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final
from uuid import uuid4

import structlog

from desk.dials.dials import Dials
from desk.dials.model import Dial, DialReason, DialState
from desk.errors import DeskError
from ivr.asterisk.errors import AriError
from ivr.asterisk.events import ChannelDestroyed, Event, StasisStart
from ivr.dials.outbound import Answered, Cancelled, Gone, Leg, Lines, Outbound, Reconnected, leg_of

log = structlog.get_logger(__name__)

POLL: Final = 0.5  # seconds: the guarantee; being woken is a favour
AT_MOST: Final = 200  # dials at once
LIVES_EVERY: Final = 10.0
KEEPS_LEASES_EVERY: Final = 120.0
BREATH: Final = 0.05  # seconds between two looks, however often we are woken
LAST_HANG_UPS: Final = 2.0


class Dialler:
    """Does every dial it can get while Asterisk is connected."""

    def __init__(self, *, lines: Lines, dials: Dials, agent_rings: float, patient_rings: float) -> None:
        """`agent_rings` and `patient_rings`: seconds until nobody has answered."""
        self._lines = lines
        self._dials = dials
        self._agent_rings = agent_rings
        self._patient_rings = patient_rings
        self._own = uuid4().hex
        self._outbound: dict[str, Outbound] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reconciled = False
        self._woken = asyncio.Event()
        self._lives_at = self._leases_at = 0.0

    @property
    def name(self) -> str:
        """Who takes dials: this controller at this Asterisk."""
        return f"{self._lines.asterisk_id}/{self._own}"

    @property
    def dials(self) -> int:
        """How many are being done."""
        return len(self._tasks)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Do dials until `stopping` is set. Then those who talk go on talking; everyone else is hung up on."""
        async with self._dials.told() as self._woken:
            stop = asyncio.create_task(stopping.wait())
            try:
                while not stopping.is_set():
                    await self._look()
                    self._woken.clear()
                    woken = asyncio.create_task(self._woken.wait())
                    await asyncio.wait((woken, stop), timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
                    woken.cancel()
                    await asyncio.sleep(BREATH)
                await self._close()
            finally:
                stop.cancel()
                for task in self._tasks.values():
                    task.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def route(self, event: Event) -> bool:
        """Take an event of a dial's channel; False for one of an inbound call. Never waits."""
        leg = leg_of(getattr(event, "channel_id", ""))
        if leg is None:
            return False
        dial_id, which = leg
        outbound = self._outbound.get(dial_id)
        match event:
            case StasisStart() if outbound:
                outbound.tell(Answered(which))
            case ChannelDestroyed(cause=cause) if outbound:
                outbound.tell(Gone(which, cause))
        return True

    def reconnected(self) -> None:
        """Asterisk is connected (again): before anything else, see what is left of before. Never waits."""
        self._reconciled = False
        self._woken.set()

    async def _look(self) -> None:
        """Once round. Whatever fails is tried again at the next."""
        try:
            if not self._lines.connected:
                return
            if not self._reconciled:
                await self._reconcile()
            if self._outbound:
                await self._cancel_wanted()
            await self._say_we_live()
            if await self._dials.waiting():
                await self._take()
        except DeskError as error:
            log.error("Dials could not be looked for", error=error.id)
        except AriError as error:
            log.warning("Asterisk was lost while dials were looked for", error=str(error))

    async def _take(self) -> None:
        for dial in await self._dials.take(self.name, limit=AT_MOST - len(self._tasks)):
            self._begin(dial)

    def _begin(self, dial: Dial, *, talking: bool = False) -> None:
        outbound = self._outbound[dial.id] = Outbound(
            dial,
            lines=self._lines,
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
        for dial_id in await self._dials.to_cancel(self.name):
            if outbound := self._outbound.get(dial_id):
                outbound.tell(Cancelled(DialReason.CANCELLED))

    async def _say_we_live(self) -> None:
        """For as long as this is said, nobody else ends our dials; those who talk keep the claim they talk under."""
        now = asyncio.get_running_loop().time()
        if now - self._lives_at < LIVES_EVERY:
            return
        self._lives_at = now
        await self._dials.live(self.name)
        await self._dials.end_forgotten()
        if now - self._leases_at >= KEEPS_LEASES_EVERY:
            self._leases_at = now
            for outbound in list(self._outbound.values()):
                if outbound.dial.state is DialState.BRIDGED:
                    await self._dials.extend(outbound.dial)

    async def _reconcile(self) -> None:
        """Those who still talk go on; all else that is left of before is ended, and its channels are hung up."""
        present = await self._lines.channels()
        started = await self._lines.started_at()
        for outbound in list(self._outbound.values()):
            outbound.tell(Reconnected(present, started))
        asterisk = f"{self._lines.asterisk_id}/"
        for dial in await self._dials.inherit(self.name, of=asterisk, excluding=list(self._outbound)):
            log.info("A dial is taken up again", dial_id=dial.id)
            self._begin(dial, talking=True)
            self._outbound[dial.id].tell(Reconnected(present, started))
        await self._sweep(channel for channel in present if (leg := leg_of(channel)) and leg[0] not in self._outbound)
        self._reconciled = True

    async def _sweep(self, strays: Iterable[str]) -> None:
        """Hang up channels of dials that are over, and take their bridges away."""
        for channel in strays:
            log.warning("A channel of a dial that is over is hung up", channel_id=channel)
            try:
                await self._lines.hangup(channel)
            except AriError as error:
                log.info("Hanging up was not needed or not possible", error=str(error))
        for bridge in await self._lines.bridges():
            leg = leg_of(f"{bridge}-{Leg.AGENT}")
            if leg and leg[0] not in self._outbound:
                try:
                    await self._lines.part(bridge)
                except AriError as error:
                    log.info("Taking a bridge away was not needed or not possible", error=str(error))

    async def _close(self) -> None:
        """Nobody is left ringing. Who talks is left to the next controller."""
        for dial_id, outbound in list(self._outbound.items()):
            if outbound.dial.state is DialState.BRIDGED:
                self._tasks[dial_id].cancel()
            else:
                outbound.tell(Cancelled(DialReason.LOST))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=LAST_HANG_UPS)
