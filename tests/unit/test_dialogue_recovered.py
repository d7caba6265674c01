"""A call that a new controller takes over in the middle: what is known is used, and no one starts from the welcome."""

import asyncio
from dataclasses import replace

import pytest

from desk.callbacks.model import IncompleteStep, RegistrationResult, WhyEnded
from desk.database.errors import StorageUnavailable
from desk.numbers.phone_number import parse_phone
from ivr.asterisk.errors import AriError
from ivr.calls.errors import PromptFailed
from ivr.calls.playback import held_ids, playback_ids
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import IDENTITY, KIRURGI, OWN_NUMBER, RECEIPT, World


def recovered() -> World:
    world = World()
    world.call.recovered = True
    return world


@on_virtual_time
async def test_recovered_caller_hears_one_sentence_and_then_the_question() -> None:
    world = recovered()
    world.caller.durations["ask_identity"] = 3.0
    world.caller.answers("ask_identity", IDENTITY, after=1.0)
    await world.ring()
    assert world.prompts == ["recovered", "ask_identity", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_keys_of_a_number_that_was_lost_do_not_answer_the_question() -> None:
    world = recovered()
    world.caller.durations.update(recovered=1.5, ask_identity=3.0)
    world.caller.keys(IDENTITY[-5:], at=0.2, gap=0.4)  # until 0.3 s after the sentence
    world.caller.answers("ask_identity", IDENTITY, after=1.2)
    await world.ring()
    assert world.prompts == ["recovered", "ask_identity", *RECEIPT]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_what_an_earlier_controller_left_playing_is_stopped_first() -> None:
    world = recovered()
    for playback_id in (playback_ids(world.caller.id)[2], held_ids(world.caller.id)[1]):
        await world.caller.play(playback_id, ["sound:innringing/welcome"], "nb")
    world.caller.durations["welcome"] = 60.0
    world.caller.hangs_up(at=3)
    await world.ring()
    assert len(world.caller.stopped) == 2
    assert [second for second, prompt in world.caller.heard if prompt == "recovered"] == [0.0]


@on_virtual_time
async def test_recovered_caller_who_is_registered_hears_the_receipt_and_is_let_go() -> None:
    world = recovered()
    world.desk.stored_before = RegistrationResult(world.desk.new(parse_phone(OWN_NUMBER)), created=False)
    await world.ring()
    assert world.prompts == RECEIPT
    assert world.stored is None
    last = len(world.caller.requests) - world.caller.requests[::-1].index("play")
    assert "stop" not in world.caller.requests[:last], "an earlier receipt may still be playing: it is heard to its end"


@on_virtual_time
async def test_recovered_caller_who_had_joined_an_open_callback_hears_no_one_elses_promise() -> None:
    world = recovered()
    world.desk.stored_before = RegistrationResult(world.desk.new(parse_phone(OWN_NUMBER), call_count=2), created=False)
    await world.ring()
    assert world.prompts == ["already_on_list", "we_ring_as_told", "may_hang_up"]


@on_virtual_time
async def test_recovered_caller_is_asked_again_when_what_is_stored_cannot_be_read() -> None:
    world = recovered()
    world.desk.failing = StorageUnavailable()
    world.caller.hangs_up(at=5)
    await world.ring()
    assert world.prompts[:2] == ["recovered", "ask_identity"]


@on_virtual_time
async def test_receipt_that_was_not_played_does_not_count_as_said() -> None:
    for failure in ("event", "request"):
        world = World()
        world.caller.answers("ask_identity", IDENTITY)
        if failure == "event":
            world.caller.failed_prompts = {"received", "oclock_15", "pause"}
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(8, world.caller.failing.update, {"play": AriError("HTTP 405")})
        try:
            await world.ring()
        except PromptFailed:
            pass
        else:
            raise AssertionError("the controller must connect this caller to a person")
        assert world.stored is not None


@on_virtual_time
async def test_refused_caller_is_recorded_with_number_and_reason() -> None:
    world = World()
    world.caller.answers("ask_identity", IDENTITY)

    async def fail(*_: object, **__: object) -> None:
        raise StorageUnavailable

    world.desk.register = fail  # type: ignore[assignment,method-assign]
    await world.ring()
    assert world.prompts[-2:] == ["storage_down", "to_switchboard"]
    assert world.caller.left_to == ("switchboard", "s")
    assert world.desk.ended == [(IncompleteStep.CONFIRMATION, WhyEnded.TROUBLE, OWN_NUMBER)]


@pytest.mark.parametrize(("had", "goes_on"), [("en", "en"), ("nb", "nn"), ("sv", "nn")])
@on_virtual_time
async def test_recovered_caller_keeps_the_language_that_was_chosen(had: str, goes_on: str) -> None:
    world = recovered()
    world.department = replace(KIRURGI, languages=("nn", "nb", "en"))
    world.call.language = had
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert world.call.language == goes_on
    assert world.desk.registered[0][-1] == goes_on
    assert world.caller.language == goes_on, "for a process that goes on after this one"
