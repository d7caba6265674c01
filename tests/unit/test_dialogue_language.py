"""Languages, extra digits and calls that end at the switchboard, heard on virtual time."""

from dataclasses import replace

import pytest

from desk.callbacks.model import IncompleteStep, WhyEnded
from desk.database.errors import StorageUnavailable
from ivr.dialogue.caller import language_keys
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    IDENTITY,
    KIRURGI,
    OPENING,
    OTHER_NUMBER,
    OWN_NUMBER,
    RECEIPT,
    World,
)

BOTH = replace(KIRURGI, languages=("nb", "en"))
ALL = replace(KIRURGI, languages=("nb", "nn", "en"))
AGAIN = ["ask_identity_slow", "skip_identity"]
FH_NUMBER = "94545456561"
"""An example from NAV's library: FH-numbers begin with 8 or 9."""


@on_virtual_time
async def test_nine_pressed_twice_restarts_in_english() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", "9")
    world.caller.answers("confirm_language", "9")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "confirm_language", *OPENING, *RECEIPT]
    assert world.call.language == "en"
    assert world.caller.heard[3][0] == pytest.approx(2 + 4)
    assert world.desk.registered[0][-1] == "en"


@on_virtual_time
async def test_number_that_starts_with_nine_is_accepted() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", f"9{IDENTITY[1:]}")
    world.caller.answers("ask_identity_slow", "#")
    await world.ring()
    assert world.call.language == "nb"
    assert "identity_wrong" in world.prompts


@pytest.mark.parametrize("pause", [3.0, 5.0, 8.0])
@on_virtual_time
async def test_number_that_starts_with_nine_is_accepted_after_a_pause(pause: float) -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", "9")
    world.caller.keys(FH_NUMBER[1:], at=2 + pause)
    await world.ring()
    assert (world.stored, world.call.language) == ((FH_NUMBER, OWN_NUMBER), "nb")


@on_virtual_time
async def test_nine_is_an_ordinary_digit_where_english_is_not_offered() -> None:
    world = World()
    world.caller.answers("ask_identity", "9")
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [
        *OPENING,
        "i_got",
        "digits_1",
        "key_rest",
        "i_got",
        "digits_1",
        "should_be_eleven",
        *AGAIN,
        *RECEIPT,
    ]
    assert world.call.language == "nb"


@on_virtual_time
async def test_silent_caller_hears_of_the_other_languages() -> None:
    world = World(department=ALL)
    world.caller.answers("other_norwegian", "8")
    world.caller.answers("confirm_norwegian", "8")
    world.caller.answers("ask_identity", "")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    offers = ["skip_identity", "no_keys", *AGAIN, "other_language", "other_norwegian"]
    assert world.prompts == [*OPENING, *offers, "confirm_norwegian", *OPENING, *RECEIPT]
    assert world.call.language == "nn"


@on_virtual_time
async def test_nine_after_the_receipt_repeats_it_in_english() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "9")
    world.caller.answers("confirm_language", "9")
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT, "confirm_language", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.call.language == "en"


@on_virtual_time
async def test_endless_language_changes_are_cut_off() -> None:
    world = World(department=BOTH)
    for _ in range(20):
        world.caller.answers("ask_identity", "9")
        world.caller.answers("confirm_language", "9")
    await world.ring()
    assert world.prompts.count("welcome") == 5
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_hang_up_in_the_second_language_is_stored_with_its_step() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", "9")
    world.caller.answers("confirm_language", "9")
    world.caller.hangs_up(at=9)
    await world.ring()
    assert world.call.language == "en"
    assert world.call.interrupted_at == IncompleteStep.IDENTITY


@on_virtual_time
async def test_a_department_that_speaks_nynorsk_greets_in_it() -> None:
    world = World(department=replace(KIRURGI, languages=("nn", "nb")))
    await world.ring()
    assert world.call.language == "nn"


@pytest.mark.parametrize(
    ("languages", "current", "keys"),
    [
        (("nb",), "nb", {}),
        (("nb", "en"), "nb", {"9": "en"}),
        (("nb", "en"), "en", {"9": "nb"}),
        (("nn", "en"), "en", {"9": "nn", "8": "nn"}),
        (("nb", "nn", "en"), "nb", {"9": "en", "8": "nn"}),
        (("nb", "nn", "en"), "nn", {"9": "en", "8": "nb"}),
        (("en",), "en", {}),
    ],
)
def test_each_language_has_its_key(languages: tuple[str, ...], current: str, keys: dict[str, str]) -> None:
    assert language_keys(replace(KIRURGI, languages=languages), current) == keys


@pytest.mark.parametrize("extra", ["1", "11", "12345"])
@on_virtual_time
async def test_extra_digits_answer_no_question(extra: str) -> None:
    world = World()
    world.caller.answers("ask_identity", f"{IDENTITY}{extra}")
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@pytest.mark.parametrize("count", [1, 7, 9, 10])
@on_virtual_time
async def test_number_of_digits_received_is_announced(count: int) -> None:
    world = World()
    world.caller.answers("ask_identity", f"{'1234567890'[:count]}#")
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts[3:8] == ["i_got", f"digits_{count}", "should_be_eleven", *AGAIN]


@on_virtual_time
async def test_number_of_phone_digits_received_is_announced() -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", "6805123#")
    world.caller.answers("ask_phone_slow", OTHER_NUMBER)
    await world.ring()
    assert world.prompts[5:9] == ["i_got", "digits_7", "should_be_eight", "ask_phone_slow"]


@on_virtual_time
async def test_caller_who_asked_for_a_person_is_stored_for_the_department() -> None:
    world = World()
    world.caller.answers("ask_identity", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.desk.ended == [(IncompleteStep.IDENTITY, WhyEnded.ASKED_FOR_PERSON, OWN_NUMBER)]


@on_virtual_time
async def test_caller_without_a_usable_number_is_stored_too() -> None:
    world = World(withheld=True)
    await world.ring()
    assert world.desk.ended == [(IncompleteStep.PHONE, WhyEnded.NO_NUMBER, None)]


@on_virtual_time
async def test_hang_up_on_the_way_to_a_person_is_stored_as_asked_for_one() -> None:
    world = World()
    world.caller.answers("ask_identity", "0")
    world.caller.answers("confirm_person", "0")
    world.caller.hangs_up(at=8)
    await world.ring()
    assert world.hung_up
    assert world.desk.ended == [(IncompleteStep.IDENTITY, WhyEnded.ASKED_FOR_PERSON, OWN_NUMBER)]


@on_virtual_time
async def test_call_that_cannot_be_stored_still_reaches_the_switchboard() -> None:
    world = World()
    world.desk.failing = StorageUnavailable()
    world.caller.answers("ask_identity", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.caller.left_to == ("switchboard", "s")
