"""The number to call back: read back, changed, keyed, or refused with the reason. Without one there is no receipt."""

import pytest

from desk.callbacks.model import IncompleteStep
from desk.numbers.phone_number import parse_phone
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    CHANGED,
    IDENTITY,
    OPENING,
    OTHER_DIGITS,
    OTHER_NUMBER,
    OWN_NUMBER,
    RECEIPT,
    RECEIPT_OTHER,
    World,
)

OTHER_E164 = f"+47{OTHER_NUMBER}"


@pytest.mark.parametrize(
    ("number", "withheld", "reason"),
    [
        (None, True, "phone_withheld"),
        (OWN_NUMBER, True, "phone_withheld"),  # withheld, whatever else the trunk sends
        ("anonymous", False, "phone_withheld"),
        (None, False, "phone_unknown"),
        ("", False, "phone_unknown"),
        ("82900000", False, "phone_premium"),
        ("113", False, "phone_short"),
        ("sip:a@b", False, "phone_not_a_number"),
        ("9" * 500, False, "phone_not_a_number"),
    ],
)
@on_virtual_time
async def test_unusable_number_is_asked_for_with_the_reason(number: str | None, withheld: bool, reason: str) -> None:
    world = World(number=number, withheld=withheld)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == [*OPENING, reason, "ask_phone", *RECEIPT_OTHER]
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_caller_from_the_hospitals_own_number_is_asked_for_another() -> None:
    """A call that the switchboard has transferred shows the switchboard's number, not the patient's."""
    world = World(number="+4768059990")
    world.own_numbers = frozenset({parse_phone("+4768059990"), parse_phone("+4768059991")})
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", "68059991")
    world.caller.answers("ask_phone_slow", OTHER_NUMBER)
    await world.ring()
    asked = ["phone_hospital", "ask_phone", "phone_hospital", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *asked, *RECEIPT_OTHER]
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_foreign_number_is_kept_and_gets_a_receipt() -> None:
    world = World(number="+46701740605")
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.stored == (IDENTITY, "+46701740605")
    assert "received" in world.prompts and "ask_phone" not in world.prompts


@pytest.mark.parametrize(
    ("keyed", "stored"),
    [("0046701740605#", "+46701740605"), ("0046701740605", "+46701740605"), ("004768059876", OTHER_E164)],
)
@on_virtual_time
async def test_number_keyed_with_its_country_code_is_accepted(keyed: str, stored: str) -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", keyed)
    await world.ring()
    assert world.stored == (IDENTITY, stored)


@pytest.mark.parametrize("gap", [0.4, 2.5])
@on_virtual_time
async def test_country_code_without_a_plus_is_read_back(gap: float) -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", f"47{OTHER_NUMBER}", gap=gap)
    await world.ring()
    read_back = ["ring_number", "pause", *OTHER_DIGITS, "check_number"]
    assert world.prompts == [*OPENING, "phone_unknown", "ask_phone", *read_back, *RECEIPT_OTHER]
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_number_that_a_rule_has_changed_can_be_rejected() -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", "4768050005")
    world.caller.answers("check_number", "1")
    world.caller.answers("ask_phone_slow", OTHER_NUMBER)
    await world.ring()
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_nine_keys_where_the_last_is_doubled_are_read_back() -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", OTHER_NUMBER + OTHER_NUMBER[-1])
    await world.ring()
    assert world.prompts.count("check_number") == 1
    assert world.stored == (IDENTITY, OTHER_E164)


@pytest.mark.parametrize("surplus", ["0", "9", "1"])
@on_virtual_time
async def test_surplus_key_of_a_phone_number_answers_nothing(surplus: str) -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", OTHER_NUMBER + surplus)
    world.caller.answers("ask_phone_slow", OTHER_NUMBER)
    await world.ring()
    again = ["i_got", "digits_9", "should_be_eight", "ask_phone_slow"]
    assert world.prompts == [*OPENING, "phone_unknown", "ask_phone", *again, *RECEIPT_OTHER]
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_rest_of_a_phone_number_is_accepted_after_a_pause() -> None:
    world = World(number=None)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", OTHER_NUMBER[:4])
    world.caller.answers("key_rest", OTHER_NUMBER[4:], after=3)
    await world.ring()
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_identity_number_is_kept_when_a_withheld_caller_leaves_before_the_receipt() -> None:
    world = World(withheld=True)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("phone_withheld", "")
    world.caller.hangs_up(at=14)
    await world.ring()
    assert world.hung_up and world.stored is None
    assert world.call.interrupted_at is IncompleteStep.PHONE
    assert world.call.identity is not None and world.call.identity.value == IDENTITY


@on_virtual_time
async def test_caller_without_a_usable_number_gets_the_switchboard_and_no_receipt() -> None:
    world = World(withheld=True)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", "82900000")
    world.caller.answers("ask_phone_slow", "113#", after=0.5)
    await world.ring()
    asked = ["phone_withheld", "ask_phone", "phone_premium", "ask_phone_slow", "phone_short", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *asked, "no_number", "to_switchboard"]
    assert world.stored is None
    assert world.caller.left_to == ("switchboard", "s")


@on_virtual_time
async def test_silence_when_asked_for_a_number_reaches_the_switchboard() -> None:
    world = World(withheld=True)
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    asked = ["phone_withheld", "ask_phone", *["no_keys", "ask_phone_slow"] * 2]
    assert world.prompts == [*OPENING, *asked, "no_number", "to_switchboard"]


@on_virtual_time
async def test_one_after_the_receipt_gives_another_number() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "1")
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT, "ask_phone", *CHANGED]
    assert world.stored == (IDENTITY, OWN_NUMBER)
    assert world.callers.changed_to == [OTHER_E164]


@on_virtual_time
async def test_unusable_new_number_keeps_the_first() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "1")
    world.caller.answers("ask_phone", "113#")
    await world.ring()
    asked = ["ask_phone", "phone_short", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *RECEIPT, *asked, "we_ring_as_told", "may_hang_up"]
    assert world.callers.changed_to == []


@on_virtual_time
async def test_unknown_key_after_the_receipt_repeats_only_the_offer() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    for _ in range(9):
        world.caller.answers("change_number", "7", after=0.5)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT, "change_number", "change_number"]


@on_virtual_time
async def test_key_during_the_receipt_answers_nothing_and_cuts_nothing_off() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("received", "1109", after=0.2, gap=1.5)
    await world.ring()
    assert world.prompts == [*OPENING, *RECEIPT]
    assert world.callers.changed_to == []
