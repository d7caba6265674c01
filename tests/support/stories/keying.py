"""Callers who key their identity number: right, wrong, late, not at all; in two languages, by two transports."""

from tests.support.phone.floor import (
    OPENING,
    Floor,
    Story,
    in_order,
    masked,
    promise_heard_is_stored,
    received,
    speaking,
)
from tests.support.synthetic import synthetic_identity


async def a_wrong_control_digit_is_asked_for_again(floor: Floor) -> None:
    right = synthetic_identity(201)
    async with floor.rings("+4768050201") as caller:
        await caller.hears("ask_identity")
        await caller.keys(right[:10] + str((int(right[10]) + 1) % 10))
        wrong = await caller.hears("identity_wrong")
        await caller.hears("ask_identity_slow", after=wrong.start)
        await caller.keys(right)
        heard = await received(caller)
    assert in_order(heard, "welcome", "emergency", "ask_identity", "identity_wrong", "ask_identity_slow", "received")
    assert (await floor.callback("+4768050201"))["patient"] == masked(201)


async def a_date_that_does_not_exist_is_asked_for_again(floor: Floor) -> None:
    right = synthetic_identity(221)
    async with floor.rings("+4768050221") as caller:
        await caller.hears("ask_identity")
        await caller.keys("39" + right[2:])
        await caller.hears("ask_identity_slow")
        await caller.keys(right)
        heard = await received(caller)
    assert in_order(heard, "ask_identity", "identity_wrong", "ask_identity_slow", "received", "change_number")
    assert (await floor.callback("+4768050221"))["patient"] == masked(221)


async def silence_twice_registers_the_number_alone(floor: Floor) -> None:
    async with floor.rings("+4768050202") as caller:
        heard = await received(caller)
    assert in_order(heard, "ask_identity", "no_keys", "ask_identity_slow", "received")
    assert heard[-2:] == ["received", "change_number"]
    callback = await floor.callback("+4768050202")
    assert (callback["patient"], callback["status"]) == (None, "waiting")


async def rest_of_the_number_is_accepted_after_a_long_pause(floor: Floor) -> None:
    async with floor.rings("+4768050222") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(222)[:5])
        await caller.hears("digits_5")
        await caller.hears("key_rest")
        await caller.keys(synthetic_identity(222)[5:])
        heard = await received(caller)
    assert in_order(heard, "ask_identity", "received", "change_number")
    assert "ask_identity_slow" not in heard
    assert (await floor.callback("+4768050222"))["patient"] == masked(222)


async def nine_digits_are_counted_aloud_and_a_twelfth_is_ignored(floor: Floor) -> None:
    async with floor.rings("+4768050217") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(217)[:9] + "#")
        await caller.hears("digits_9")
        await caller.hears("ask_identity_slow")
        await caller.keys(synthetic_identity(217) + "1")
        heard = await received(caller)
    assert in_order(heard, "ask_identity", "ask_identity_slow", "received", "change_number")
    assert "ask_phone" not in heard
    assert (await floor.callback("+4768050217"))["patient"] == masked(217)


async def two_wrong_numbers_continue_without_one(floor: Floor) -> None:
    right = synthetic_identity(223)
    wrong = right[:10] + str((int(right[10]) + 1) % 10)
    async with floor.rings("+4768050223") as caller:
        await caller.hears("ask_identity")
        await caller.keys(wrong)
        await caller.hears("ask_identity_slow")
        await caller.keys(wrong)
        heard = await received(caller)
    assert in_order(heard, "identity_wrong", "ask_identity_slow", "received", "change_number")
    assert (await floor.callback("+4768050223"))["patient"] is None


async def star_starts_the_number_over(floor: Floor) -> None:
    right = synthetic_identity(224)
    async with floor.rings("+4768050224") as caller:
        await caller.hears("ask_identity")
        await caller.keys(f"{right[5:9]}*{right}")
        heard = await received(caller)
    assert "ask_identity_slow" not in heard
    assert (await floor.callback("+4768050224"))["patient"] == masked(224)


async def hash_pressed_twice_skips_the_number_and_hash_ends_it(floor: Floor) -> None:
    async with floor.rings("+4768050225") as caller:
        await caller.hears("ask_identity")
        await caller.keys("#")
        await caller.hears("confirm_skip")
        await caller.keys("#")
        heard = await received(caller)
    assert in_order(heard, "ask_identity", "confirm_skip", "received", "change_number")
    async with floor.rings("+4768050226") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(226) + "#")
        heard = await received(caller)
    assert "confirm_skip" not in heard
    assert heard.count("change_number") == 1, "the hash has not answered what is asked next"
    assert (await floor.callback("+4768050225"))["patient"] is None
    assert (await floor.callback("+4768050226"))["patient"] == masked(226)


async def digits_by_sip_info_are_accepted(floor: Floor) -> None:
    async with floor.rings("+4768050205") as caller:
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(205), info=True)
        heard = await received(caller)
    assert in_order(heard, "welcome", "emergency", "received", "change_number")
    assert (await floor.callback("+4768050205"))["patient"] == masked(205)


async def caller_whom_the_switchboard_does_not_answer_is_registered(floor: Floor) -> None:
    async with floor.rings("+4768050215") as caller:
        await caller.hears("ask_identity")
        await caller.keys("0")
        await caller.hears("confirm_person")
        await caller.keys("0")
        await caller.hears("to_switchboard")
        heard = await received(caller)
    assert in_order(heard, "to_switchboard", "switchboard_unanswered", "received", "change_number")
    callback = await floor.callback("+4768050215")
    assert (callback["department"], callback["status"], callback["patient"]) == ("kirurgi", "waiting", None)


async def spoken_deadline_is_the_stored_one(floor: Floor) -> None:
    async with floor.rings("+4768050227") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(227))
        heard = await received(caller)
        callback = await floor.callback("+4768050227")
        await promise_heard_is_stored(caller, callback)
    assert heard[-2:] == ["received", "change_number"]
    assert "innen klokken" in callback["promise"]["spoken"]


async def spoken_round_is_the_stored_one(floor: Floor) -> None:
    async with floor.rings("+4768050209", "2000") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(209))
        heard = await received(caller)
        callback = await floor.callback("+4768050209")
        await promise_heard_is_stored(caller, callback)
    assert heard[-2:] == ["received", "change_number"]
    assert (callback["department"], callback["promise"]["from"]) == ("hjerte", callback["promise"]["by"])
    assert callback["promise"]["spoken"].endswith(("klokken 10", "klokken 13"))
    assert "innen" not in callback["promise"]["spoken"]


async def english_to_the_end_with_a_deadline(floor: Floor) -> None:
    async with floor.rings("+4768050216") as norwegian:
        await norwegian.hears("ask_identity")
        await norwegian.keys("9")
        await norwegian.hears("confirm_language")
        await norwegian.keys("9")
        caller = speaking(norwegian, "en")
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(216))
        heard = await received(caller)
        callback = await floor.callback("+4768050216")
        await promise_heard_is_stored(caller, callback)
    assert in_order(heard, "welcome", "ask_identity", "received", "change_number")
    assert (callback["language"], callback["patient"]) == ("en", masked(216))
    assert callback["promise"]["spoken"].endswith("by 15:00")


async def english_rounds_by_sip_info(floor: Floor) -> None:
    async with floor.rings("+4768050228", "2000") as norwegian:
        await norwegian.hears("ask_identity")
        await norwegian.keys("9", info=True)
        await norwegian.hears("confirm_language")
        await norwegian.keys("9", info=True)
        caller = speaking(norwegian, "en")
        await caller.hears("ask_identity")
        await caller.keys(synthetic_identity(228), info=True)
        heard = await received(caller)
        callback = await floor.callback("+4768050228")
        await promise_heard_is_stored(caller, callback)
    assert in_order(heard, "welcome", "ask_identity", "received", "change_number")
    assert (callback["language"], callback["department"]) == ("en", "hjerte")
    assert callback["promise"]["spoken"].endswith(("at 10:00", "at 13:00"))


STORIES: tuple[Story, ...] = (
    silence_twice_registers_the_number_alone,
    a_wrong_control_digit_is_asked_for_again,
    a_date_that_does_not_exist_is_asked_for_again,
    rest_of_the_number_is_accepted_after_a_long_pause,
    nine_digits_are_counted_aloud_and_a_twelfth_is_ignored,
    two_wrong_numbers_continue_without_one,
    star_starts_the_number_over,
    hash_pressed_twice_skips_the_number_and_hash_ends_it,
    digits_by_sip_info_are_accepted,
    caller_whom_the_switchboard_does_not_answer_is_registered,
    spoken_deadline_is_the_stored_one,
    spoken_round_is_the_stored_one,
    english_to_the_end_with_a_deadline,
    english_rounds_by_sip_info,
)
