"""Fax machines, and people whose line sounds like one."""

import math
from functools import cache

import numpy as np

from ivr.prompts.levels import to_alaw
from ops.softphone.rtp import RATE
from tests.support.phone.callers import Caller
from tests.support.phone.floor import OPENING, Floor, Story, masked
from tests.support.synthetic import synthetic_identity

CNG, SECONDS, PAUSE = 1100, 0.5, 3.0
"""The tone of a calling fax machine (ITU-T T.30): Hz, its length, and the silence after it."""


@cache
def calling_tone() -> bytes:
    """One tone and the silence after it, as A-law."""
    tone = 0.15 * np.sin(2 * math.pi * CNG * np.arange(round(SECONDS * RATE)) / RATE)
    return to_alaw(tone) + b"\xd5" * round(PAUSE * RATE)


def send_tones(caller: Caller, times: int) -> None:
    caller.call.stream.say(calling_tone() * times)


async def fax_machine_gets_no_promise(floor: Floor) -> None:
    async with floor.rings("+4768050281") as caller:
        send_tones(caller, 30)
        await caller.hears("fax")
        await caller.ends()
        assert "received" not in await caller.heard()
    call = await floor.call("+4768050281", "welcome")
    assert (call["why"], call["incomplete"]) == ("fax", True)
    assert await floor.callbacks("+4768050281") == []


async def person_on_a_line_that_whistles_like_a_fax_is_served(floor: Floor) -> None:
    async with floor.rings("+4768050282") as caller:
        send_tones(caller, 2)
        await caller.hears(*OPENING)
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(282))
        await caller.hears("change_number")
    assert (await floor.callback("+4768050282"))["patient"] == masked(282)


STORIES: tuple[Story, ...] = (fax_machine_gets_no_promise, person_on_a_line_that_whistles_like_a_fax_is_served)
