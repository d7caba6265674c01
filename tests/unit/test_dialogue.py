"""The caller's conversation, said and heard second by second on virtual time."""

import asyncio
import inspect
from dataclasses import replace

import pytest

from desk.callbacks.model import IncompleteStep, WhyEnded
from desk.database.errors import StorageUnavailable
from desk.departments.errors import DepartmentNotFound
from desk.numbers.phone_number import parse_phone
from desk.paths import ROOT
from ivr.dialogue import (
    caller,
    identity,
    phone,
    receipt,
    recording,
    second_call,
    simple_questions,
    speech,
    steps,
    unanswered,
)
from ivr.prompts.keys import Prompt
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    COMMIT_SECONDS,
    IDENTITY,
    KIRURGI,
    OPENING,
    OWN_NUMBER,
    RECEIPT,
    WRONG_IDENTITY,
    World,
)
from tests.support.synthetic import synthetic_identity

AGAIN = ["ask_identity_slow", "skip_identity"]


@on_virtual_time
async def test_a_good_number_is_registered_and_only_then_confirmed() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY, after=0.5)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.caller.left_to is None


@on_virtual_time
async def test_digits_keyed_during_the_welcome_end_it() -> None:
    world = World()
    world.caller.keys(IDENTITY, at=0.3, gap=0.1)
    await world.ring()
    assert world.prompts == ["welcome", *RECEIPT]
    assert world.caller.stopped[0] == pytest.approx(0.3)
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_hash_after_the_eleventh_digit_is_not_the_next_answer() -> None:
    world = World()
    world.caller.answers("ask_identity", f"{IDENTITY}#")
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]


@on_virtual_time
async def test_star_restarts_the_number() -> None:
    world = World()
    world.caller.answers("ask_identity", f"12345*{IDENTITY}")
    await world.ring()
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_wrong_identity_number_is_asked_for_again() -> None:
    world = World()
    world.caller.answers("ask_identity", WRONG_IDENTITY)
    world.caller.answers("ask_identity_slow", IDENTITY, after=0.5)
    await world.ring()
    assert world.prompts == [*OPENING, "identity_wrong", "ask_identity_slow", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_two_wrong_identity_numbers_continue_without_one() -> None:
    world = World()
    world.caller.answers("ask_identity", WRONG_IDENTITY)
    world.caller.answers("skip_identity", WRONG_IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "identity_wrong", *AGAIN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_rest_of_the_number_is_accepted_after_a_pause() -> None:
    """The birth date, a pause of seven seconds, then five more digits."""
    world = World()
    world.caller.answers("ask_identity", IDENTITY[:6])
    world.caller.keys(IDENTITY[6:], at=2 + 2.5 + 7)
    await world.ring()
    assert world.prompts == [*OPENING, "i_got", "digits_6", "key_rest", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@pytest.mark.parametrize(("kept", "waits"), [(6, 0.7), (5, 0.75 + 1.4)])
@on_virtual_time
async def test_receipt_after_a_pause_waits_longer_only_for_what_may_be_started_over(kept: int, waits: float) -> None:
    """The sixth digit is the first of the number again: five kept digits, and a rest that starts as they did."""
    identity = synthetic_identity(17)
    assert identity[5] == identity[0] != identity[6]
    world = World()
    gap = 0.4 if kept == 6 else 0.5
    world.caller.answers("ask_identity", identity[:kept])
    world.caller.answers("key_rest", identity[kept:], after=0.5, gap=gap)
    began = asyncio.get_running_loop().time()
    await world.ring()
    seconds = {prompt: second for second, prompt in world.caller.heard}
    last = seconds["key_rest"] - began + 0.5 + gap * (10 - kept)
    assert seconds["received"] - began == pytest.approx(last + waits + COMMIT_SECONDS)
    assert world.stored == (identity, OWN_NUMBER)


@on_virtual_time
async def test_caller_who_starts_over_after_a_pause_is_understood() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY[:6])
    world.caller.answers("key_rest", IDENTITY, after=0.5)
    await world.ring()
    assert world.prompts == [*OPENING, "i_got", "digits_6", "key_rest", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_digits_that_cannot_become_a_number_are_asked_for_again() -> None:
    world = World()
    world.caller.answers("ask_identity", "39128")
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "i_got", "digits_5", "should_be_eleven", *AGAIN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_silence_twice_continues_without_an_identity_number() -> None:
    world = World()
    await world.ring()
    assert world.prompts == [*OPENING, "skip_identity", "no_keys", *AGAIN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)
    seconds = {prompt: second for second, prompt in world.caller.heard}
    assert seconds["no_keys"] - seconds["ask_identity"] == pytest.approx(1 + 1 + 8)
    assert seconds["received"] - seconds["skip_identity"] == pytest.approx(1 + 12 + COMMIT_SECONDS)


@on_virtual_time
async def test_hash_pressed_twice_skips_the_number() -> None:
    world = World()
    world.caller.answers("ask_identity", "#")
    world.caller.answers("confirm_skip", "#")
    await world.ring()
    assert world.prompts == [*OPENING, "confirm_skip", *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_number_keyed_after_a_hash_is_accepted() -> None:
    world = World()
    world.caller.answers("ask_identity", f"#{IDENTITY}")
    await world.ring()
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_required_identity_number_cannot_be_skipped_but_no_caller_is_turned_away() -> None:
    world = World(department=replace(KIRURGI, identity="required"))
    world.caller.answers("ask_identity", "#")
    world.caller.answers("ask_identity_slow", "#")
    await world.ring()
    assert world.prompts == [*OPENING, "no_keys", "ask_identity_slow", *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_identity_number_is_not_asked_for_where_it_is_off() -> None:
    world = World(department=replace(KIRURGI, identity="off"))
    await world.ring()
    assert world.prompts == ["welcome", "emergency", *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_synthetic_numbers_are_refused_in_production() -> None:
    world = World(environment="production")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts[3:6] == ["identity_wrong", *AGAIN]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_zero_pressed_twice_reaches_the_switchboard() -> None:
    world = World()
    world.caller.answers("ask_identity", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.prompts == [*OPENING, "confirm_person", "to_switchboard"]
    assert world.caller.left_to == ("switchboard", "s")
    assert world.caller.heard[3][0] == pytest.approx(2 + 4)
    assert world.stored is None


@pytest.mark.parametrize("pause", [3.0, 5.0, 8.0])
@on_virtual_time
async def test_number_that_starts_with_zero_is_accepted_after_a_pause(pause: float) -> None:
    """The caller was born on one of the first nine days of a month."""
    number = next(n for n in map(synthetic_identity, range(200)) if n.startswith("0"))
    world = World()
    world.caller.answers("ask_identity", "0")
    world.caller.keys(number[1:], at=2 + pause)
    await world.ring()
    assert world.stored == (number, OWN_NUMBER)
    assert world.caller.left_to is None


@on_virtual_time
async def test_number_started_over_when_asked_to_confirm_zero_is_accepted() -> None:
    number = next(n for n in map(synthetic_identity, range(200)) if n.startswith("0"))
    world = World()
    world.caller.answers("ask_identity", "0")
    world.caller.answers("confirm_person", number, after=0.5)
    await world.ring()
    assert world.stored == (number, OWN_NUMBER)


@on_virtual_time
async def test_zero_after_the_receipt_reaches_the_switchboard_and_the_callback_is_kept() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT, "confirm_person", "to_switchboard"]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@pytest.mark.parametrize("error", [StorageUnavailable(), DepartmentNotFound()])
@on_virtual_time
async def test_failure_to_store_is_announced_and_the_switchboard_takes_over(error: Exception) -> None:
    world = World()
    world.desk.failing = error  # type: ignore[assignment]
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "storage_down", "to_switchboard"]
    assert world.caller.left_to == ("switchboard", "s")


@on_virtual_time
async def test_call_resumed_after_its_commit_hears_the_receipt() -> None:
    """The desk answers a replay with what it stored: not created now, with one call."""
    world = World()
    world.desk.open = world.desk.new(parse_phone(OWN_NUMBER), call_count=0)
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]


@pytest.mark.parametrize(
    ("second", "step"),
    [
        (0.5, IncompleteStep.WELCOME),
        (2.8, IncompleteStep.WELCOME),
        (5.0, IncompleteStep.IDENTITY),  # after five digits
    ],
)
@on_virtual_time
async def test_hang_up_before_the_commit_stores_no_callback_but_its_step(second: float, step: IncompleteStep) -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY, after=0.9)
    world.caller.hangs_up(at=second)
    await world.ring()
    assert world.hung_up
    assert world.call.interrupted_at == step
    assert world.stored is None
    assert "received" not in world.prompts


@pytest.mark.parametrize("second", [0.1, 0.5, 2.0])  # before a surplus key is ruled out, and while it is stored
@on_virtual_time
async def test_hang_up_after_the_eleventh_digit_keeps_the_callback(second: float) -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY, after=0)
    world.caller.hangs_up(at=2 + 5 + second)
    await world.ring()
    assert world.hung_up
    assert world.call.interrupted_at == IncompleteStep.CONFIRMATION
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.prompts == OPENING


@on_virtual_time
async def test_receipt_waits_only_for_surplus_keys_and_the_commit() -> None:
    """The wait for surplus keys is the only one: a quick caller waits 0.7 s, the slowest 1.6 s."""
    for gap, settled in ((0.1, 0.7), (0.5, 0.75), (4.0, 1.6)):
        world = World()
        began = asyncio.get_running_loop().time()
        world.caller.keys(IDENTITY, at=2, gap=gap)
        await world.ring()
        seconds = {prompt: second for second, prompt in world.caller.heard}
        assert seconds["received"] - began == pytest.approx(2 + 10 * gap + settled + COMMIT_SECONDS)


@on_virtual_time
async def test_a_hang_up_during_the_receipt_keeps_the_callback() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY, after=0)
    world.caller.hangs_up(at=2 + 5 + 0.75 + 2.5 + 1.5)
    await world.ring()
    assert world.hung_up
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.prompts[-2:] == ["received", "ring_number"]


@pytest.mark.parametrize("surplus", ["0", "9", "1", "5", "#"])
@on_virtual_time
async def test_surplus_key_after_a_wrong_number_cuts_nothing_off(surplus: str) -> None:
    world = World()
    world.caller.answers("ask_identity", WRONG_IDENTITY + surplus, gap=0.9)
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "identity_wrong", *AGAIN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@pytest.mark.parametrize("gap", [0.1, 0.6, 1.3])
@pytest.mark.parametrize("place", [0, 4, 10])
@on_virtual_time
async def test_doubled_key_is_left_out(place: int, gap: float) -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY[: place + 1] + IDENTITY[place:], gap=gap)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


def test_every_prompt_is_played_somewhere() -> None:
    """By a dialogue, the controller or the dialplan. A prompt that is never played should not be recorded."""
    modules = (caller, identity, phone, receipt, recording, second_call, simple_questions, speech, steps, unanswered)
    sources = "".join(inspect.getsource(module) for module in modules)
    files = ("dialplan/extensions.conf", "ivr/calls/controller.py", "ivr/calls/playback.py", "ivr/asterisk/channel.py")
    elsewhere = "".join((ROOT / file).read_text("utf-8") for file in files)
    unsaid = [
        prompt
        for prompt in Prompt
        if f"Prompt.{prompt.name}" not in sources
        and f"innringing/{prompt.value}" not in elsewhere
        and f'"{prompt.value}"' not in elsewhere
    ]
    assert unsaid == []


@on_virtual_time
async def test_fax_machine_gets_no_promise_and_is_recorded() -> None:
    world = World()
    world.call.recovered = world.call.fax_tone = True
    await world.ring()
    assert world.prompts[0] == "recovered"
    assert world.prompts[-1] == "fax"
    assert world.stored is None
    assert world.desk.ended == [(IncompleteStep.WELCOME, WhyEnded.FAX, OWN_NUMBER)]


@on_virtual_time
async def test_person_on_a_whistling_line_is_served_as_anyone() -> None:
    world = World()
    world.call.recovered = world.call.fax_tone = True
    world.caller.answers("ask_identity", IDENTITY, after=1)
    await world.ring()
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert "received" in world.prompts and "fax" not in world.prompts
