"""Repeat calls, second by second on virtual time: status only for identified callers, and cancelling is confirmed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import Status
from desk.numbers.phone_number import parse_phone
from ivr.prompts.keys import ahead
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    CHANGED,
    IDENTITY,
    OPENING,
    OTHER_NUMBER,
    OWN_DIGITS,
    OWN_NUMBER,
    RECEIPT,
    TODAY_BY_15,
    World,
)

SINCE = ["already_on_list", "on_list_since", "today_at", "oclock_9", "pause"]
NUMBER = ["pause", "ring_number", "pause", *OWN_DIGITS, "pause"]
TOLD = [*SINCE, *TODAY_BY_15, "ahead_2", *NUMBER, "change_or_decline"]


def known(**changes: object) -> World:
    world = World()
    world.callers.already(**changes)
    world.caller.answers("ask_identity", IDENTITY)
    return world


@on_virtual_time
async def test_known_repeat_caller_hears_status_and_may_hang_up() -> None:
    world = known()
    await world.ring()
    assert world.prompts == [*OPENING, *TOLD]
    assert world.callers.asked == [(IDENTITY, "+4768050123", "nb")]
    assert world.stored is None and world.callers.cancelled == 0
    assert not world.hung_up


@on_virtual_time
async def test_repeat_caller_by_phone_alone_does_not_hear_when() -> None:
    world = known(known_person=False)
    world.caller.answers("other_person", "2", after=0.2)
    await world.ring()
    assert world.prompts == [*OPENING, "already_on_list", "we_ring_as_told", "other_person"]
    assert world.callers.cancelled == 0


@pytest.mark.parametrize("change", ["tried_in_vain", "late"])
@on_virtual_time
async def test_repeat_caller_by_phone_alone_hears_we_call_again_soon_after_a_missed_attempt(change: str) -> None:
    world = known(known_person=False, **{change: True})
    await world.ring()
    assert world.prompts == [*OPENING, "already_on_list", "ring_again_soon", "other_person"]


@on_virtual_time
async def test_known_repeat_caller_is_first_in_line_after_a_missed_attempt() -> None:
    world = known(tried_in_vain=True, ahead=0)
    await world.ring()
    assert world.prompts[3:] == [*SINCE, "tried_in_vain", *TODAY_BY_15, "next_in_line", *NUMBER, "change_or_decline"]


@pytest.mark.parametrize(
    ("before", "said"), [(None, "your_turn"), (0, "next_in_line"), (1, "ahead_1"), (20, "ahead_20"), (21, "ahead_many")]
)
@on_virtual_time
async def test_number_of_callers_ahead_is_announced(before: int | None, said: str) -> None:
    world = known(ahead=before)
    await world.ring()
    assert said in world.prompts
    assert ahead(2) not in world.prompts


@on_virtual_time
async def test_missed_promise_is_admitted() -> None:
    world = known(late=True)
    world.clock.advance(timedelta(days=1))
    await world.ring()
    since = ["already_on_list", "on_list_since", "yesterday_at", "oclock_9", "pause"]
    assert world.prompts[3:] == [*since, "delayed", "ahead_2", *NUMBER, "change_or_decline"]


@on_virtual_time
async def test_two_pressed_twice_closes_the_callback() -> None:
    world = known()
    world.caller.answers("change_or_decline", "2", after=0.5)
    world.caller.answers("confirm_decline", "2", after=0.5)
    await world.ring()
    assert world.prompts == [*OPENING, *TOLD, "confirm_decline", "declined"]
    assert world.callers.cancelled == 1


@pytest.mark.parametrize("answer", ["", "1", "#", "*"])
@on_virtual_time
async def test_any_key_but_two_at_the_confirmation_keeps_the_callback(answer: str) -> None:
    world = known()
    world.caller.answers("change_or_decline", "2")
    world.caller.answers("confirm_decline", answer)
    await world.ring()
    assert world.prompts[-3:] == ["confirm_decline", "we_ring_as_told", "may_hang_up"]
    assert world.callers.cancelled == 0


@on_virtual_time
async def test_double_press_of_two_is_a_single_answer() -> None:
    world = known()
    world.caller.answers("change_or_decline", "2222")
    await world.ring()
    assert world.callers.cancelled == 0
    assert world.prompts[-2:] == ["we_ring_as_told", "may_hang_up"]


@on_virtual_time
async def test_twelfth_digit_is_not_a_choice() -> None:
    world = World()
    world.callers.already()
    world.caller.answers("ask_identity", f"{IDENTITY}11")
    await world.ring()
    assert world.prompts == [*OPENING, *TOLD]


@on_virtual_time
async def test_one_changes_the_number_and_it_is_confirmed() -> None:
    world = known()
    world.caller.answers("change_or_decline", "1")
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == [*OPENING, *TOLD, "ask_phone", *CHANGED]
    assert world.callers.changed_to == [f"+47{OTHER_NUMBER}"]


@on_virtual_time
async def test_one_without_a_usable_number_changes_nothing() -> None:
    world = known()
    world.caller.answers("change_or_decline", "1")
    await world.ring()
    assert world.prompts[-2:] == ["we_ring_as_told", "may_hang_up"]
    assert world.callers.changed_to == []


@on_virtual_time
async def test_unknown_key_repeats_the_choice_a_limited_number_of_times() -> None:
    world = known()
    for _ in range(9):
        world.caller.answers("change_or_decline", "7")
    await world.ring()
    assert world.prompts == [*OPENING, *TOLD, "change_or_decline", "change_or_decline"]


@pytest.mark.parametrize("request_key", ["1", "2"])
@on_virtual_time
async def test_failed_change_is_not_confirmed(request_key: str) -> None:
    world = known()
    world.callers.failing = IllegalMove()
    world.caller.answers("change_or_decline", request_key)
    world.caller.answers("confirm_decline", "2")
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts[-2:] == ["storage_down", "to_switchboard"]
    assert world.caller.left_to == ("switchboard", "s")


@on_virtual_time
async def test_zero_at_the_choice_reaches_the_switchboard() -> None:
    world = known()
    world.caller.answers("change_or_decline", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.prompts[-1] == "to_switchboard"
    assert world.caller.left_to == ("switchboard", "s")


@pytest.mark.parametrize("second", [9.0, 40.0])
@on_virtual_time
async def test_hang_up_keeps_the_callback(second: float) -> None:
    world = known()
    world.caller.hangs_up(at=second)
    await world.ring()
    assert world.hung_up
    assert (world.callers.cancelled, world.callers.changed_to) == (0, [])


@on_virtual_time
async def test_call_resumed_after_the_commit_hears_the_receipt_and_no_choice() -> None:
    world = known(is_new_call=False)
    assert world.callers.standing
    callback = world.desk.new(parse_phone("+4768050123"), call_count=1)
    world.callers.already(is_new_call=False, callback=callback)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]


@on_virtual_time
async def test_call_resumed_after_cancelling_hears_the_cancellation() -> None:
    world = known()
    assert world.callers.standing
    world.callers.already(is_new_call=False, callback=replace(world.callers.standing.callback, status=Status.CLOSED))
    await world.ring()
    assert world.prompts == [*OPENING, "declined"]


@on_virtual_time
async def test_another_person_on_the_same_phone_gets_a_callback_too() -> None:
    world = known(known_person=False)
    world.caller.answers("other_person", "1")
    await world.ring()
    assert world.prompts == [*OPENING, "already_on_list", "we_ring_as_told", "other_person", *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)
    assert world.desk.another


DISTANT = ["already_on_list", *TODAY_BY_15, "change_number"]


@pytest.mark.parametrize(("number", "withheld"), [("+4768050777", False), (None, True)])
@on_virtual_time
async def test_caller_on_another_phone_hears_only_the_time(number: str | None, withheld: bool) -> None:
    world = World(number=number, withheld=withheld)
    world.callers.already(own_phone=False)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "2")
    await world.ring()
    assert world.prompts == [*OPENING, *DISTANT]
    assert "ring_number" not in world.prompts
    assert (world.callers.cancelled, world.callers.changed_to, world.callers.added) == (0, [], [])


@on_virtual_time
async def test_number_given_on_another_phone_is_added_and_not_read_back() -> None:
    world = World(number="+4768050777")
    world.callers.already(own_phone=False)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "1")
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == [*OPENING, *DISTANT, "ask_phone", "number_added", "may_hang_up"]
    assert (world.callers.changed_to, world.callers.added) == ([], [f"+47{OTHER_NUMBER}"])
