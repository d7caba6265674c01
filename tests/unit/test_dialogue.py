"""The caller's conversation, said and heard second by second on virtual time."""

import inspect
from dataclasses import replace
from datetime import timedelta

import pytest

from desk.callbacks.model import IncompleteStep
from desk.database.errors import StorageUnavailable
from desk.departments.errors import DepartmentNotFound
from desk.numbers.phone_number import parse_phone
from desk.paths import ROOT
from ivr.dialogue import caller, recording, second_call, simple_questions, speech, steps
from ivr.prompts.keys import Prompt
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    IDENTITY,
    KIRURGI,
    OPENING,
    OWN_NUMBER,
    READ_BACK_OWN,
    RECEIPT,
    TODAY_BY_15,
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
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.caller.left_to is None


@on_virtual_time
async def test_digits_keyed_during_the_welcome_end_it() -> None:
    world = World()
    world.caller.keys(IDENTITY, at=0.3, gap=0.1)
    await world.ring()
    assert world.prompts == ["welcome", *READ_BACK_OWN, *RECEIPT]
    assert world.caller.stopped == [pytest.approx(0.3)]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_hash_after_the_eleventh_digit_is_not_the_next_answer() -> None:
    world = World()
    world.caller.answers("ask_identity", f"{IDENTITY}#")
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *RECEIPT]


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
    world.caller.answers("ask_identity_slow", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "identity_wrong", "ask_identity_slow", *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_two_wrong_identity_numbers_continue_without_one() -> None:
    world = World()
    world.caller.answers("ask_identity", WRONG_IDENTITY)
    world.caller.answers("skip_identity", WRONG_IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "identity_wrong", *AGAIN, "without_identity", *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_slow_caller_is_asked_again_with_more_time() -> None:
    """Five digits, a pause of five seconds, then the rest: the rest is ignored, and the number asked for again."""
    world = World()
    world.caller.answers("ask_identity", IDENTITY[:5])
    world.caller.answers("i_got", IDENTITY[5:], after=0.5)
    world.caller.answers("skip_identity", IDENTITY[:5])
    await_rest = 2 + 2 + 4 + 0.5 + 2.5 + 2 + 1 + 2 + 5.5  # to the fifth digit of the second try, and a pause
    world.caller.keys(IDENTITY[5:], at=await_rest)
    await world.ring()
    assert world.prompts == [*OPENING, "i_got", "digits_5", "should_be_eleven", *AGAIN, *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_silence_twice_continues_without_an_identity_number() -> None:
    world = World()
    await world.ring()
    assert world.prompts == [*OPENING, "no_keys", *AGAIN, "without_identity", *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)
    seconds = {prompt: second for second, prompt in world.caller.heard}
    assert seconds["no_keys"] - seconds["ask_identity"] == pytest.approx(1 + 8)
    assert seconds["without_identity"] - seconds["skip_identity"] == pytest.approx(1 + 12)


@on_virtual_time
async def test_hash_alone_skips_the_number() -> None:
    world = World()
    world.caller.answers("ask_identity", "#")
    await world.ring()
    assert world.prompts == [*OPENING, "without_identity", *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_required_identity_number_cannot_be_skipped_but_no_caller_is_turned_away() -> None:
    world = World(department=replace(KIRURGI, identity="required"))
    world.caller.answers("ask_identity", "#")
    world.caller.answers("ask_identity_slow", "#")
    await world.ring()
    again = ["identity_length", "ask_identity_slow"]
    assert world.prompts == [*OPENING, *again, "without_identity", *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_identity_number_is_not_asked_for_where_it_is_off() -> None:
    world = World(department=replace(KIRURGI, identity="off"))
    await world.ring()
    assert world.prompts == ["welcome", "emergency", *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_synthetic_numbers_are_refused_in_production() -> None:
    world = World(environment="production")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts[3:6] == ["identity_wrong", *AGAIN]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_single_zero_reaches_the_switchboard_after_four_seconds() -> None:
    world = World()
    world.caller.answers("ask_identity", "0")
    await world.ring()
    assert world.prompts == [*OPENING, "to_switchboard"]
    assert world.caller.left_to == ("switchboard", "s")
    assert world.caller.heard[-1][0] == pytest.approx(2 + 4)
    assert world.stored is None


@on_virtual_time
async def test_number_that_starts_with_zero_is_accepted() -> None:
    """The caller was born on one of the first nine days of a month."""
    number = next(n for n in map(synthetic_identity, range(200)) if n.startswith("0"))
    world = World()
    world.caller.answers("ask_identity", number)
    await world.ring()
    assert world.stored == (number, OWN_NUMBER)
    assert world.caller.left_to is None


@on_virtual_time
async def test_zero_at_the_read_back_reaches_the_switchboard() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "0")
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, "to_switchboard"]
    assert world.stored is None


@pytest.mark.parametrize("error", [StorageUnavailable(), DepartmentNotFound()])
@on_virtual_time
async def test_failure_to_store_is_announced_and_the_switchboard_takes_over(error: Exception) -> None:
    world = World()
    world.desk.failing = error  # type: ignore[assignment]
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, "storage_down", "to_switchboard"]
    assert world.caller.left_to == ("switchboard", "s")


@on_virtual_time
async def test_repeat_caller_with_identity_number_hears_the_promise() -> None:
    world = World()
    world.desk.open = world.desk.new(parse_phone(OWN_NUMBER))
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, "already_on_list", *TODAY_BY_15, "may_hang_up"]


@on_virtual_time
async def test_repeat_caller_by_phone_alone_hears_no_time() -> None:
    world = World()
    world.desk.open = world.desk.new(parse_phone(OWN_NUMBER))
    world.caller.answers("ask_identity", "#")
    await world.ring()
    generic = ["already_on_list", "we_ring_as_told", "may_hang_up"]
    assert world.prompts == [*OPENING, "without_identity", *READ_BACK_OWN, *generic]


@on_virtual_time
async def test_missed_promise_is_not_repeated() -> None:
    world = World()
    world.desk.open = world.desk.new(parse_phone(OWN_NUMBER))
    world.clock.advance(timedelta(hours=7))
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, "already_on_list", "delayed", "may_hang_up"]


@on_virtual_time
async def test_call_resumed_after_its_commit_hears_the_receipt() -> None:
    """The desk answers a replay with what it stored: not created now, with one call."""
    world = World()
    world.desk.open = world.desk.new(parse_phone(OWN_NUMBER), call_count=0)
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *RECEIPT]


@pytest.mark.parametrize(
    ("second", "step"),
    [
        (0.5, IncompleteStep.WELCOME),
        (2.9, IncompleteStep.WELCOME),
        (5.0, IncompleteStep.IDENTITY),  # after five digits
        (12.0, IncompleteStep.PHONE),  # during the read-back
        (24.5, IncompleteStep.PHONE),  # in the silence that accepts
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


@on_virtual_time
async def test_a_hang_up_while_storing_keeps_the_callback() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY, after=0)
    world.caller.hangs_up(at=2 + 5 + 15 + 3 + 1)
    await world.ring()
    assert world.hung_up
    assert world.call.interrupted_at == IncompleteStep.CONFIRMATION
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.prompts == [*OPENING, *READ_BACK_OWN]


@on_virtual_time
async def test_a_hang_up_during_the_receipt_keeps_the_callback() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY, after=0)
    world.caller.answers("received", "", after=0)
    world.caller.hangs_up(at=2 + 5 + 15 + 3 + 2.5 + 1.5)
    await world.ring()
    assert world.hung_up
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.prompts[-2:] == ["received", "we_ring"]


def test_every_prompt_is_played_somewhere() -> None:
    """By a dialogue, the controller or the dialplan. A prompt that is never played should not be recorded."""
    modules = (caller, recording, second_call, simple_questions, speech, steps)
    sources = "".join(inspect.getsource(module) for module in modules)
    files = ("dialplan/extensions.conf", "ivr/calls/playback.py", "ivr/calls/call.py")
    elsewhere = "".join((ROOT / file).read_text("utf-8") for file in files)
    unsaid = [
        prompt
        for prompt in Prompt
        if f"Prompt.{prompt.name}" not in sources
        and f"innringing/{prompt.value}" not in elsewhere
        and f'"{prompt.value}"' not in elsewhere
    ]
    assert unsaid == []
