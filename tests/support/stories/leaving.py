"""Callers who hang up: the step is stored each time, and a confirmed callback stays."""

import asyncio

from tests.support.phone.floor import OPENING, Floor, Story, in_order, masked
from tests.support.synthetic import synthetic_identity


async def hangs_up_in_the_welcome(floor: Floor) -> None:
    async with floor.rings("+4768050251") as caller:
        await caller.hears("welcome")
        await caller.hangs_up()
        assert (await caller.heard())[:1] == ["welcome"]
    call = await floor.call("+4768050251", "welcome")
    assert (call["department"], call["why"], call["incomplete"]) == ("kirurgi", "hung_up", True)
    assert await floor.callbacks("+4768050251") == []


async def hangs_up_after_five_digits(floor: Floor) -> None:
    async with floor.rings("+4768050203") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(203)[:5])
        await asyncio.sleep(0.5)
        await caller.hangs_up()
        assert "received" not in await caller.heard()
    call = await floor.call("+4768050203", "identity")
    assert (call["department"], call["why"], call["incomplete"]) == ("kirurgi", "hung_up", True)
    assert await floor.callbacks("+4768050203") == []


async def hangs_up_when_asked_again(floor: Floor) -> None:
    async with floor.rings("+4768050252", "2000") as caller:
        await caller.hears("ask_identity")
        await caller.keys("12345678901")
        await caller.hears("ask_identity_slow")
        await caller.hangs_up()
        assert in_order(await caller.heard(), "ask_identity", "identity_wrong", "ask_identity_slow")
    call = await floor.call("+4768050252", "identity")
    assert (call["department"], call["why"]) == ("hjerte", "hung_up")


async def hangs_up_at_the_eleventh_digit_and_is_called_back(floor: Floor) -> None:
    async with floor.rings("+4768050253") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(253))
        await asyncio.sleep(0.4)  # the key has ended, and a surplus key could still follow
        await caller.hangs_up()
    assert (await floor.stored_soon("+4768050253"))["patient"] == masked(253)


async def hangs_up_when_asked_for_a_number(floor: Floor) -> None:
    async with floor.rings("+4768050993", "2000", withheld=True) as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(254))
        await caller.hears("ask_phone")
        await caller.keys("680")
        await caller.hangs_up()
        assert in_order(await caller.heard(), "phone_withheld", "ask_phone")
    call = await floor.call(None, "phone", department="hjerte")
    assert (call["why"], call["incomplete"], call["patient"]) == ("hung_up", True, masked(254))
    shown = await floor.api("GET", f"/calls/{call['id']}/patient")
    assert shown["number"] == synthetic_identity(254)


async def hangs_up_in_the_receipt_and_is_called_back_anyway(floor: Floor) -> None:
    callback = await floor.registers("+4768050255", 255)
    assert (callback["status"], callback["call_count"]) == ("waiting", 1)
    assert await floor.calls("+4768050255") == [], "it is no incomplete call"


async def hangs_up_when_allowed_to(floor: Floor) -> None:
    async with floor.rings("+4768050256") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(256))
        await caller.hears("change_number")
        await caller.hangs_up()
        assert in_order(await caller.heard(), "received", "change_number")
    assert (await floor.callback("+4768050256"))["status"] == "waiting"
    assert await floor.calls("+4768050256") == []


async def hangs_up_in_the_menu_of_a_second_call(floor: Floor) -> None:
    await floor.registers("+4768050257", 257)
    async with floor.rings("+4768050257") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(257))
        await caller.hears("change_or_decline")
        await caller.hangs_up()
        assert in_order(await caller.heard(), "already_on_list", "change_or_decline")
    callback = await floor.callback("+4768050257")
    assert (callback["status"], callback["call_count"]) == ("waiting", 2)
    assert await floor.calls("+4768050257") == []


async def hangs_up_when_asked_to_confirm_that_no_call_is_needed(floor: Floor) -> None:
    await floor.registers("+4768050258", 258)
    async with floor.rings("+4768050258") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(258))
        await caller.hears("change_or_decline")
        await caller.keys("2")
        await caller.hears("confirm_decline")
        await caller.hangs_up()
        assert "declined" not in await caller.heard()
    assert (await floor.callback("+4768050258"))["status"] == "waiting"


async def hangs_up_on_the_way_to_the_switchboard(floor: Floor) -> None:
    async with floor.rings("+4768050259") as caller:
        await caller.hears("ask_identity")
        await caller.keys("0")
        await caller.hears("confirm_person")
        await caller.keys("0")
        await caller.hears("to_switchboard")
        await caller.hangs_up()
    call = await floor.call("+4768050259", "identity")
    assert call["why"] == "asked_for_person"


STORIES: tuple[Story, ...] = (
    hangs_up_in_the_welcome,
    hangs_up_after_five_digits,
    hangs_up_when_asked_again,
    hangs_up_at_the_eleventh_digit_and_is_called_back,
    hangs_up_when_asked_for_a_number,
    hangs_up_in_the_receipt_and_is_called_back_anyway,
    hangs_up_when_allowed_to,
    hangs_up_in_the_menu_of_a_second_call,
    hangs_up_when_asked_to_confirm_that_no_call_is_needed,
    hangs_up_on_the_way_to_the_switchboard,
)
