"""Languages, digits too many and calls that end with a person, heard on virtual time."""

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
    READ_BACK_OTHER,
    READ_BACK_OWN,
    RECEIPT,
    World,
)

BOTH = replace(KIRURGI, languages=("nb", "en"))
ALL = replace(KIRURGI, languages=("nb", "nn", "en"))
AGAIN = ["ask_identity_slow", "skip_identity"]


@on_virtual_time
async def test_a_lone_nine_starts_over_in_english_after_four_seconds() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", "9")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, *OPENING, *READ_BACK_OWN, *RECEIPT]
    assert world.call.language == "en"
    assert world.caller.heard[3][0] == pytest.approx(2 + 4)
    assert world.desk.registered[0][-1] == "en"


@on_virtual_time
async def test_a_number_that_begins_with_nine_is_a_number() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", f"9{IDENTITY[1:]}")
    world.caller.answers("ask_identity_slow", "#")
    await world.ring()
    assert world.call.language == "nb"
    assert "identity_wrong" in world.prompts


@on_virtual_time
async def test_where_no_english_is_offered_nine_is_one_digit() -> None:
    world = World()
    world.caller.answers("ask_identity", "9")
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts == [*OPENING, "i_got", "digits_1", "should_be_eleven", *AGAIN, *READ_BACK_OWN, *RECEIPT]
    assert world.call.language == "nb"


@on_virtual_time
async def test_whoever_stays_silent_is_told_of_the_other_languages() -> None:
    world = World(department=ALL)
    world.caller.answers("other_norwegian", "8")
    world.caller.answers("ask_identity", "")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    offers = ["no_keys", *AGAIN, "other_language", "other_norwegian"]
    assert world.prompts == [*OPENING, *offers, *OPENING, *READ_BACK_OWN, *RECEIPT]
    assert world.call.language == "nn"


@on_virtual_time
async def test_nine_at_the_read_back_changes_the_language_too() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "9")
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *OPENING, *READ_BACK_OWN, *RECEIPT]
    assert world.call.language == "en"


@on_virtual_time
async def test_changing_language_without_end_comes_to_an_end() -> None:
    world = World(department=BOTH)
    for _ in range(20):
        world.caller.answers("ask_identity", "9")
        world.caller.answers("ask_identity_slow", "9")
    await world.ring()
    assert world.prompts.count("welcome") == 5
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_a_hang_up_in_the_second_language_is_told_by_where_it_happened() -> None:
    world = World(department=BOTH)
    world.caller.answers("ask_identity", "9")
    world.caller.hangs_up(at=7)
    await world.ring()
    assert world.call.interrupted_at == IncompleteStep.WELCOME


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
def test_keys_of_languages(languages: tuple[str, ...], current: str, keys: dict[str, str]) -> None:
    assert language_keys(replace(KIRURGI, languages=languages), current) == keys


@pytest.mark.parametrize("extra", ["1", "11", "12345"])
@on_virtual_time
async def test_digits_too_many_answer_nothing(extra: str) -> None:
    world = World()
    world.caller.answers("ask_identity", f"{IDENTITY}{extra}")
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_a_ninth_digit_of_a_phone_number_answers_nothing() -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", f"{OTHER_NUMBER}1")
    await world.ring()
    assert world.prompts == [*OPENING, "phone_unknown", "ask_phone", *READ_BACK_OTHER, *RECEIPT]


@pytest.mark.parametrize("count", [1, 7, 9, 10])
@on_virtual_time
async def test_how_many_digits_came_is_said(count: int) -> None:
    world = World()
    world.caller.answers("ask_identity", f"{'1234567890'[:count]}#")
    world.caller.answers("skip_identity", IDENTITY)
    await world.ring()
    assert world.prompts[3:8] == ["i_got", f"digits_{count}", "should_be_eleven", *AGAIN]


@on_virtual_time
async def test_how_many_digits_of_a_phone_number_came_is_said() -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", "6805123#")
    world.caller.answers("ask_phone_slow", OTHER_NUMBER)
    await world.ring()
    assert world.prompts[5:9] == ["i_got", "digits_7", "should_be_eight", "ask_phone_slow"]


@on_virtual_time
async def test_who_asked_for_a_person_is_kept_for_the_department_to_see() -> None:
    world = World()
    world.caller.answers("ask_identity", "0")
    await world.ring()
    assert world.desk.ended == [(IncompleteStep.IDENTITY, WhyEnded.ASKED_FOR_PERSON, OWN_NUMBER)]


@on_virtual_time
async def test_who_had_no_number_to_ring_is_kept_too() -> None:
    world = World(withheld=True)
    await world.ring()
    assert world.desk.ended == [(IncompleteStep.PHONE, WhyEnded.NO_NUMBER, None)]


@on_virtual_time
async def test_who_hangs_up_on_the_way_to_a_person_is_kept_as_one_who_asked() -> None:
    world = World()
    world.caller.answers("ask_identity", "0")
    world.caller.answers("to_switchboard", "")
    world.caller.hangs_up(at=6.5)
    await world.ring()
    assert world.hung_up
    assert world.desk.ended == [(IncompleteStep.IDENTITY, WhyEnded.ASKED_FOR_PERSON, OWN_NUMBER)]


@on_virtual_time
async def test_a_call_that_cannot_be_kept_reaches_the_switchboard_all_the_same() -> None:
    world = World()
    world.desk.failing = StorageUnavailable()
    world.caller.answers("ask_identity", "0")
    await world.ring()
    assert world.caller.left_to == ("switchboard", "s")
