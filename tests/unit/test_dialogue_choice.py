"""The choice after the request, single keys on every try, and the urgent line; heard on virtual time."""

import asyncio
from dataclasses import replace
from types import MappingProxyType

import pytest

from desk.callbacks.model import IncompleteStep, WhyEnded
from desk.database.errors import StorageUnavailable
from desk.departments.choice import Choice, Topic
from ivr.asterisk.errors import WrongState
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    IDENTITY,
    KIRURGI,
    OPENING,
    OWN_NUMBER,
    RECEIPT,
    WRONG_IDENTITY,
    World,
)
from tests.support.synthetic import synthetic_identity, with_control_digits

ANSWERS = {Topic.ADDRESS: "welcome", Topic.HOURS: "recovered"}  # any prompts will do
ASKING = replace(KIRURGI, choice=Choice(answers=MappingProxyType(ANSWERS)))
URGENT = replace(KIRURGI, choice=Choice(urgent=True))
OFFER = ["offer_questions", "topic_address", "topic_hours", "press_five"]
FIRST_OFFER = ["skip_identity", *OFFER]
ANSWERED = ["welcome", "pause", "recovered", "pause", "still_ring"]
AGAIN = ["ask_identity_slow", "skip_identity"]


@on_virtual_time
async def test_choice_is_announced_after_the_request_and_a_keyed_number_is_accepted() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *FIRST_OFFER, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@pytest.mark.parametrize("pause", [3.0, 5.0, 8.0])
@on_virtual_time
async def test_number_that_starts_with_five_is_accepted_after_a_pause(pause: float) -> None:
    """A D-number: its day has 40 added."""
    number = with_control_digits("518150230") or ""
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.keys(number[1:], at=6 + pause)
    await world.ring()
    assert world.stored == (number, OWN_NUMBER)
    assert "still_ring" not in world.prompts


@on_virtual_time
async def test_single_five_plays_the_answers_and_two_ends_the_call() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.answers("still_ring", "2")
    await world.ring()
    assert world.prompts == [*OPENING, *FIRST_OFFER, "confirm_choice", *ANSWERED, "goodbye"]
    assert world.caller.heard[8][0] == pytest.approx(7 + 4)
    assert world.stored is None
    assert world.desk.ended == [(IncompleteStep.QUESTIONS, WhyEnded.ANSWERED, OWN_NUMBER)]
    assert not world.hung_up


@pytest.mark.parametrize("second", [14.5, 17.5, 19.0])  # in the answers, in the question, in the silence after it
@on_virtual_time
async def test_hang_up_during_or_after_the_answers_counts_as_answered(second: float) -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.hangs_up(at=second)
    await world.ring()
    assert world.hung_up
    assert world.desk.ended == [(IncompleteStep.QUESTIONS, WhyEnded.ANSWERED, OWN_NUMBER)]


@on_virtual_time
async def test_one_returns_to_the_request_without_repeating_welcome_or_choice() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.answers("still_ring", "1")
    world.caller.answers("ask_identity", "")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *FIRST_OFFER, "confirm_choice", *ANSWERED, "ask_identity", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.desk.ended == []


@on_virtual_time
async def test_silence_after_the_answers_returns_to_the_request() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    await world.ring()
    silent = ["ask_identity", "skip_identity", "no_keys", *AGAIN]
    assert world.prompts == [*OPENING, *FIRST_OFFER, "confirm_choice", *ANSWERED, *silent, *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_double_press_does_not_answer_the_question() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "555")
    world.caller.answers("still_ring", "2")
    await world.ring()
    assert world.prompts == [*OPENING, *FIRST_OFFER, "confirm_choice", *ANSWERED, "goodbye"]


@on_virtual_time
async def test_zero_after_the_answers_reaches_the_switchboard_and_is_stored() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.answers("still_ring", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.prompts[-1] == "to_switchboard"
    assert world.desk.ended[-1] == (IncompleteStep.QUESTIONS, WhyEnded.ASKED_FOR_PERSON, OWN_NUMBER)


@on_virtual_time
async def test_answers_play_while_the_database_is_down() -> None:
    world = World(department=ASKING)
    world.desk.failing = StorageUnavailable()
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.answers("still_ring", "2")
    await world.ring()
    assert world.prompts == [*OPENING, *FIRST_OFFER, "confirm_choice", *ANSWERED, "goodbye"]


@on_virtual_time
async def test_choice_is_offered_again_at_the_slower_try() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", WRONG_IDENTITY)
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.answers("still_ring", "2")
    await world.ring()
    assert world.prompts == [
        *OPENING,
        *FIRST_OFFER,
        "identity_wrong",
        *AGAIN,
        *OFFER,
        "confirm_choice",
        *ANSWERED,
        "goodbye",
    ]


@on_virtual_time
async def test_choice_is_offered_in_english_too() -> None:
    world = World(department=replace(ASKING, languages=("nb", "en")))
    world.caller.answers("press_five", "9")
    world.caller.answers("confirm_language", "9")
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    world.caller.answers("still_ring", "2")
    await world.ring()
    assert world.prompts == [
        *OPENING,
        *FIRST_OFFER,
        "confirm_language",
        *OPENING,
        *FIRST_OFFER,
        "confirm_choice",
        *ANSWERED,
        "goodbye",
    ]
    assert world.call.language == "en"


@on_virtual_time
async def test_choice_is_offered_after_the_welcome_where_no_number_is_asked_for() -> None:
    world = World(department=replace(ASKING, identity="off"))
    world.caller.answers("press_five", "5")
    world.caller.answers("confirm_choice", "5")
    await world.ring()
    opening = ["welcome", "emergency", *OFFER, "confirm_choice"]
    assert world.prompts == [*opening, *ANSWERED, *RECEIPT]


@on_virtual_time
async def test_silence_after_the_offer_is_registered_where_no_number_is_asked_for() -> None:
    world = World(department=replace(ASKING, identity="off"))
    await world.ring()
    assert world.prompts == ["welcome", "emergency", *OFFER, *RECEIPT]


@on_virtual_time
async def test_five_is_an_ordinary_digit_without_a_choice() -> None:
    world = World()
    world.caller.answers("ask_identity", "5")
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts[3:6] == ["i_got", "digits_1", "key_rest"]


@on_virtual_time
async def test_five_after_the_receipt_is_no_choice() -> None:
    world = World(department=ASKING)
    world.caller.answers("press_five", IDENTITY)
    world.caller.answers("change_number", "5")
    await world.ring()
    assert world.prompts == [*OPENING, *FIRST_OFFER, *RECEIPT, "change_number"]


@on_virtual_time
async def test_urgent_line_is_reached_by_its_key() -> None:
    world = World(department=URGENT)
    world.caller.answers("offer_urgent", "5")
    world.caller.answers("confirm_choice", "5")
    await world.ring()
    assert world.prompts == [*OPENING, "skip_identity", "offer_urgent", "confirm_choice", "to_urgent_line"]
    assert world.caller.left_to == ("urgent-line", "kirurgi")
    assert world.desk.ended == [(IncompleteStep.IDENTITY, WhyEnded.URGENT, OWN_NUMBER)]


@on_virtual_time
async def test_open_callback_does_not_delay_the_urgent_line() -> None:
    world = World(department=URGENT)
    world.callers.already()
    world.caller.answers("offer_urgent", "5")
    world.caller.answers("confirm_choice", "5")
    await world.ring()
    assert "already_on_list" not in world.prompts
    assert world.callers.asked == []
    assert world.caller.left_to == ("urgent-line", "kirurgi")


@on_virtual_time
async def test_open_callback_does_not_delay_the_urgent_line_after_an_identity_number() -> None:
    world = World(department=URGENT)
    world.callers.already()
    world.caller.answers("offer_urgent", IDENTITY)
    world.caller.answers("change_or_decline", "5")
    world.caller.answers("confirm_choice", "5")
    await world.ring()
    assert world.prompts[5] == "already_on_list"
    assert world.prompts[-3:] == ["change_or_decline", "confirm_choice", "to_urgent_line"]
    assert world.caller.left_to == ("urgent-line", "kirurgi")


@pytest.mark.parametrize("number", ["113", "110", "112#"])
@pytest.mark.parametrize("urgent_line", [True, False])
@on_virtual_time
async def test_emergency_number_is_announced_and_the_caller_put_through(number: str, urgent_line: bool) -> None:
    department = replace(KIRURGI, urgent_extension="1002") if urgent_line else KIRURGI
    world = World(department=department)
    world.callers.already()
    world.caller.answers("ask_identity", number)
    await world.ring()
    taken_over = "to_urgent_line" if urgent_line else "to_switchboard"
    assert world.prompts == [*OPENING, "emergency", taken_over]
    assert world.caller.left_to == (("urgent-line", "kirurgi") if urgent_line else ("switchboard", "s"))
    assert world.desk.ended == [(IncompleteStep.IDENTITY, WhyEnded.URGENT, OWN_NUMBER)]


@pytest.mark.parametrize(
    ("department", "key", "said"),
    [
        (KIRURGI, "0", "confirm_person"),
        (replace(KIRURGI, languages=("nb", "en")), "9", "confirm_language"),
        (ASKING, "5", "confirm_choice"),
        (URGENT, "5", "confirm_choice"),
        (KIRURGI, "113", "emergency"),
    ],
)
@on_virtual_time
async def test_slower_try_takes_a_single_key_after_four_seconds(department, key: str, said: str) -> None:  # type: ignore[no-untyped-def]
    world = World(department=department)
    world.caller.answers("ask_identity_slow", key, after=0.9)
    world.caller.answers("still_ring", "2")
    world.caller.hangs_up(at=60)
    await world.ring()
    times = [second for second, prompt in world.caller.heard if prompt == "ask_identity_slow"]
    again = next(place for place, prompt in enumerate(world.prompts) if prompt == "ask_identity_slow")
    after = world.caller.heard[again + 1]
    assert after == (pytest.approx(times[0] + 0.9 + 0.5 * (len(key) - 1) + 4), said)


@on_virtual_time
async def test_slower_try_gives_a_started_number_six_seconds() -> None:
    number = next(n for n in map(synthetic_identity, range(200)) if n.startswith("2"))
    world = World()
    world.caller.answers("ask_identity_slow", number[0])
    world.caller.keys(number[1:], at=3 + 8 + 1 + 5.5)
    await world.ring()
    assert world.stored == (number, OWN_NUMBER)


@on_virtual_time
async def test_slower_try_for_a_phone_number_takes_a_single_zero_after_four_seconds() -> None:
    world = World(withheld=True)
    world.caller.answers("ask_identity", IDENTITY, after=0)
    world.caller.answers("ask_phone_slow", "0", after=0)
    await world.ring()
    seconds = {prompt: second for second, prompt in reversed(world.caller.heard)}
    assert seconds["confirm_person"] - seconds["ask_phone_slow"] == pytest.approx(4)


TONES = replace(KIRURGI, key_tone=True)


@on_virtual_time
async def test_each_key_plays_a_tone_and_no_fast_digit_is_lost() -> None:
    world = World(department=TONES)
    world.caller.keys(IDENTITY, at=2.5, gap=0.1)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]
    assert world.caller.tones == [pytest.approx(2.5 + 0.1 * place) for place in range(11)]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@pytest.mark.parametrize("keyed", [IDENTITY, "#", "0", IDENTITY[:5], "12*" + IDENTITY])
@on_virtual_time
async def test_silence_on_the_line_stops_when_a_prompt_is_queued(keyed: str) -> None:
    """The silence is stopped as soon as the next prompt is queued; otherwise the prompt would wait behind it."""
    world = World(department=TONES)
    world.caller.answers("ask_identity", keyed)
    most = 0
    play = world.caller.play

    async def counted(*given) -> None:  # type: ignore[no-untyped-def]
        nonlocal most
        await play(*given)
        most = max(most, len(world.caller.holding))

    world.caller.play = counted  # type: ignore[method-assign]
    await world.ring()
    assert most <= 2  # the next is queued before the last is stopped
    assert world.caller.holding == []


@on_virtual_time
async def test_failed_tone_loses_no_digit() -> None:
    world = World(department=TONES)
    world.caller.keys(IDENTITY, at=2.5, gap=0.4)
    asyncio.get_running_loop().call_later(3.1, world.caller.failing.update, {"play": WrongState("busy")})
    asyncio.get_running_loop().call_later(4.3, world.caller.failing.clear)
    await world.ring()
    assert len(world.caller.tones) == 8
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_tones_do_not_change_barging_in() -> None:
    world = World(department=TONES)
    world.caller.keys(IDENTITY, at=0.2, gap=0.1)
    await world.ring()
    assert world.prompts == ["welcome", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_no_tones_where_they_are_off() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.caller.tones == []
