"""This controller's lease of its Asterisk, taken before the websocket opens: two controllers would fight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, Protocol
from uuid import uuid4

import structlog

from desk.access.actor import SYSTEM, Actor
from desk.controllers.model import Load
from desk.database.deadline import within
from desk.database.errors import StorageUnavailable
from desk.errors import DeskError
from ivr.calls.seat import Seat

log = structlog.get_logger(__name__)

RENEW_EVERY: Final = 2.0  # seconds
AGAIN_AFTER: Final = 1.0  # seconds between two tries of a standby
ANSWER_WITHIN: Final = 2.0  # seconds


class LeaseDesk(Protocol):
    """The part of `desk.controllers.controllers.Controllers` used here."""

    async def take(self, by: Actor, /, asterisk_id: str, controller: str, load: Load) -> bool: ...

    async def renew(self, by: Actor, /, asterisk_id: str, controller: str, load: Load) -> bool: ...

    async def end(self, by: Actor, /, asterisk_id: str, controller: str) -> None: ...


class Lease:
    """The lease of one Asterisk, for this process.

    Without a database no one can hold a lease, and callers must not wait for it: then the first to connect serves. A
    controller that was replaced stands by until the database decides.
    """

    def __init__(
        self, leases: LeaseDesk, *, seat: Seat, load: Callable[[], Awaitable[Load]], is_ready: Callable[[], bool]
    ) -> None:
        """`load` is reported with each heartbeat. `is_ready`: whether the database may be used."""
        self.seat = seat  # held as long as this process lives
        self._leases = leases
        self._load = load
        self._is_ready = is_ready
        self._own = uuid4().hex
        self._asterisk_id = ""
        self._replaced = False

    @property
    def _name(self) -> str:
        return f"{self.seat.name}/{self._own}"

    async def admit(self, asterisk_id: str) -> None:
        """Return when this process may connect to that Asterisk; until then, stand by."""
        waiting = False
        self.seat.take()
        while not await self._may_connect(asterisk_id):
            if not waiting:
                log.warning("Standing by: another controller serves this Asterisk")
            waiting = True
            await asyncio.sleep(AGAIN_AFTER)
            self.seat.take()  # free when the one that serves from this folder has died
        self._asterisk_id, self._replaced = asterisk_id, False

    def replaced(self) -> None:
        """Handle that another controller has connected in our place."""
        self._replaced = True

    async def serve(self) -> NoReturn:
        """Renew the lease for ever. Another controller that holds it has connected, or will: we notice then."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            if not self._asterisk_id or self._replaced or not self._is_ready():
                continue
            try:
                load = await self._load()
                if not await within(ANSWER_WITHIN, self._leases.renew(SYSTEM, self._asterisk_id, self._name, load)):
                    await within(ANSWER_WITHIN, self._leases.take(SYSTEM, self._asterisk_id, self._name, load))
            except DeskError as error:
                log.info("Could not renew the lease", error=error.id)
            except Exception as error:
                log.error("Could not renew the lease", error=type(error).__name__)

    async def end(self) -> None:
        """End the lease, so that a successor connects at once."""
        self.seat.end()
        if not self._asterisk_id or self._replaced or not self._is_ready():
            return
        try:
            await within(ANSWER_WITHIN, self._leases.end(SYSTEM, self._asterisk_id, self._name))
        except DeskError as error:
            log.info("Could not end the lease", error=error.id)

    async def _may_connect(self, asterisk_id: str) -> bool:
        try:
            if not self._is_ready():
                raise StorageUnavailable
            load = await self._load()
            return await within(ANSWER_WITHIN, self._leases.take(SYSTEM, asterisk_id, self._name, load))
        except DeskError:
            if not self._replaced:
                log.warning("Connecting without a lease, because the database does not answer")
            return not self._replaced
