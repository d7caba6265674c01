"""Sends the texts that wait, in the background of the web door: one at a time, soon after each is written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol

import structlog

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.connections.health import Component
from desk.database.errors import StorageUnavailable
from desk.messages.model import SmsGateway, TryLater
from desk.messages.outbox import Outbox
from desk.messages.texts import SmsTextsFile

EVERY_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 60.0
LATE = timedelta(minutes=10)
"""A text that waits longer than this means that something is wrong."""

log = structlog.get_logger(__name__)


class Gateway(SmsGateway, Protocol):
    """An SMS gateway with a connection to close."""

    async def close(self) -> None: ...


class Sender:
    """Hands the outbox's texts to the gateway. Any number of processes may run one."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        gateway: Gateway | None,
        texts: SmsTextsFile | None,
        clock: Clock,
        is_demo: bool = False,
    ) -> None:
        """Without a `gateway` nothing is sent here. `is_demo`: the gateway writes to a file."""
        self._is_demo = is_demo
        self._outbox = outbox
        self._gateway = gateway
        self._texts = texts
        self._clock = clock
        self._trouble: TryLater | None = None
        self._in_a_row = 0
        self._stopping = asyncio.Event()

    async def send_all(self, gateway: SmsGateway) -> float:
        """Send what is due. Returns the seconds to wait before the next time: more each time the gateway fails."""
        try:
            while not self._stopping.is_set() and await self._outbox.send_next(gateway):
                self._trouble, self._in_a_row = None, 0
        except TryLater as trouble:
            self._trouble = trouble
            self._in_a_row += 1
            return min(EVERY_SECONDS * 2.0 ** min(self._in_a_row, 10), LONGEST_PAUSE_SECONDS)
        except StorageUnavailable:
            log.warning("No SMS sent: the database can't be reached")
        except Exception as fault:
            log.error("No SMS sent", error=type(fault).__name__)
        return EVERY_SECONDS

    async def serve(self) -> None:
        """Send until `stop` is called, if there is a gateway. A text that is being handed over is finished first."""
        while self._gateway is not None and not self._stopping.is_set():
            pause = await self.send_all(self._gateway)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    def stop(self) -> None:
        """Start no further text."""
        self._stopping.set()

    async def close(self) -> None:
        """Close the gateway."""
        if self._gateway is not None:
            await self._gateway.close()

    async def check(self) -> Component:
        """Return whether texts are sent. Never raises."""
        if self._texts is None:
            return Component(True, "off: INNRINGING_SMS_GATEWAY is not set")
        await self._texts.settled()
        if fault := self._texts.fault:
            place = "sms.toml" + (f":{fault.line}" if fault.line is not None else "")
            return Component(False, f"{place}: {fault.reason}; {self._meanwhile()}")
        if self._trouble is not None:
            words = "refuses us: see INNRINGING_SMS_USER, _PASSWORD, _PLATFORM_ID, _PARTNER_ID, _GATE_ID, _URL"
            detail = words if self._trouble.ours else f"does not accept texts now ({self._trouble.reason})"
            return Component(False, f"the gateway {detail}")
        try:
            backlog = await self._outbox.backlog(SYSTEM)
        except StorageUnavailable:
            return Component(False, "the database can't be reached")
        if backlog.oldest and self._clock.now() - backlog.oldest > LATE:
            return Component(False, f"{backlog.waiting} wait, the oldest for more than 10 minutes")
        return Component(True, "demo: written to var/sms.jsonl" if self._is_demo else "texts are sent")

    def _meanwhile(self) -> str:
        return "the last valid texts are used" if self._texts and self._texts() else "no texts are written"


@asynccontextmanager
async def sending(sender: Sender) -> AsyncIterator[None]:
    """Send texts while the block runs."""
    task = asyncio.create_task(sender.serve())
    try:
        yield
    finally:
        sender.stop()
        await asyncio.gather(task, return_exceptions=True)
