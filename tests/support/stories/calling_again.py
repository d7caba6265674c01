"""Repeat callers: they hear their status, cancel, change the number, and never get a second callback."""

import asyncio

from tests.support.phone.floor import (
    OPENING,
    STRAY,
    Floor,
    Story,
    in_order,
    masked,
    promise_heard_is_stored,
    to_the_end,
)
from tests.support.synthetic import synthetic_identity


async def the_same_person_from_another_phone_changes_the_number(floor: Floor) -> None:
    await floor.registers("+4768050207", 207)
    async with floor.rings("+4768050208") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(207))
        await caller.hears("cancel_or_change")
        await caller.keys("2")
        await caller.hears("ask_phone")
        await caller.keys("68050208")
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "cancel_or_change", "ask_phone", "change_number", "may_hang_up")
    assert "received" not in heard
    callback = await floor.callback("+4768050208")
    assert (callback["call_count"], callback["patient"]) == (2, masked(207))
    assert await floor.callbacks("+4768050207") == []


async def repeat_call_cancels_after_confirmation(floor: Floor) -> None:
    await floor.registers("+4768050213", 213)
    async with floor.rings("+4768050213") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(213))
        await caller.hears("cancel_or_change")
        await caller.keys("1")
        await caller.hears("confirm_cancel")
        await asyncio.sleep(STRAY)  # a key held long is one answer; the second key comes after a pause
        await caller.keys("1")
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "cancel_or_change", "confirm_cancel", "cancelled")
    callback = await floor.callback("+4768050213")
    assert (callback["status"], callback["closed_reason"]) == ("closed", "cancelled_by_caller")
    assert callback["call_count"] == 2


async def silence_at_the_confirmation_cancels_nothing(floor: Floor) -> None:
    await floor.registers("+4768050241", 241)
    async with floor.rings("+4768050241") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(241))
        await caller.hears("cancel_or_change")
        await caller.keys("1")
        heard = await to_the_end(caller)
    assert in_order(heard, "cancel_or_change", "confirm_cancel", "still_on_list", "may_hang_up")
    callback = await floor.callback("+4768050241")
    assert (callback["status"], callback["call_count"]) == ("waiting", 2)


async def caller_known_by_phone_alone_hears_no_details(floor: Floor) -> None:
    await floor.registers("+4768050214", 214)
    async with floor.rings("+4768050214") as caller:
        await caller.hears("ask_identity")
        await caller.keys("#")
        heard = await to_the_end(caller)
    assert heard[-3:] == ["already_on_list", "we_ring_as_told", "may_hang_up"]
    assert "cancel_or_change" not in heard
    assert (await floor.callback("+4768050214"))["call_count"] == 2


async def repeat_caller_hears_the_stored_round(floor: Floor) -> None:
    first = await floor.registers("+4768050242", 242, "2000")
    async with floor.rings("+4768050242", "2000") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(242))
        await caller.hears("cancel_or_change")
        await promise_heard_is_stored(caller, first, after="already_on_list")
        heard = await to_the_end(caller)
    assert in_order(heard, "welcome", "already_on_list", "cancel_or_change")
    again = await floor.callback("+4768050242")
    assert (again["id"], again["promise"], again["call_count"]) == (first["id"], first["promise"], 2)


async def repeat_call_joins_a_claimed_callback(floor: Floor) -> None:
    first = await floor.registers("+4768050243", 243)
    await floor.api("POST", f"/callbacks/{first['id']}/claim")
    async with floor.rings("+4768050243") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(243))
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "your_turn", "cancel_or_change")
    again = await floor.callback("+4768050243")
    assert (again["id"], again["status"], again["call_count"]) == (first["id"], "claimed", 2)


async def caller_who_missed_our_call_is_first_in_line(floor: Floor) -> None:
    first = await floor.registers("+4768050244", 244)
    fence = (await floor.api("POST", f"/callbacks/{first['id']}/claim"))["fence"]
    await floor.api("POST", f"/callbacks/{first['id']}/attempts", {"outcome": "no_answer", "fence": fence})
    async with floor.rings("+4768050244") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(244))
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "tried_in_vain", "next_in_line", "cancel_or_change")
    again = await floor.callback("+4768050244")
    assert (again["id"], again["priority"], again["call_count"]) == (first["id"], "urgent", 2)


async def caller_who_was_reached_is_registered_again(floor: Floor) -> None:
    first = await floor.registers("+4768050245", 245)
    fence = (await floor.api("POST", f"/callbacks/{first['id']}/claim"))["fence"]
    await floor.api("POST", f"/callbacks/{first['id']}/attempts", {"outcome": "reached", "fence": fence})
    async with floor.rings("+4768050245") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(245))
        heard = await to_the_end(caller)
    assert in_order(heard, "change_number", "received", "may_hang_up")
    assert "already_on_list" not in heard
    both = await floor.callbacks("+4768050245")
    assert sorted(each["status"] for each in both) == ["closed", "waiting"]


STORIES: tuple[Story, ...] = (
    the_same_person_from_another_phone_changes_the_number,
    repeat_call_cancels_after_confirmation,
    silence_at_the_confirmation_cancels_nothing,
    caller_known_by_phone_alone_hears_no_details,
    repeat_caller_hears_the_stored_round,
    repeat_call_joins_a_claimed_callback,
    caller_who_missed_our_call_is_first_in_line,
    caller_who_was_reached_is_registered_again,
)
