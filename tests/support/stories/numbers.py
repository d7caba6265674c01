"""The number to call back: hidden, foreign, short, premium, changed, missing."""

from tests.support.phone.callers import Caller
from tests.support.phone.floor import OPENING, Floor, Story, in_order, masked, received, to_the_end
from tests.support.synthetic import synthetic_identity


async def says_who(caller: Caller, person: int) -> None:
    await caller.hears(*OPENING)
    await caller.keys(synthetic_identity(person))


async def hidden_number_is_asked_for_and_not_stored(floor: Floor) -> None:
    async with floor.rings("+4768050999", withheld=True) as caller:
        await says_who(caller, 206)
        await caller.hears("ask_phone")
        await caller.keys("68050206")
        heard = await received(caller)
    assert in_order(heard, "phone_withheld", "ask_phone", "received", "change_number")
    assert (await floor.callback("+4768050206"))["patient"] == masked(206)
    assert await floor.callbacks("+4768050999") == []


async def a_hidden_number_by_sip_info(floor: Floor) -> None:
    async with floor.rings("+4768050998", withheld=True) as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(231), info=True)
        await caller.hears("ask_phone")
        await caller.keys("68050231", info=True)
        heard = await received(caller)
    assert in_order(heard, "phone_withheld", "ask_phone", "received", "change_number")
    assert (await floor.callback("+4768050231"))["patient"] == masked(231)


async def a_foreign_number_is_kept(floor: Floor) -> None:
    async with floor.rings("+46701740605") as caller:
        await says_who(caller, 232)
        heard = await received(caller)
    assert in_order(heard, "received", "change_number")
    assert "ask_phone" not in heard
    assert (await floor.callback("+46701740605"))["patient"] == masked(232)


async def premium_number_is_asked_for_again_with_the_reason(floor: Floor) -> None:
    async with floor.rings("+4768050997", withheld=True) as caller:
        await says_who(caller, 233)
        await caller.hears("ask_phone")
        await caller.keys("82900000")
        await caller.hears("ask_phone_slow")
        await caller.keys("68050233")
        heard = await received(caller)
    assert in_order(heard, "ask_phone", "phone_premium", "ask_phone_slow", "received", "change_number")
    assert (await floor.callback("+4768050233"))["patient"] == masked(233)


async def a_short_number_is_asked_for_again_with_the_reason(floor: Floor) -> None:
    async with floor.rings("+4768050996", withheld=True) as caller:
        await says_who(caller, 234)
        await caller.hears("ask_phone")
        await caller.keys("116117#")
        await caller.hears("ask_phone_slow")
        await caller.keys("68050234")
        heard = await received(caller)
    assert in_order(heard, "ask_phone", "phone_short", "ask_phone_slow", "received", "change_number")
    assert (await floor.callback("+4768050234"))["patient"] == masked(234)


async def too_few_digits_of_a_number_are_counted_aloud(floor: Floor) -> None:
    async with floor.rings("+4768050995", withheld=True) as caller:
        await says_who(caller, 235)
        await caller.hears("ask_phone")
        await caller.keys("68050#")
        await caller.hears("digits_5")
        await caller.hears("should_be_eight")
        await caller.hears("ask_phone_slow")
        await caller.keys("68050235")
        heard = await received(caller)
    assert in_order(heard, "ask_phone", "ask_phone_slow", "received", "change_number")
    assert (await floor.callback("+4768050235"))["patient"] == masked(235)


async def no_receipt_without_a_number_to_call(floor: Floor) -> None:
    async with floor.rings("+4768050994", withheld=True) as caller:
        await says_who(caller, 236)
        await caller.hears("ask_phone")
        await caller.keys("116117#")
        await caller.hears("ask_phone_slow")
        await caller.keys("116117#")
        await caller.hears("switchboard_unanswered")
        heard = await caller.heard()
    assert in_order(heard, "phone_short", "ask_phone_slow", "no_number", "to_switchboard", "switchboard_unanswered")
    assert "received" not in heard
    kept = [call for call in await floor.calls(None) if call["why"] == "no_number"]
    assert [(call["department"], call["step"]) for call in kept] == [("kirurgi", "phone")]


async def another_number_may_be_given(floor: Floor) -> None:
    async with floor.rings("+4768050210") as caller:
        await says_who(caller, 210)
        await caller.hears("change_number")
        await caller.keys("1")
        await caller.hears("ask_phone")
        await caller.keys("68050211")
        heard = await to_the_end(caller)
    assert in_order(heard, "received", "change_number", "ask_phone", "may_hang_up")
    assert (await floor.callback("+4768050211"))["patient"] == masked(210)
    assert await floor.callbacks("+4768050210") == []


async def star_restarts_the_phone_number(floor: Floor) -> None:
    async with floor.rings("+4768050237") as caller:
        await says_who(caller, 237)
        read = await caller.hears("change_number")
        await caller.keys("1")
        await caller.hears("ask_phone", after=read.start)
        await caller.keys("6805*68050238")
        heard = await to_the_end(caller)
    assert in_order(heard, "received", "change_number", "ask_phone", "may_hang_up")
    assert (await floor.callback("+4768050238"))["patient"] == masked(237)


STORIES: tuple[Story, ...] = (
    hidden_number_is_asked_for_and_not_stored,
    a_hidden_number_by_sip_info,
    a_foreign_number_is_kept,
    premium_number_is_asked_for_again_with_the_reason,
    a_short_number_is_asked_for_again_with_the_reason,
    too_few_digits_of_a_number_are_counted_aloud,
    no_receipt_without_a_number_to_call,
    another_number_may_be_given,
    star_restarts_the_phone_number,
)
