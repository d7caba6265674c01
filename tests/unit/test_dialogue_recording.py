"""«Si kort hva det gjelder»: asked after the receipt, never before, and the callback stands whatever becomes of it."""

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
    """Somebody who keys all that is asked for, and speaks for six seconds."""
    world = World(department=RECORDING)
    world.caller.answers("ask_identity", IDENTITY)
    world.caller.speaks = 6.0
    return world


@on_virtual_time
async def test_after_the_receipt_what_is_said_is_recorded_and_thanked_for() -> None:
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
async def test_recording_begins_when_all_is_said_and_nothing_is_keyed_in_it() -> None:
    world = calling()
    world.caller.answers("may_hang_up", "12345678901", after=0.1)  # keyed on and on into what follows
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
def test_the_caller_is_thanked_only_for_what_is_kept(fate: RecordingOutcome, said: list[str]) -> None:
    @on_virtual_time
    async def ring() -> None:
        world = calling()
        world.recorder.fate = fate
        await world.ring()
        assert world.prompts[-len(said) :] == said
        assert not world.hung_up and world.caller.left_to is None

    ring()


@pytest.mark.parametrize("error", [WrongState(), AriUnavailable("HTTP 500"), AriUnavailable(), AriError("HTTP 422")])
def test_a_recording_that_cannot_begin_takes_nothing_from_the_receipt(error: AriError) -> None:
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
def test_a_caller_gone_before_it_began_has_hung_up(error: AriError) -> None:
    @on_virtual_time
    async def ring() -> None:
        world = calling()
        world.caller.failing["record"] = error
        await world.ring()
        assert world.hung_up and world.stored == (IDENTITY, OWN_NUMBER)

    ring()


@on_virtual_time
async def test_hanging_up_ends_it_and_what_was_said_is_kept() -> None:
    world = calling()
    world.caller.answers("say_what_about", "")
    world.caller.speaks = 60.0
    world.caller.hangs_up(at=70.0)
    await world.ring()
    assert world.hung_up
    ((name, seconds),) = world.caller.recorded
    assert name == NAME and 0 < seconds < 60


@on_virtual_time
async def test_a_department_that_does_not_want_it_asks_for_nothing() -> None:
    world = calling()
    world.department = KIRURGI
    await world.ring()
    assert world.prompts[-1] == "may_hang_up" and "say_what_about" not in world.prompts
    assert "record" not in world.caller.requests


@on_virtual_time
async def test_someone_on_the_list_already_is_not_asked() -> None:
    world = World(department=RECORDING)
    world.callers.already()
    world.caller.answers("ask_identity", IDENTITY)
    await world.ring()
    assert "say_what_about" not in world.prompts and "record" not in world.caller.requests


@on_virtual_time
async def test_nothing_stored_nothing_recorded() -> None:
    world = calling()
    world.desk.failing = StorageUnavailable()
    await world.ring()
    assert "say_what_about" not in world.prompts and "record" not in world.caller.requests
