"""A caller hears of a text message only when one is sent."""

from dataclasses import replace

import pytest

from desk.messages.model import SmsState
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import IDENTITY, OTHER_DIGITS, OTHER_NUMBER, RECEIPT, FakeDesk, World

TEXTED = [*RECEIPT[:-1], "sms_receipt", "change_number"]


def texting(world: World, monkeypatch: pytest.MonkeyPatch, state: SmsState) -> None:
    """Callbacks registered from now on have a text in that state."""
    new = FakeDesk.new
    monkeypatch.setattr(world.desk, "new", lambda *args, **more: replace(new(world.desk, *args, **more), sms=state))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (SmsState.QUEUED, TEXTED),
        (SmsState.SENT, TEXTED),
        (SmsState.DELIVERED, TEXTED),
        (SmsState.FAILED, RECEIPT),
        (SmsState.WITHDRAWN, RECEIPT),
    ],
)
@on_virtual_time
async def test_confirmation_mentions_the_text_that_will_come(
    monkeypatch: pytest.MonkeyPatch, state: SmsState, told: list[str]
) -> None:
    world = World()
    texting(world, monkeypatch, state)
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts[-len(told) :] == told


@on_virtual_time
async def test_confirmation_mentions_no_text_when_none_is_sent() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.prompts[-len(RECEIPT) :] == RECEIPT
    assert "sms_receipt" not in world.prompts


@pytest.mark.parametrize(
    ("state", "told"), [(SmsState.QUEUED, ["sms_receipt"]), (SmsState.SENT, []), (SmsState.WITHDRAWN, [])]
)
@on_virtual_time
async def test_changed_number_is_named_as_the_one_that_gets_the_text(
    monkeypatch: pytest.MonkeyPatch, state: SmsState, told: list[str]
) -> None:
    world = World()
    texting(world, monkeypatch, state)
    world.callers.already()
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.answers("change_or_decline", "1")
    world.caller.answers("ask_phone", OTHER_NUMBER)
    await world.ring()
    assert world.callers.changed_to == [f"+47{OTHER_NUMBER}"]
    assert world.prompts[-len(["pause", *told, "may_hang_up"]) :] == ["pause", *told, "may_hang_up"]
    assert OTHER_DIGITS[0] in world.prompts
