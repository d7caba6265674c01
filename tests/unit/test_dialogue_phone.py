"""The number to call back: read back, changed, keyed, or refused with the reason. Without one there is no receipt."""

from dataclasses import replace

import pytest

from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import (
    IDENTITY,
    KIRURGI,
    OPENING,
    OTHER_NUMBER,
    OWN_DIGITS,
    OWN_NUMBER,
    READ_BACK_OTHER,
    READ_BACK_OWN,
    RECEIPT,
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
        ("+46701740605", False, "phone_foreign"),
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
    assert world.prompts == [*OPENING, reason, "ask_phone", *READ_BACK_OTHER, *RECEIPT]
    assert world.stored == (IDENTITY, OTHER_E164)


@pytest.mark.parametrize("where", ["settings", "department"])
@on_virtual_time
async def test_foreign_number_is_accepted_where_it_is_allowed(where: str) -> None:
    allowed = {"allow_foreign": True}
    world = (
        World(number="+46701740605", **allowed)
        if where == "settings"
        else World(number="+46701740605", department=replace(KIRURGI, **allowed))
    )
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.stored == (IDENTITY, "+46701740605")


@pytest.mark.parametrize(("keyed", "stored"), [("0046701740605#", "+46701740605"), ("004768059876", OTHER_E164)])
@on_virtual_time
async def test_number_keyed_with_its_country_code_is_accepted(keyed: str, stored: str) -> None:
    world = World(number=None, allow_foreign=True)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", keyed)
    await world.ring()
    assert world.stored == (IDENTITY, stored)


@on_virtual_time
async def test_identity_and_phone_numbers_can_be_keyed_without_a_pause() -> None:
    world = World(number=None)
    world.caller.keys(IDENTITY + OTHER_NUMBER, at=0.2, gap=0.1)
    await world.ring()
    assert world.prompts == ["welcome", "phone_unknown", *READ_BACK_OTHER, *RECEIPT]  # interrupted by the next key
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_caller_without_a_usable_number_gets_the_switchboard_and_no_receipt() -> None:
    world = World(withheld=True)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", "82900000")
    world.caller.answers("ask_phone_slow", "113#")
    await world.ring()
    asked = ["phone_withheld", "ask_phone", "phone_premium", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *asked, "no_number", "to_switchboard"]
    assert world.stored is None
    assert world.caller.left_to == ("switchboard", "s")


@on_virtual_time
async def test_silence_when_asked_for_a_number_reaches_the_switchboard() -> None:
    world = World(withheld=True)
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    asked = ["phone_withheld", "ask_phone", "no_keys", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *asked, "no_number", "to_switchboard"]


@on_virtual_time
async def test_one_gives_another_number() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "1")
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, "ask_phone", *READ_BACK_OTHER, *RECEIPT]
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_unusable_new_number_keeps_the_first() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "1")
    world.caller.answers("ask_phone", "113#")
    await world.ring()
    asked = ["ask_phone", "phone_short", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *asked, *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_endless_number_changes_are_cut_off() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    for _ in range(9):
        world.caller.answers("change_number", "1")
        world.caller.answers("ask_phone", OWN_NUMBER[3:])
    await world.ring()
    said = [*READ_BACK_OWN, "ask_phone"] * 3
    assert world.prompts == [*OPENING, *said, "ring_number", "pause", *OWN_DIGITS, *RECEIPT]


@on_virtual_time
async def test_unknown_key_at_the_read_back_repeats_it() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "7", after=2)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *READ_BACK_OWN, *RECEIPT]


@on_virtual_time
async def test_interrupted_read_back_is_heard_before_the_callback_is_stored() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    for _ in range(3):
        world.caller.answers("ring_number", "7", after=1.8)
    await world.ring()
    assert world.prompts == [*OPENING, *["ring_number", "pause"] * 3, "ring_number", "pause", *OWN_DIGITS, *RECEIPT]


@on_virtual_time
async def test_extra_key_does_not_answer_the_read_back() -> None:
    world = World()
    for key in f"{IDENTITY}1":
        world.call.key_pressed(key)
    await world.ring()
    assert world.prompts == [*READ_BACK_OWN, *RECEIPT]
