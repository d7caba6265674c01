"""The switchboard did not answer: the caller is registered on any number that is known, and hears the receipt."""

from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import OTHER_NUMBER, OWN_NUMBER, RECEIPT, RECEIPT_OTHER, World


def unanswered(**known: object) -> World:
    world = World(**known)  # type: ignore[arg-type]
    world.call.unanswered = True
    return world


@on_virtual_time
async def test_caller_whom_the_switchboard_did_not_answer_is_registered() -> None:
    world = unanswered()
    await world.ring()
    assert world.prompts == ["switchboard_unanswered", *RECEIPT]
    assert world.stored == (None, OWN_NUMBER)
    assert world.caller.left_to is None


@on_virtual_time
async def test_caller_with_a_hidden_number_is_asked_for_one() -> None:
    world = unanswered(number=None, withheld=True)
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.prompts == ["switchboard_unanswered", "ask_phone", *RECEIPT_OTHER]


@on_virtual_time
async def test_foreign_caller_is_registered_too() -> None:
    world = unanswered(number="+46701740605")
    await world.ring()
    assert world.stored == (None, "+46701740605")


@on_virtual_time
async def test_zero_does_not_lead_back_to_the_switchboard() -> None:
    world = unanswered()
    world.caller.answers("change_number", "0")
    world.caller.answers("confirm_person", "0")
    await world.ring()
    assert world.prompts[-2:] == ["confirm_person", "switchboard_unavailable"]
    assert world.caller.left_to is None
    assert world.stored == (None, OWN_NUMBER)


@on_virtual_time
async def test_only_a_caller_who_gives_no_number_hears_that_no_one_answers() -> None:
    world = unanswered(number=None, withheld=True)
    await world.ring()
    assert world.prompts[-2:] == ["no_number", "switchboard_unavailable"]
