"""The people behind the trunk, each of whom answers the phone in a way of their own, and the agents' phones."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from tests.support.phone.dial_system import Exchange, called, shown

REGISTER_EVERY: Final = 100.0
"""Seconds; a registration is for 300."""


class Reply(StrEnum):
    """What comes of a call, as the agent hears it."""

    REACHED = "reached"
    BUSY = "busy"
    SILENT = "no_answer"
    MACHINE = "voicemail"
    WRONG = "wrong_number"

    @property
    def lifts(self) -> bool:
        """Whether someone, or something, answers."""
        return self not in (Reply.BUSY, Reply.SILENT)


@dataclass
class Town:
    """The phones of everyone. `rang`: what each phone was called with, by whom it was shown, in order."""

    replies: Mapping[str, list[Reply]]
    rang: defaultdict[str, list[Reply | None]] = field(default_factory=lambda: defaultdict(list))
    at_desks: dict[str, PhoneCall] = field(default_factory=dict)

    async def hangs_up(self, shown_number: str) -> None:
        """The agent whose department shows that number puts the phone down."""
        await self.at_desks[shown_number].hang_up()

    async def at_home(self, phone: Phone) -> None:
        """Answer each call to a patient as that one does. A number that no one expects is not in use."""
        while True:
            call = await phone.incoming()
            number = called(call)
            turn, replies = len(self.rang[number]), self.replies.get(number, [])
            reply = replies[turn] if turn < len(replies) else None
            self.rang[number].append(reply)
            if reply is None:
                call.refuse(404, "Not Found")
            elif reply.lifts:
                call.answer()
            elif reply is Reply.BUSY:
                call.refuse()

    async def at_work(self, phone: Phone) -> None:
        """Answer each call to an agent's phone."""
        while True:
            call = await phone.answer()
            self.at_desks[shown(call)] = call

    async def registered(self, phone: Phone) -> None:
        """Register an agent's phone again before its registration ends, as every phone does."""
        while True:
            await asyncio.sleep(REGISTER_EVERY)
            await phone.register()


@asynccontextmanager
async def town(exchange: Exchange, replies: Mapping[str, list[Reply]]) -> AsyncIterator[Town]:
    """Everyone is at the phone until the end of the block."""
    living = Town(replies)
    async with exchange.phones() as (desk_phone, patient):
        lives = (living.at_home(patient), living.at_work(desk_phone), living.registered(desk_phone))
        tasks = [asyncio.create_task(each) for each in lives]
        try:
            yield living
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
