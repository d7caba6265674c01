"""Whose call is it? Second calls from a phone that is not the patient's, and calls without any number."""

from tests.support.phone.floor import OPENING, Floor, Story, in_order, masked, received, to_the_end
from tests.support.synthetic import synthetic_identity


async def somebody_elses_number_on_an_own_phone_gets_only_the_time(floor: Floor) -> None:
    """A patient on the list keys the identity number of another one."""
    await floor.registers("+4768050301", 301)
    await floor.registers("+4768050302", 302)
    async with floor.rings("+4768050301") as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(302))
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "change_number")
    assert not {"received", "change_or_decline", "on_list_since"} & set(heard)
    mine, theirs = await floor.callback("+4768050301"), await floor.callback("+4768050302")
    assert (mine["call_count"], mine["patient"]) == (1, masked(301))
    assert (theirs["call_count"], theirs["status"], theirs["added_phone"]) == (2, "waiting", None)


async def the_same_person_from_a_withheld_number_hears_only_the_time(floor: Floor) -> None:
    await floor.registers("+4768050303", 303)
    async with floor.rings("+4768050304", withheld=True) as caller:
        await caller.hears(*OPENING)
        await caller.keys(synthetic_identity(303))
        heard = await to_the_end(caller)
    assert in_order(heard, "already_on_list", "change_number")
    assert not {"received", "change_or_decline", "ask_phone", "on_list_since"} & set(heard)
    callback = await floor.callback("+4768050303")
    assert (callback["call_count"], callback["status"], callback["added_phone"]) == (2, "waiting", None)
    assert await floor.callbacks("+4768050304") == []


async def withheld_number_without_an_identity_number_is_asked_for_a_phone(floor: Floor) -> None:
    async with floor.rings("+4768050305", withheld=True) as caller:
        await caller.hears("ask_identity")
        await caller.keys("#")
        await caller.hears("confirm_skip")
        await caller.keys("#")
        await caller.hears("ask_phone")
        await caller.keys("68050306")
        heard = await received(caller)
    assert in_order(heard, "phone_withheld", "ask_phone", "received", "change_number")
    assert (await floor.callback("+4768050306"))["patient"] is None
    assert await floor.callbacks("+4768050305") == []


STORIES: tuple[Story, ...] = (
    somebody_elses_number_on_an_own_phone_gets_only_the_time,
    the_same_person_from_a_withheld_number_hears_only_the_time,
    withheld_number_without_an_identity_number_is_asked_for_a_phone,
)
