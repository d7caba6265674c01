"""What batched claims and completions have in common: reading the rows that their statement has changed."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from desk.access.actor import SYSTEM, Actor
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading
from desk.inquiries.channel import InquiryChannel
from desk.inquiries.model import Inquiry
from desk.inquiries.repository import values_for

T = TypeVar("T", bound=Inquiry)


class Batched(Service, Generic[T]):
    """Requests of many agents, answered by one statement on the driver."""

    def __init__(self, *, database: Database, clock: Clock, channel: InquiryChannel[T]) -> None:
        super().__init__(database=database, clock=clock)
        self._channel = channel

    async def _read(self, rows: Sequence[Any], actors: Sequence[Actor]) -> dict[int, T]:
        """Read rows of `with_own` by their `n`, each shown to that one of the actors, counted from 1.

        The channel's values are read again if others changed the inquiry while the statement ran.
        """
        found = {row.n: self._channel.read(values_for(actors[row.n - 1], row), row) for row in rows}
        outdated = {row.n: found[row.n] for row in rows if row.version != row.before + 1}
        if outdated:
            found |= zip(outdated, await self._read_again(SYSTEM, list(outdated.values())), strict=True)
        return found

    @reading
    async def _read_again(self, unit: Unit, inquiries: Sequence[T]) -> list[T]:
        return await self._channel.show(unit, inquiries)
