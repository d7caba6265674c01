"""What a dialogue can do with a call, second by second on virtual time."""

import asyncio

import pytest

from desk.callbacks.model import IncompleteStep
from ivr.asterisk.errors import AriError, AriUnavailable, ChannelGone, NotInStasis, WrongState
from ivr.calls.call import CallerHungUp, CallerId, Keys
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import on_virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@on_virtual_time
async def test_play_sends_all_prompts_in_one_request_and_returns_when_they_end() -> None:
    caller = FakeChannel(durations={"vi_ringer_deg": 2.0, "i_dag": 0.5})
    await caller.call().play("vi_ringer_deg", "i_dag")
    assert caller.heard == [(0.0, "vi_ringer_deg"), (2.0, "i_dag")]
    assert now() == pytest.approx(2.5)
    assert caller.requests == ["set_rescue", "play"], "a new caller has two seconds, less than the prompts"


@on_virtual_time
async def test_playing_no_prompts_sends_no_request() -> None:
    caller = FakeChannel()
    await caller.call().play()
    assert caller.requests == []


@on_virtual_time
async def test_collect_ends_with_the_last_digit() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.keys("12345678901", at=1.0)
    keys = await call.collect(digits=11, first=5, between=3)
    assert (keys.digits, keys.ended) == ("12345678901", "complete")
    assert now() == pytest.approx(6.0)


@on_virtual_time
async def test_collect_gives_up_on_silence_and_on_a_caller_who_stops() -> None:
    caller = FakeChannel()
    call = caller.call()
    assert await call.collect(digits=11, first=5, between=3) == Keys("", "silence")
    assert now() == pytest.approx(5)
    caller.keys("12", at=1.0)
    assert await call.collect(digits=11, first=5, between=3) == Keys("12", "timeout")
    assert now() == pytest.approx(5 + 1.5 + 3)


@on_virtual_time
async def test_hash_ends_the_input_and_star_starts_over_with_the_first_limit() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.keys("99*12#")
    assert await call.collect(digits=11, first=5, between=3) == Keys("12", "hash", restarted=True)
    caller.keys("#")
    assert await call.collect(digits=11, first=5, between=3) == Keys("", "hash")
    start = now()
    caller.keys("1*")
    assert await call.collect(digits=11, first=5, between=3) == Keys("", "silence", restarted=True)
    assert now() - start == pytest.approx(0.5 + 5)


@on_virtual_time
async def test_digits_keyed_ahead_are_kept_between_prompts() -> None:
    caller = FakeChannel(durations={"welcome": 10.0})
    call = caller.call()
    caller.keys("12345678901", at=0.5, gap=0.1)
    await call.play("welcome")
    assert (await call.collect(digits=5, first=5, between=3)).digits == "12345"
    assert (await call.collect(digits=6, first=5, between=3)).digits == "678901"
    assert now() == pytest.approx(10)


@on_virtual_time
async def test_key_ends_an_interruptible_prompt_and_is_kept() -> None:
    caller = FakeChannel(durations={"welcome": 10.0})
    call = caller.call()
    caller.keys("12", at=2.0)
    assert await call.ask("welcome", digits=2, first=5, between=3) == Keys("12", "complete")
    assert caller.stopped == [2.0]


@on_virtual_time
async def test_key_pressed_during_the_play_request_ends_the_prompt() -> None:
    caller = FakeChannel(durations={"welcome": 10.0})
    call = caller.call()
    play = caller.play

    async def slow(*args: object) -> None:
        await asyncio.sleep(0.2)
        await play(*args)  # type: ignore[arg-type]

    caller.play = slow  # type: ignore[method-assign,assignment]
    caller.keys("1", at=0.1)
    assert await call.ask("welcome", digits=1, first=5, between=3) == Keys("1", "complete")
    assert caller.stopped == [pytest.approx(0.2)]


@on_virtual_time
async def test_a_prompt_is_skipped_when_its_answer_was_keyed_ahead() -> None:
    caller = FakeChannel()
    call = caller.call()
    call.key_pressed("1")
    assert await call.ask("question", digits=1, first=5, between=3) == Keys("1", "complete")
    assert caller.heard == []


@on_virtual_time
async def test_question_and_the_silence_in_which_it_is_answered_are_one_playback() -> None:
    """Where a playback ends in the middle of a key press, Asterisk reports the key twice."""
    caller = FakeChannel(durations={"ask": 3.0})
    call, began = caller.call(), now()
    caller.keys("7", at=9.5)
    keys = await call.ask("ask", digits=1, first=8, between=2)
    assert keys.digits == "7"
    assert caller.requests.count("play") == 1
    assert caller.stopped == [began + 9.5], "it was still on"


@on_virtual_time
async def test_forgetting_keys_lets_the_next_prompt_be_heard() -> None:
    caller = FakeChannel()
    call = caller.call()
    call.key_pressed("1")
    call.forget_keys()
    assert await call.ask("question", digits=1, first=5, between=3) == Keys("", "silence")
    assert caller.prompts == ["question"]


@on_virtual_time
async def test_stopping_a_finished_prompt_succeeds() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.failing["pause"] = caller.failing["stop"] = ChannelGone()
    caller.keys("1", at=0.5)
    assert await call.ask("question", digits=1, first=5, between=3) == Keys("1", "complete")
    assert call.live


@on_virtual_time
async def test_a_hash_after_a_full_number_does_not_answer_the_next_question() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.keys("12345#")
    assert (await call.collect(digits=5, first=5, between=3)).ended == "complete"
    assert await call.ask("next", digits=1, first=2, between=2) == Keys("", "silence")
    for key in "12345#":
        call.key_pressed(key)
    assert (await call.collect(digits=5, first=5, between=3)).ended == "complete"
    assert await call.collect(digits=1, first=2, between=2) == Keys("", "silence")
    await asyncio.sleep(5)
    caller.keys("#", at=1)
    assert await call.collect(digits=1, first=2, between=2) == Keys("", "hash")


@on_virtual_time
async def test_unknown_keys_are_ignored() -> None:
    call = FakeChannel().call()
    for key in ("A", "D", "", "12", "é", "²"):
        call.key_pressed(key)
    assert await call.collect(digits=1, first=1, between=1) == Keys("", "silence")


@on_virtual_time
async def test_hang_up_is_raised_from_every_wait_of_the_dialogue() -> None:
    for wait in (
        lambda call: call.play("welcome"),
        lambda call: call.collect(digits=11, first=60, between=60),
        lambda call: call.ask("welcome", digits=11, first=60, between=60),
    ):
        caller = FakeChannel(durations={"welcome": 4.0})
        call = caller.call()
        start = now()
        caller.hangs_up(at=2)
        with pytest.raises(CallerHungUp):
            await wait(call)
        assert now() - start == pytest.approx(2)
        assert not call.live
        with pytest.raises(CallerHungUp):
            await wait(call)
        with pytest.raises(CallerHungUp):
            await call.to_switchboard()
        await call.hangup()  # nothing is left to do, and nothing is raised
        assert "hangup" not in caller.requests


@on_virtual_time
async def test_hang_up_during_a_request_is_raised() -> None:
    caller = FakeChannel()
    call = caller.call()

    async def slow(*_: object) -> None:
        await asyncio.sleep(1)

    caller.play = slow  # type: ignore[method-assign,assignment]
    caller.hangs_up(at=0.5)
    with pytest.raises(CallerHungUp):
        await call.play("welcome")


@pytest.mark.parametrize("error", [ChannelGone(), NotInStasis()])
def test_request_for_a_missing_channel_is_a_hang_up(error: AriError) -> None:
    @on_virtual_time
    async def scenario() -> None:
        for request, wait in (("play", lambda call: call.play("a")), ("leave", lambda call: call.to_switchboard())):
            caller = FakeChannel()
            caller.failing[request] = error
            call = caller.call()
            with pytest.raises(CallerHungUp):
                await wait(call)
            assert not call.live

    scenario()


@on_virtual_time
async def test_events_after_the_end_change_nothing() -> None:
    call = FakeChannel().call()
    call.ended()
    call.ended()
    call.key_pressed("1")
    call.playback_finished("unknown", "done")
    call.events_lost()
    assert not call.live


@on_virtual_time
async def test_failed_prompt_is_skipped() -> None:
    caller = FakeChannel()
    caller.failed_prompts.add("missing")
    call = caller.call()
    await call.play("missing")
    await call.play("welcome")
    assert caller.prompts == ["missing", "welcome"]
    caller.failing["play"] = WrongState()
    await call.play("welcome")
    assert call.live


@on_virtual_time
async def test_lost_asterisk_ends_the_conversation_but_not_the_call() -> None:
    caller = FakeChannel()
    caller.failing["play"] = AriUnavailable()
    call = caller.call()
    with pytest.raises(AriUnavailable):
        await call.play("welcome")
    assert call.live


@on_virtual_time
async def test_prompt_without_an_end_event_does_not_hold_the_caller() -> None:
    caller = FakeChannel()
    caller.silent_failures.add("welcome")
    await caller.call().play("welcome")
    assert now() == pytest.approx(15)
    assert caller.requests == ["set_rescue", "play", "playing"]


@on_virtual_time
async def test_prompt_that_never_ends_is_abandoned() -> None:
    caller = FakeChannel(durations={"welcome": 10_000.0})
    await caller.call().play("welcome")
    assert now() == pytest.approx(90)
    assert caller.requests[-1] == "stop"


@on_virtual_time
async def test_a_long_prompt_is_heard_to_its_end() -> None:
    caller = FakeChannel(durations={"welcome": 42.0})
    await caller.call().play("welcome")
    assert now() == pytest.approx(42)


@on_virtual_time
async def test_playback_is_not_awaited_after_a_lost_connection() -> None:
    caller = FakeChannel(durations={"welcome": 30.0})
    call = caller.call()
    caller.silent_failures.add("welcome")  # it ended while we were away
    asyncio.get_running_loop().call_later(3, call.events_lost)
    await call.play("welcome")
    assert now() == pytest.approx(3)
    assert call.live


@on_virtual_time
async def test_prompt_that_plays_on_after_a_lost_connection_is_heard_to_its_end() -> None:
    caller = FakeChannel(durations={"welcome": 30.0})
    call = caller.call()
    for second in (3, 4):
        asyncio.get_running_loop().call_later(second, call.events_lost)
    await call.play("welcome")
    assert now() == pytest.approx(30)
    assert caller.prompts == ["welcome"]


@on_virtual_time
async def test_question_goes_on_after_a_lost_connection_and_hears_keys() -> None:
    caller = FakeChannel(durations={"ask": 10.0})
    call = caller.call()
    asyncio.get_running_loop().call_later(3, call.events_lost)
    caller.keys("12", at=6)
    assert (await call.ask("ask", digits=2, first=8, between=5)).digits == "12"
    assert caller.stopped == [pytest.approx(6)]


@on_virtual_time
async def test_silence_for_keys_is_stopped_after_a_lost_connection() -> None:
    caller = FakeChannel(durations={"ask": 10.0})
    call = caller.call()
    asyncio.get_running_loop().call_later(12, call.events_lost)  # the caller may have keyed everything by now
    assert (await call.ask("ask", digits=2, first=8, between=5)).ended == "silence"
    assert now() == pytest.approx(12)
    assert caller.stopped == [pytest.approx(12)], "the next question must not wait behind it"


@on_virtual_time
async def test_the_end_of_an_older_playback_does_not_end_the_new_one() -> None:
    caller = FakeChannel(durations={"welcome": 5.0})
    call = caller.call()
    asyncio.get_running_loop().call_later(1, call.playback_finished, "an-older-one", "done")
    await call.play("welcome")
    assert now() == pytest.approx(5)


@on_virtual_time
async def test_switchboard_takes_over_the_caller() -> None:
    caller = FakeChannel()
    call = caller.call()
    await call.to_switchboard()
    assert caller.left_to == ("switchboard", "s")
    with pytest.raises(CallerHungUp):
        await call.play("welcome")
    await call.hangup()
    assert not caller.hung_up


@on_virtual_time
async def test_interruption_is_recorded_with_the_innermost_step() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.hangs_up(at=1)
    with call.at(IncompleteStep.WELCOME):
        pass
    with pytest.raises(CallerHungUp), call.at(IncompleteStep.CONFIRMATION), call.at(IncompleteStep.PHONE):
        await call.collect(digits=1, first=5, between=5)
    assert call.interrupted_at is IncompleteStep.PHONE


@on_virtual_time
async def test_call_is_idle_while_nothing_plays_and_no_key_is_expected() -> None:
    caller = FakeChannel(durations={"welcome": 10.0})
    call = caller.call()
    playing = asyncio.ensure_future(call.play("welcome"))
    await asyncio.sleep(7)
    assert call.idle == 0
    await playing
    await asyncio.sleep(4)
    assert call.idle == pytest.approx(4)


def test_repr_hides_the_keyed_digits_and_the_caller() -> None:
    assert "123" not in repr(Keys("12345", "complete"))
    assert str(Keys("12345", "complete")) == "Keys(5 digits, complete)"
    assert "6805" not in repr(CallerId("+4768050001"))


@on_virtual_time
async def test_long_message_uses_several_playbacks_and_a_key_ends_them_all() -> None:
    caller = FakeChannel()
    call = caller.call()
    said = [f"digit_{n % 10}" for n in range(25)]
    await call.play(*said)
    assert caller.prompts == said
    assert caller.requests.count("play") == 3, "between them Asterisk puts the time limit ahead"
    caller.keys("7", at=12.5)
    await call.play(*said, barge_in=True)
    assert caller.prompts[25:] == said[:13]
