"""The number we ring: read back, changed, keyed, refused with its reason, and without one no receipt."""

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
        (OWN_NUMBER, True, "phone_withheld"),  # whatever the trunk says besides, withheld is withheld
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
async def test_a_number_we_cannot_ring_is_asked_for_with_the_reason(
    number: str | None, withheld: bool, reason: str
) -> None:
    world = World(number=number, withheld=withheld)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == [*OPENING, reason, "ask_phone", *READ_BACK_OTHER, *RECEIPT]
    assert world.stored == (IDENTITY, OTHER_E164)


@pytest.mark.parametrize("where", ["settings", "department"])
@on_virtual_time
async def test_a_foreign_number_is_rung_where_it_may_be(where: str) -> None:
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
async def test_a_number_keyed_with_its_country_code(keyed: str, stored: str) -> None:
    world = World(number=None, allow_foreign=True)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("ask_phone", keyed)
    await world.ring()
    assert world.stored == (IDENTITY, stored)


@on_virtual_time
async def test_identity_and_phone_typed_ahead_in_one_go() -> None:
    world = World(number=None)
    world.caller.keys(IDENTITY + OTHER_NUMBER, at=0.2, gap=0.1)
    await world.ring()
    assert world.prompts == ["welcome", "phone_unknown", *READ_BACK_OTHER, *RECEIPT]  # broken off by the next key
    assert world.stored == (IDENTITY, OTHER_E164)


@on_virtual_time
async def test_without_a_number_to_ring_there_is_no_receipt_but_the_switchboard() -> None:
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
async def test_silence_when_asked_for_a_number() -> None:
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
async def test_one_and_then_no_usable_number_keeps_the_first() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "1")
    world.caller.answers("ask_phone", "113#")
    await world.ring()
    asked = ["ask_phone", "phone_short", "ask_phone_slow"]
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *asked, *READ_BACK_OWN, *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_changing_without_end_comes_to_an_end() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    for _ in range(9):
        world.caller.answers("change_number", "1")
        world.caller.answers("ask_phone", OWN_NUMBER[3:])
    await world.ring()
    said = [*READ_BACK_OWN, "ask_phone"] * 3
    assert world.prompts == [*OPENING, *said, "ring_number", "pause", *OWN_DIGITS, *RECEIPT]


@on_virtual_time
async def test_another_key_at_the_read_back_has_it_read_once_more() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_number", "7", after=2)
    await world.ring()
    assert world.prompts == [*OPENING, *READ_BACK_OWN, *READ_BACK_OWN, *RECEIPT]


@on_virtual_time
async def test_a_number_broken_off_by_keys_each_time_is_told_before_it_is_stored() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    for _ in range(3):
        world.caller.answers("ring_number", "7", after=1.8)
    await world.ring()
    assert world.prompts == [*OPENING, *["ring_number", "pause"] * 3, "ring_number", "pause", *OWN_DIGITS, *RECEIPT]


@on_virtual_time
async def test_a_key_too_many_does_not_answer_the_read_back() -> None:
    world = World()
    for key in f"{IDENTITY}1":
        world.call.key_pressed(key)
    await world.ring()
    assert world.prompts == [*READ_BACK_OWN, *RECEIPT]
