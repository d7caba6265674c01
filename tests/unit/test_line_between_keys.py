"""Between keys a paused playback keeps the line open, because Asterisk reads late keys twice while nothing plays."""

import asyncio

from ivr.asterisk.errors import AriTimeout
from ivr.calls.call import Keys
from ivr.calls.rescue import AT_LEAST, RESCUE_AFTER
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import on_virtual_time

PROMPTS = {"question": 4.0, "receipt": 2.0}


def now() -> float:
    return asyncio.get_running_loop().time()


@on_virtual_time
async def test_question_is_paused_by_the_first_key_and_stopped_before_the_next_prompt() -> None:
    caller = FakeChannel(durations=PROMPTS)
    call = caller.call()
    caller.keys("12", at=1.0)
    assert (await call.ask("question", digits=2, first=5, between=3)).digits == "12"
    assert caller.requests == ["set_rescue", "play", "pause"]
    assert await caller.playing(f"{caller.id}-prompt-0")
    caller.requests.clear()
    await call.play("receipt")
    assert caller.requests[0] == "stop", "Asterisk plays what is sent behind it, and sets no time limit"
    assert caller.stopped == [1.0]
    assert caller.heard[-1] == (1.5, "receipt")


@on_virtual_time
async def test_question_that_a_key_meets_at_its_very_end_holds_nothing() -> None:
    caller = FakeChannel(durations=PROMPTS)
    call = caller.call()
    caller.keys("1", at=1.0)
    assert await call.ask("question", digits=1, first=5, between=3) == Keys("1", "complete")
    call.playback_finished(f"{caller.id}-prompt-0", "done")
    caller.requests.clear()
    await call.play("receipt")
    assert "stop" not in caller.requests


@on_virtual_time
async def test_question_that_cannot_be_paused_is_stopped() -> None:
    caller = FakeChannel(durations=PROMPTS)
    call = caller.call()
    caller.failing["pause"] = AriTimeout("TimeoutError")
    caller.keys("1", at=1.0)
    assert await call.ask("question", digits=1, first=5, between=3) == Keys("1", "complete")
    assert caller.stopped == [1.0]


@on_virtual_time
async def test_time_limit_is_left_alone_between_keys_until_it_is_near() -> None:
    caller = FakeChannel(durations=PROMPTS)
    call = caller.call()
    caller.keys("1" * 30, at=3.0, gap=1.0)
    asking = asyncio.create_task(call.ask("question", digits=30, first=10, between=3))
    limits = []
    for _ in range(30):
        await asyncio.sleep(1)
        call.keep_from_rescue()
        assert caller.rescue_at is not None
        limits.append(caller.rescue_at)
    assert (await asking).digits == "1" * 30
    assert all(limit - second >= AT_LEAST - 1 for second, limit in enumerate(limits, 1)), "no caller was taken away"
    assert caller.requests.count("stop") == 1, "the paused question, when its limit was near"
    assert limits[0] > 4.0 + 10.0
    assert limits[-1] <= now() + RESCUE_AFTER


@on_virtual_time
async def test_line_is_let_go_before_a_recording_and_before_the_caller_leaves() -> None:
    caller = FakeChannel(durations=PROMPTS)
    call = caller.call()
    caller.keys("1", at=1.0)
    await call.ask("question", digits=1, first=5, between=3)
    caller.requests.clear()
    await call.record("about", longest=20, silence=2)
    assert caller.requests.index("stop") < caller.requests.index("record")
    caller.keys("0", at=1.0)
    await call.ask("question", digits=1, first=5, between=3)
    caller.requests.clear()
    await call.to_switchboard()
    assert caller.requests == ["stop", "leave"]
