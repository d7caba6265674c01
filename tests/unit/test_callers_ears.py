"""What a test's caller says that they heard, when prompts start with the same words. The prompts are noise."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from ivr.prompts.levels import to_alaw
from ops.softphone.rtp import FRAME, RATE, Recording, Samples
from tests.support.phone.callers import LOOK_EVERY, Caller
from tests.unit.test_sip_phone import SILENCE, voice

THANKS = voice(30, 1.0)
SOUNDS = {
    "received": np.concatenate([THANKS, voice(31, 1)]),
    "number_added": np.concatenate([THANKS, voice(32, 2)]),
    "goodbye": voice(33, 1),
}


class Line:
    """A call whose sound arrives when the test says so."""

    def __init__(self) -> None:
        self.heard = Recording(time.time())
        self.ended = asyncio.Event()
        self._packets = 0

    def play(self, sound: Samples) -> None:
        data, now = to_alaw(sound), time.time()
        if not self._packets:
            self.heard.begin(now)
        for start in range(0, len(data), FRAME):
            self.heard.add(self._packets, self._packets * FRAME, data[start : start + FRAME], now)
            self._packets += 1


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def caller(line: Line, tmp_path: Path) -> Caller:
    for key, sound in SOUNDS.items():
        (tmp_path / f"{key}.alaw").write_bytes(to_alaw(sound))
    return Caller(line, tmp_path)  # type: ignore[arg-type]


def part(key: str, first: float, last: float) -> Samples:
    return SOUNDS[key][int(first * RATE) : int(last * RATE)]


async def test_hears_waits_until_the_prompts_differ(caller: Caller, line: Line) -> None:
    line.play(part("received", 0, 0.8))
    hearing = asyncio.create_task(caller.hears("received"))
    await asyncio.sleep(2 * LOOK_EVERY)
    assert not hearing.done()
    line.play(part("received", 0.8, 1.3))
    assert (await hearing).key == "received"
    assert await caller.heard() == ["received"]


async def test_hears_does_not_accept_the_other_prompt(caller: Caller, line: Line) -> None:
    line.play(np.concatenate([SOUNDS["number_added"], SILENCE, SOUNDS["received"]]))
    assert (await caller.hears("received")).start == pytest.approx(3.5, abs=0.02)


async def test_heard_waits_for_more_of_an_ambiguous_prompt(caller: Caller, line: Line) -> None:
    line.play(np.concatenate([SOUNDS["goodbye"], part("number_added", 0, 0.9)]))
    hearing = asyncio.create_task(caller.heard())
    await asyncio.sleep(2 * LOOK_EVERY)
    assert not hearing.done()
    line.play(part("number_added", 0.9, 1.4))
    assert await hearing == ["goodbye", "number_added"]


@pytest.mark.parametrize("key", ["received", "number_added"])
async def test_what_was_identified_holds_after_the_call(caller: Caller, line: Line, key: str) -> None:
    line.play(part("received", 0, 0.8))
    line.ended.set()
    assert (await caller.hears(key)).key == key
    assert await caller.heard() == [key]
