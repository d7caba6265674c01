"""Callers with unique numbers: right, wrong, corrected, one after another, keyed in two ways."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from tests.support.canaries.numbers import identities
from tests.support.machine.system import System
from tests.support.phone.callers import Caller, ringing

OPENING = ("welcome", "emergency", "ask_identity")
PEOPLE = identities()[9_000:9_026]
WRONG = PEOPLE[25][:10] + str((int(PEOPLE[25][10]) + 1) % 10)
KEYED = [*PEOPLE, WRONG]
BY_COMMAND = PEOPLE[24]
LINES = 3
"""Simultaneous calls: two cores can recognise the sound of all of them, even while two other tests run."""

HAND_TO_HANG_UP = 0.4
"""Seconds from a last key to a hang-up. Asterisk spaces out keys that come fast, and a hang-up overtakes the last."""


@dataclass
class Calls:
    """Calls the system: some at once, the others when a line is free."""

    system: System
    lines: asyncio.Semaphore

    def rings(self, phone: str, *, withheld: bool = False) -> AbstractAsyncContextManager[Caller]:
        return ringing(self.system.settings, "2000", phone, withheld=withheld)

    async def leaves_a_number(self, phone: str, person: str, *, info: bool = False) -> None:
        async with self.lines, self.rings(phone) as caller:
            await caller.hears(*OPENING)
            await caller.keys(person, info=info)
            await caller.hears("received", "already_on_list")

    async def is_hidden(self, phone: str, person: str, keyed: str, *, info: bool = False) -> None:
        """Keys the phone number too."""
        async with self.lines, self.rings(phone, withheld=True) as caller:
            await caller.hears(*OPENING)
            await caller.keys(person, info=info)
            await caller.hears("ask_phone")
            await caller.keys(keyed, info=info)
            await caller.hears("received")

    async def is_wrong_first(self, phone: str, wrong: str, person: str) -> None:
        async with self.lines, self.rings(phone) as caller:
            await caller.hears(*OPENING)
            await caller.keys(wrong)
            heard = await caller.hears("identity_wrong")
            await caller.hears("ask_identity_slow", "skip_identity", after=heard.start)
            await caller.keys(person)
            await caller.hears("received")

    async def starts_over(self, phone: str, first: str, person: str) -> None:
        async with self.lines, self.rings(phone) as caller:
            await caller.hears(*OPENING)
            await caller.keys(f"{first[:10]}*{person}")
            await caller.hears("received")

    async def changes_the_phone(self, phone: str, person: str, keyed: str) -> None:
        async with self.lines, self.rings(phone) as caller:
            await caller.hears(*OPENING)
            await caller.keys(person)
            read = await caller.hears("change_number")
            await caller.keys("1")
            await caller.hears("ask_phone", after=read.start)
            await caller.keys(keyed)
            await caller.hears("may_hang_up")

    async def keys_and_hangs_up(self, phone: str, keys: Sequence[str], *, info: bool = False) -> None:
        """Keys one number after another, whatever the question."""
        async with self.lines, self.rings(phone) as caller:
            await caller.hears(*OPENING)
            for each in keys:
                await caller.keys(each, info=info)
            await asyncio.sleep(HAND_TO_HANG_UP)


STORED_BY_A_FEW = {"+4768050701": PEOPLE[0], "+4768050702": PEOPLE[1], "+4768050703": PEOPLE[2]}
STORED_BY_MANY = STORED_BY_A_FEW | {
    "+4768050721": PEOPLE[3],
    "+4768050722": PEOPLE[4],
    "+4768050705": PEOPLE[5],
    "+4768050706": PEOPLE[7],
    "+4768050723": PEOPLE[8],
    "+4768050707": PEOPLE[9],
    "+4768050708": PEOPLE[16],
}
"""The callers whose callbacks are stored, by phone number."""


def a_few(calls: Calls) -> list[Coroutine[Any, Any, None]]:
    """Callers of both ways of keying, and one who hangs up at the last digit."""
    return [
        calls.leaves_a_number("+4768050701", PEOPLE[0]),
        calls.leaves_a_number("+4768050702", PEOPLE[1], info=True),
        calls.keys_and_hangs_up("+4768050703", [PEOPLE[2]]),
    ]


def many(calls: Calls) -> list[Coroutine[Any, Any, None]]:
    """The same, and all other ways to give an identity number."""
    return [
        calls.keys_and_hangs_up("+4768050707", PEOPLE[9:16]),
        calls.keys_and_hangs_up("+4768050708", PEOPLE[16:23], info=True),
        *a_few(calls),
        calls.is_hidden("+4768050711", PEOPLE[3], "68050721"),
        calls.is_hidden("+4768050712", PEOPLE[4], "68050722", info=True),
        calls.is_wrong_first("+4768050705", WRONG, PEOPLE[5]),
        calls.starts_over("+4768050706", PEOPLE[6], PEOPLE[7]),
        calls.changes_the_phone("+4768050709", PEOPLE[8], "68050723"),
        calls.keys_and_hangs_up("+4768050710", [PEOPLE[23][:10]]),
    ]
