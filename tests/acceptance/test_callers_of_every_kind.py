"""Callers who err, keep silent, hang up, type ahead, hide their number or ring again. They ring all at once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.callers import Caller, ringing
from tests.synthetic import synthetic_identity
from tests.system import System


@dataclass
class Rung:
    """What a caller heard, in order, and the callbacks and calls kept with their number afterwards."""

    heard: list[str]
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)


async def wrong_control_digit_then_right(system: System) -> Rung:
    right = synthetic_identity(201)
    async with ringing(system.settings, "1000", "+4768050201") as caller:
        await caller.hears("ask_identity")
        await caller.keys(right[:10] + str((int(right[10]) + 1) % 10))
        slow = await caller.hears("identity_wrong")
        await caller.hears("ask_identity_slow", after=slow.start)
        await caller.keys(right)
        return await received(caller)


async def silent_twice(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050202") as caller:
        return await received(caller)


async def hangs_up_after_five_digits(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050203") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(203)[:5])
        await asyncio.sleep(0.5)
        return Rung(await caller.heard())


async def types_ahead_during_the_welcome(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050204") as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(204))
        return await received(caller)


async def keys_by_sip_info(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050205") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(205), info=True)
        return await received(caller)


async def withholds_the_number(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050999", withheld=True) as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(206))
        await caller.hears("ask_phone")
        await caller.keys("68050206")
        return await received(caller)


async def rings_twice_and_changes_the_number(system: System) -> Rung:
    """From another phone the second time: it is the same person, who wants to be rung there."""
    await registers(system, "+4768050207", 207)
    async with ringing(system.settings, "1000", "+4768050208") as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(207))
        await caller.hears("cancel_or_change")
        await caller.keys("2")
        await caller.hears("ask_phone")
        await caller.keys("68050208")
        return await to_the_end(caller)


async def rings_twice_and_cancels(system: System) -> Rung:
    await registers(system, "+4768050213", 213)
    async with ringing(system.settings, "1000", "+4768050213") as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(213))
        await caller.hears("cancel_or_change")
        await caller.keys("1")
        await caller.hears("confirm_cancel")
        await asyncio.sleep(2)  # one key held long is one answer: the second comes after a pause
        await caller.keys("1")
        return await to_the_end(caller)


async def rings_twice_known_by_phone_alone(system: System) -> Rung:
    await registers(system, "+4768050214", 214)
    async with ringing(system.settings, "1000", "+4768050214") as caller:
        await caller.hears("ask_identity")
        await caller.keys("#")
        return await to_the_end(caller)


async def wants_a_person(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050215") as caller:
        await caller.hears("ask_identity")
        await caller.keys("0")
        await caller.hears("to_switchboard")
        await caller.hears("switchboard_unavailable")
        return Rung(await caller.heard())


async def wants_english(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050216") as norwegian:
        await norwegian.hears("ask_identity")
        await norwegian.keys("9")
        english = Caller(norwegian.call, norwegian.prompts.parent / "en")
        await english.hears("ask_identity")
        await english.keys(synthetic_identity(216))
        return await received(english)


async def keys_nine_digits_and_then_twelve(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050217") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(217)[:9] + "#")
        await caller.hears("ask_identity_slow")
        await caller.keys(synthetic_identity(217) + "1")
        return await received(caller)


async def rings_hjerte(system: System) -> Rung:
    async with ringing(system.settings, "2000", "+4768050209") as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(209))
        return await received(caller)


async def gives_another_number(system: System) -> Rung:
    async with ringing(system.settings, "1000", "+4768050210") as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(210))
        await caller.hears("change_number")
        await caller.keys("1")
        await caller.hears("ask_phone")
        await caller.keys("68050211")
        return await received(caller)


async def registers(system: System, number: str, person: int) -> None:
    async with ringing(system.settings, "1000", number) as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(person))
        await caller.hears("received")  # and hangs up at once: it is stored


async def received(caller: Caller) -> Rung:
    """Listen to the receipt until we are hung up on."""
    await caller.hears("received")
    return await to_the_end(caller)


async def to_the_end(caller: Caller) -> Rung:
    await caller.ends()
    return Rung(await caller.heard())


PHONES = {
    wrong_control_digit_then_right: "+4768050201",
    silent_twice: "+4768050202",
    hangs_up_after_five_digits: "+4768050203",
    types_ahead_during_the_welcome: "+4768050204",
    keys_by_sip_info: "+4768050205",
    withholds_the_number: "+4768050206",
    rings_twice_and_changes_the_number: "+4768050208",
    rings_twice_and_cancels: "+4768050213",
    rings_twice_known_by_phone_alone: "+4768050214",
    wants_a_person: "+4768050215",
    wants_english: "+4768050216",
    keys_nine_digits_and_then_twelve: "+4768050217",
    rings_hjerte: "+4768050209",
    gives_another_number: "+4768050211",
}
Story = Callable[[System], Awaitable[Rung]]


@pytest.fixture(scope="module")
def rung(postgres_system: System) -> dict[Story, Rung | BaseException]:
    """All of them ring at once; then the agents' lists are read."""

    async def ring_all() -> dict[Story, Rung | BaseException]:
        stories = list(PHONES)
        told = await asyncio.gather(*(story(postgres_system) for story in stories), return_exceptions=True)
        async with postgres_system.client() as agent:
            callbacks = (await agent.get("/callbacks", params={"limit": 200})).raise_for_status().json()["items"]
            calls = (
                (await agent.get("/calls", params={"incomplete": True, "limit": 200}))
                .raise_for_status()
                .json()["items"]
            )
        for story, one in zip(stories, told, strict=True):
            if isinstance(one, Rung):
                one.callbacks = [callback for callback in callbacks if callback["phone"] == PHONES[story]]
                one.calls = [call for call in calls if call["phone"] == PHONES[story]]
        return dict(zip(stories, told, strict=True))

    return asyncio.run(ring_all())


def told(rung: dict[Story, Rung | BaseException], story: Story) -> Rung:
    one = rung[story]
    if isinstance(one, BaseException):
        raise one
    return one


def test_a_wrong_control_digit_is_asked_for_again(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, wrong_control_digit_then_right)
    assert one.heard.index("identity_wrong") < one.heard.index("ask_identity_slow") < one.heard.index("received")
    (callback,) = one.callbacks
    assert callback["patient"] == {"kind": "tenor", "masked": synthetic_identity(201)[:6] + "*****"}


def test_silence_twice_registers_the_number_alone(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, silent_twice)
    assert one.heard.index("no_keys") < one.heard.index("without_identity") < one.heard.index("received")
    (callback,) = one.callbacks
    assert callback["patient"] is None
    assert callback["status"] == "waiting"


def test_hanging_up_after_five_digits_is_kept_as_incomplete(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, hangs_up_after_five_digits)
    assert "received" not in one.heard
    assert one.callbacks == []
    (call,) = one.calls
    assert (call["department"], call["step"], call["incomplete"]) == ("kirurgi", "identity", True)


def test_digits_typed_ahead_during_the_welcome_count(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, types_ahead_during_the_welcome)
    assert "ask_identity" not in one.heard  # a key stops the prompts before it
    assert "received" in one.heard
    (callback,) = one.callbacks
    assert callback["patient"]["masked"] == synthetic_identity(204)[:6] + "*****"


def test_digits_by_sip_info_count(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, keys_by_sip_info)
    (callback,) = one.callbacks
    assert callback["patient"]["masked"] == synthetic_identity(205)[:6] + "*****"


def test_a_withheld_number_is_asked_for_and_not_kept(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, withholds_the_number)
    assert one.heard.index("phone_withheld") < one.heard.index("ask_phone") < one.heard.index("received")
    (callback,) = one.callbacks
    assert callback["phone"] == "+4768050206"


def in_order(heard: list[str], *expected: str) -> bool:
    """Whether these were heard in this order, whatever was heard between them."""
    rest = iter(heard)
    return all(key in rest for key in expected)


def test_the_same_person_twice_is_one_callback_with_the_new_number(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, rings_twice_and_changes_the_number)
    assert in_order(one.heard, "already_on_list", "cancel_or_change", "ask_phone", "change_number", "may_hang_up")
    assert "received" not in one.heard
    (callback,) = one.callbacks
    assert callback["call_count"] == 2
    assert callback["patient"]["masked"] == synthetic_identity(207)[:6] + "*****"


def test_asked_twice_a_second_call_cancels(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, rings_twice_and_cancels)
    assert in_order(one.heard, "already_on_list", "cancel_or_change", "confirm_cancel", "cancelled")
    (callback,) = one.callbacks
    assert (callback["status"], callback["closed_reason"]) == ("closed", "cancelled_by_caller")
    assert callback["call_count"] == 2


def test_known_by_phone_alone_only_generic_things_are_said(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, rings_twice_known_by_phone_alone)
    assert one.heard[-3:] == ["already_on_list", "we_ring_as_told", "may_hang_up"]
    assert "cancel_or_change" not in one.heard
    (callback,) = one.callbacks
    assert callback["call_count"] == 2


def test_a_lone_zero_reaches_the_switchboard_and_is_kept(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, wants_a_person)
    assert in_order(one.heard, "ask_identity", "to_switchboard", "switchboard_unavailable")
    assert one.callbacks == []
    (call,) = one.calls
    assert (call["step"], call["why"]) == ("identity", "asked_for_person")


def test_a_lone_nine_speaks_english_to_the_end(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, wants_english)
    assert in_order(one.heard, "welcome", "ask_identity", "change_number", "received", "may_hang_up")
    (callback,) = one.callbacks
    assert callback["language"] == "en"
    assert "15:00" in callback["promise"]["spoken"]


def test_nine_digits_are_counted_aloud_and_a_twelfth_answers_nothing(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, keys_nine_digits_and_then_twelve)
    assert in_order(one.heard, "ask_identity", "ask_identity_slow", "change_number", "received")
    assert "ask_phone" not in one.heard
    (callback,) = one.callbacks
    assert callback["phone"] == "+4768050217"


def test_hjerte_promises_its_next_round(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, rings_hjerte)
    (callback,) = one.callbacks
    assert callback["department"] == "hjerte"
    assert callback["promise"]["from"] == callback["promise"]["by"]
    assert "klokken 10" in callback["promise"]["spoken"] or "klokken 13" in callback["promise"]["spoken"]
    assert "innen" not in callback["promise"]["spoken"]


def test_another_number_may_be_given(rung: dict[Story, Rung | BaseException]) -> None:
    one = told(rung, gives_another_number)
    (callback,) = one.callbacks
    assert callback["phone"] == "+4768050211"
