"""«Si kort hva det gjelder»: asked only after the receipt. The callback is kept whatever happens to the recording."""

from dataclasses import replace

import pytest

from desk.database.errors import StorageUnavailable
from ivr.asterisk.errors import AriError, AriUnavailable, ChannelGone, NotInStasis, WrongState
from ivr.calls.recording import RecordingOutcome
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import IDENTITY, KIRURGI, OWN_NUMBER, RECEIPT, World

RECORDING = replace(KIRURGI, recording=True)
NAME = "innringing-0f8fad5b-d9cb-469f-a165-70867728950e"


def calling() -> World:
    """A caller who keys what is asked for, and speaks for six seconds."""
    world = World(department=RECORDING)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.speaks = 6.0
    return world


@on_virtual_time
async def test_reason_is_recorded_after_the_receipt_and_the_caller_thanked() -> None:
    world = calling()
    await world.ring()
    assert world.prompts[-len(RECEIPT) - 4 :] == [
        *RECEIPT,
        *("pause", "say_what_about"),
        *("recording_kept", "may_hang_up"),
    ]
    assert world.caller.recorded == [(NAME, 6.0)]
    assert world.recorder.expected == [NAME.removeprefix("innringing-")]
    assert world.stored == (IDENTITY, OWN_NUMBER)


@on_virtual_time
async def test_recording_starts_after_the_prompt_and_the_next_key_ends_it() -> None:
    world = calling()
    world.caller.answers("say_what_about", "12345678901", after=0.1)  # the caller keeps keying into what follows
    await world.ring()
    assert world.caller.recorded and world.caller.recorded[0][1] < 6.0  # the next key ended it at once
    assert world.caller.requests.index("record") > world.caller.requests.index("play")


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        (RecordingOutcome.EMPTY, ["say_what_about", "may_hang_up"]),
        (RecordingOutcome.UNKNOWN, ["say_what_about", "may_hang_up"]),
        (RecordingOutcome.LOST, ["say_what_about", "recording_lost", "may_hang_up"]),
    ],
)
def test_caller_is_thanked_only_when_the_recording_is_stored(fate: RecordingOutcome, said: list[str]) -> None:
    @on_virtual_time
    async def ring() -> None:
        world = calling()
        world.recorder.fate = fate
        await world.ring()
        assert world.prompts[-len(said) :] == said
        assert not world.hung_up and world.caller.left_to is None

    ring()


@pytest.mark.parametrize("error", [WrongState(), AriUnavailable("HTTP 500"), AriUnavailable(), AriError("HTTP 422")])
def test_recording_that_cannot_start_leaves_the_receipt_valid(error: AriError) -> None:
    @on_virtual_time
    async def ring() -> None:
        world = calling()
        world.caller.failing["record"] = error
        world.recorder.fate = RecordingOutcome.UNKNOWN
        await world.ring()
        assert world.prompts[-2:] == ["say_what_about", "may_hang_up"]
        assert world.caller.left_to is None
        assert world.stored == (IDENTITY, OWN_NUMBER)

    ring()


@pytest.mark.parametrize("error", [ChannelGone(), NotInStasis()])
def test_caller_gone_before_the_recording_has_hung_up(error: AriError) -> None:
    @on_virtual_time
    async def ring() -> None:
        world = calling()
        world.caller.failing["record"] = error
        await world.ring()
        assert world.hung_up and world.stored == (IDENTITY, OWN_NUMBER)

    ring()


@on_virtual_time
async def test_hang_up_ends_the_recording_and_keeps_it() -> None:
    world = calling()
    world.caller.answers("say_what_about", "")
    world.caller.speaks = 60.0
    world.caller.hangs_up(at=70.0)
    await world.ring()
    assert world.hung_up
    ((name, seconds),) = world.caller.recorded
    assert name == NAME and 0 < seconds < 60


@on_virtual_time
async def test_department_without_recording_does_not_ask() -> None:
    world = calling()
    world.department = KIRURGI
    await world.ring()
    assert world.prompts[-1] == "change_number" and "say_what_about" not in world.prompts
    assert "record" not in world.caller.requests


@on_virtual_time
async def test_repeat_caller_is_not_asked_for_a_recording() -> None:
    world = World(department=RECORDING)
    world.callers.already()
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert "say_what_about" not in world.prompts and "record" not in world.caller.requests


@on_virtual_time
async def test_nothing_is_recorded_when_nothing_was_stored() -> None:
    world = calling()
    world.desk.failing = StorageUnavailable()
    await world.ring()
    assert "say_what_about" not in world.prompts and "record" not in world.caller.requests
