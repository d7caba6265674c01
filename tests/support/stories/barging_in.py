"""Callers who interrupt prompts with a key: possible wherever a key is expected, but not in the receipt."""

import asyncio

from tests.support.phone.callers import Caller
from tests.support.phone.floor import OPENING, Before, Floor, Story, in_order, masked, received, to_the_end
from tests.support.synthetic import synthetic_identity


async def interrupts_the_welcome(floor: Floor) -> None:
    identity = synthetic_identity(204)
    async with floor.cuts("welcome", identity[0], "+4768050204") as caller:
        await caller.keys(identity[1:])
        heard = await received(caller)
    assert heard == ["welcome", "received", "change_number"], "nothing but the receipt"
    assert (await floor.callback("+4768050204"))["patient"] == masked(204)


async def keys_the_moment_we_answer(floor: Floor) -> None:
    """Five callers who know the service. The first key is on its way before the conversation has started."""

    async def knows_the_service(person: int) -> None:
        async with floor.rings(f"+4768050{person}") as caller:
            await caller.keys(synthetic_identity(person))
            await received(caller)
        assert (await floor.callback(f"+4768050{person}"))["patient"] == masked(person)

    await asyncio.gather(*(knows_the_service(person) for person in range(291, 296)))


async def interrupts_the_emergency_notice(floor: Floor) -> None:
    identity = synthetic_identity(261)
    async with floor.cuts("emergency", identity[0], "+4768050261") as caller:
        await caller.keys(identity[1:])
        heard = await received(caller)
    assert heard == ["welcome", "emergency", "received", "change_number"]
    assert (await floor.callback("+4768050261"))["patient"] == masked(261)


async def interrupts_the_request(floor: Floor) -> None:
    identity = synthetic_identity(262)
    async with floor.cuts("ask_identity", identity[0], "+4768050262") as caller:
        await caller.keys(identity[1:])
        heard = await received(caller)
    assert heard[:3] == ["welcome", "emergency", "ask_identity"]
    assert heard[-2:] == ["received", "change_number"]
    assert (await floor.callback("+4768050262"))["patient"] == masked(262)


async def _mistypes(caller: Caller) -> None:
    await caller.hears("ask_identity")
    await caller.keys("12345678901")


async def keys_during_the_error_message(floor: Floor) -> None:
    async with floor.rings("+4768050263") as caller:
        await _mistypes(caller)
        await caller.hears("identity_wrong")
        await caller.keys(synthetic_identity(263))
        heard = await received(caller)
    assert in_order(heard, "ask_identity", "identity_wrong", "received", "change_number")
    assert (await floor.callback("+4768050263"))["patient"] == masked(263)


async def interrupts_the_slow_request(floor: Floor) -> None:
    identity = synthetic_identity(264)
    async with floor.cuts("ask_identity_slow", identity[0], "+4768050264", _mistypes) as caller:
        await caller.keys(identity[1:])
        heard = await received(caller)
    assert in_order(heard, "identity_wrong", "ask_identity_slow", "received", "change_number")
    assert "skip_identity" not in heard
    assert (await floor.callback("+4768050264"))["patient"] == masked(264)


def _says_who(person: int) -> Before:
    async def says(caller: Caller) -> None:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(person))

    return says


async def interrupts_the_request_for_a_phone_number(floor: Floor) -> None:
    async with floor.cuts("ask_phone", "6", "+4768050992", _says_who(265), withheld=True) as caller:
        await caller.keys("8050265")
        heard = await received(caller)
    assert in_order(heard, "phone_withheld", "ask_phone", "received", "change_number")
    assert (await floor.callback("+4768050265"))["patient"] == masked(265)


async def interrupts_the_slow_request_for_a_phone_number(floor: Floor) -> None:
    async def mistypes(caller: Caller) -> None:
        await _says_who(266)(caller)
        await caller.hears("ask_phone")
        await caller.keys("82900000")

    async with floor.cuts("ask_phone_slow", "6", "+4768050991", mistypes, withheld=True) as caller:
        await caller.keys("8050266")
        heard = await received(caller)
    assert in_order(heard, "phone_premium", "ask_phone_slow", "received", "change_number")
    assert (await floor.callback("+4768050266"))["patient"] == masked(266)


async def interrupts_the_offer_of_another_number(floor: Floor) -> None:
    async with floor.cuts("change_number", "1", "+4768050267", _says_who(267), registers=True) as caller:
        await caller.hears("ask_phone")
        await caller.keys("68050268")
        heard = await to_the_end(caller)
    assert in_order(heard, "received", "change_number", "ask_phone", "may_hang_up")
    assert (await floor.callback("+4768050268"))["patient"] == masked(267)


async def keys_do_not_interrupt_the_status(floor: Floor) -> None:
    await floor.registers("+4768050269", 269)
    async with floor.rings("+4768050269") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(269))
        await caller.hears("already_on_list")
        await caller.keys("2")
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "change_or_decline")
    assert "confirm_decline" not in heard, "a key answers no question that is not asked yet"
    assert (await floor.callback("+4768050269"))["status"] == "waiting"


async def interrupts_the_menu(floor: Floor) -> None:
    await floor.registers("+4768050271", 271)
    async with floor.cuts("change_or_decline", "2", "+4768050271", _says_who(271)) as caller:
        await caller.hears("confirm_decline")
        await caller.keys("2")
        heard = await to_the_end(caller)
    assert heard[-3:] == ["change_or_decline", "confirm_decline", "declined"]
    assert (await floor.callback("+4768050271"))["status"] == "closed"


async def keys_do_not_interrupt_the_receipt(floor: Floor) -> None:
    async with floor.rings("+4768050272") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(272))
        await caller.hears("received")
        await caller.keys("1#0*9")
        await caller.ends()
        sentences = {heard.key: heard for heard in await caller.sentences()}
    assert sentences["received"].whole and sentences["change_number"].whole
    callback = await floor.callback("+4768050272")
    assert (callback["status"], callback["patient"]) == ("waiting", masked(272))


STORIES: tuple[Story, ...] = (
    keys_the_moment_we_answer,
    interrupts_the_welcome,
    interrupts_the_emergency_notice,
    interrupts_the_request,
    keys_during_the_error_message,
    interrupts_the_slow_request,
    interrupts_the_request_for_a_phone_number,
    interrupts_the_slow_request_for_a_phone_number,
    interrupts_the_offer_of_another_number,
    keys_do_not_interrupt_the_status,
    interrupts_the_menu,
    keys_do_not_interrupt_the_receipt,
)
