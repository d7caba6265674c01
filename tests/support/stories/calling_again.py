"""Repeat callers: they hear their status, need no call, change the number, and never get a second callback."""

from tests.support.phone.floor import (
    OPENING,
    Floor,
    Story,
    in_order,
    masked,
    promise_heard_is_stored,
    to_the_end,
)
from tests.support.synthetic import synthetic_identity


async def the_same_person_from_another_phone_adds_a_number(floor: Floor) -> None:
    """The status names no number, since it may be a stranger's call."""
    await floor.registers("+4768050207", 207)
    async with floor.rings("+4768050208") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(207))
        await caller.hears("change_number")
        await caller.keys("1")
        await caller.hears("ask_phone")
        await caller.keys("68050208")
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "change_number", "ask_phone", "number_added", "may_hang_up")
    assert not {"received", "change_or_decline"} & set(heard)
    callback = await floor.callback("+4768050207")
    assert (callback["call_count"], callback["patient"]) == (2, masked(207))
    assert callback["added_phone"] == "+4768050208"
    assert await floor.callbacks("+4768050208") == []


async def another_person_on_the_same_phone_gets_a_callback(floor: Floor) -> None:
    await floor.registers("+4768050246", 246)
    async with floor.rings("+4768050246") as caller:
        await caller.hears("ask_identity")
        await caller.keys("#")
        await caller.hears("confirm_skip")
        await caller.keys("#")
        await caller.hears("other_person")
        await caller.keys("1")
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "other_person", "received", "change_number")
    both = await floor.callbacks("+4768050246")
    assert sorted(each["patient"] is None for each in both) == [False, True]


async def repeat_caller_needs_no_call_after_confirmation(floor: Floor) -> None:
    await floor.registers("+4768050213", 213)
    async with floor.rings("+4768050213") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(213))
        await caller.hears("change_or_decline")
        await caller.keys("2")
        await caller.hears("confirm_decline")
        await caller.keys("2")
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "change_or_decline", "confirm_decline", "declined")
    callback = await floor.callback("+4768050213")
    assert (callback["status"], callback["closed_reason"]) == ("closed", "cancelled_by_caller")
    assert callback["call_count"] == 2


async def silence_at_the_confirmation_keeps_the_callback(floor: Floor) -> None:
    await floor.registers("+4768050241", 241)
    async with floor.rings("+4768050241") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(241))
        await caller.hears("change_or_decline")
        await caller.keys("2")
        heard = await to_the_end(caller)
    assert in_order(heard, "change_or_decline", "confirm_decline", "we_ring_as_told", "may_hang_up")
    callback = await floor.callback("+4768050241")
    assert (callback["status"], callback["call_count"]) == ("waiting", 2)


async def caller_known_by_phone_alone_hears_no_details(floor: Floor) -> None:
    await floor.registers("+4768050214", 214)
    async with floor.rings("+4768050214") as caller:
        await caller.hears("ask_identity")
        await caller.keys("#")
        await caller.hears("confirm_skip")
        await caller.keys("#")
        heard = await to_the_end(caller)
    assert heard[-3:] == ["already_on_list", "we_ring_as_told", "other_person"]
    assert "change_or_decline" not in heard
    assert (await floor.callback("+4768050214"))["call_count"] == 2


async def repeat_caller_hears_the_stored_round(floor: Floor) -> None:
    first = await floor.registers("+4768050242", 242, "2000")
    async with floor.rings("+4768050242", "2000") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(242))
        await caller.hears("change_or_decline")
        await promise_heard_is_stored(caller, first, after="already_on_list")
        heard = await to_the_end(caller)
    assert in_order(heard, "welcome", "already_on_list", "change_or_decline")
    again = await floor.callback("+4768050242")
    assert (again["id"], again["promise"], again["call_count"]) == (first["id"], first["promise"], 2)


async def repeat_call_joins_a_claimed_callback(floor: Floor) -> None:
    first = await floor.registers("+4768050243", 243)
    await floor.api("POST", f"/callbacks/{first['id']}/claim")
    async with floor.rings("+4768050243") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(243))
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "your_turn", "change_or_decline")
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
    assert in_order(heard, "already_on_list", "tried_in_vain", "next_in_line", "change_or_decline")
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
    assert in_order(heard, "received", "change_number")
    assert "already_on_list" not in heard
    both = await floor.callbacks("+4768050245")
    assert sorted(each["status"] for each in both) == ["closed", "waiting"]


STORIES: tuple[Story, ...] = (
    the_same_person_from_another_phone_adds_a_number,
    another_person_on_the_same_phone_gets_a_callback,
    repeat_caller_needs_no_call_after_confirmation,
    silence_at_the_confirmation_keeps_the_callback,
    caller_known_by_phone_alone_hears_no_details,
    repeat_caller_hears_the_stored_round,
    repeat_call_joins_a_claimed_callback,
    caller_who_missed_our_call_is_first_in_line,
    caller_who_was_reached_is_registered_again,
)
