"""The outcome of a dial, whatever the agent, the patient, Asterisk or the database does. On virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from desk.dials.model import DialState
from ivr.asterisk.errors import AriUnavailable, NotReachable
from ivr.asterisk.events import ChannelDestroyed
from ivr.dials.outbound import CREATED_WITHIN, Leg, leg_of
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialler import AGENT_RINGS, ID, MORNING, PATIENT_RINGS, DialRoom, a_dial, dial_room

RUNG_AGENT = "create PJSIP/kari-phone"
RUNG_PATIENT = "create PJSIP/+4768050001@trunk"
UP = {f"dial-{ID.format(1)}-agent", f"dial-{ID.format(1)}-patient"}


async def to_the_patient(room: DialRoom) -> None:
    await room.asks()
    await room.answers("agent")


async def to_talking(room: DialRoom) -> None:
    await to_the_patient(room)
    await room.answers("patient")


def nothing_is_left(room: DialRoom) -> bool:
    return not room.lines.there and not room.lines.spans and room.dialler.dials == 0


@on_virtual_time
async def test_agent_is_called_first_then_the_patient_and_they_are_connected() -> None:
    async with dial_room() as room:
        await room.asks()
        assert room.lines.said == [RUNG_AGENT, "dial agent"]
        assert room.dials.steps == ["agent_ringing"]
        await room.answers("agent")
        assert room.lines.said == [RUNG_AGENT, "dial agent", "ring agent", RUNG_PATIENT, "dial patient"]
        assert set(room.lines.shown.values()) == {"+4768059000"}
        await room.answers("patient")
        assert room.lines.said[5:] == ["ring_stop agent", "bridge"]
        await asyncio.sleep(600)
        assert room.dials.extended >= 4
        await room.goes("patient")
        assert room.dials.steps == ["agent_ringing", "patient_ringing", "bridged", "answered"]
        assert nothing_is_left(room)


Story = Callable[[DialRoom], Awaitable[None]]


async def agent_silent(room: DialRoom) -> None:
    await room.asks()
    await asyncio.sleep(AGENT_RINGS + 1)


async def agent_refuses(room: DialRoom) -> None:
    await room.asks()
    await room.goes("agent", 17)


async def asterisk_reports_no_answer_of_the_agent(room: DialRoom) -> None:
    await room.asks()
    await room.goes("agent", 19)


async def agent_not_registered(room: DialRoom) -> None:
    room.lines.failing[RUNG_AGENT] = NotReachable()
    await room.asks()


async def agent_hangs_up(room: DialRoom) -> None:
    await to_the_patient(room)
    await room.goes("agent")


async def agent_hangs_up_before_the_patient_is_dialled(room: DialRoom) -> None:
    await room.asks()
    room.lines.starts = False
    await room.answers("agent")
    await room.goes("agent")
    assert "dial patient" not in room.lines.said


async def agent_channel_never_enters_the_application(room: DialRoom) -> None:
    room.lines.starts = False
    await room.asks()
    await asyncio.sleep(CREATED_WITHIN)
    assert "dial agent" not in room.lines.said


async def patient_channel_never_enters_the_application(room: DialRoom) -> None:
    await room.asks()
    room.lines.starts = False
    await room.answers("agent")
    await asyncio.sleep(CREATED_WITHIN)
    assert "dial patient" not in room.lines.said


async def patient_silent(room: DialRoom) -> None:
    await to_the_patient(room)
    await asyncio.sleep(PATIENT_RINGS + 1)


async def no_trunk(room: DialRoom) -> None:
    room.lines.failing[RUNG_PATIENT] = NotReachable()
    await to_the_patient(room)


async def trunk_budget_spent(room: DialRoom) -> None:
    await room.asks()
    room.dials.budget_spent = True
    await room.answers("agent")
    assert RUNG_PATIENT not in room.lines.said


async def the_hour_strikes(room: DialRoom) -> None:
    await room.asks()
    room.dials.open = False
    await room.answers("agent")
    assert RUNG_PATIENT not in room.lines.said


async def no_longer_allowed(room: DialRoom) -> None:
    await room.asks()
    room.dials.refused = True
    await room.answers("agent")
    assert RUNG_PATIENT not in room.lines.said


async def patient_goes_soon(room: DialRoom) -> None:
    await to_talking(room)
    await room.goes("patient")


async def patient_cut_off(room: DialRoom) -> None:
    await to_talking(room)
    await asyncio.sleep(60)
    await room.goes("patient", 38)


async def agent_cut_off(room: DialRoom) -> None:
    await to_talking(room)
    await asyncio.sleep(60)
    await room.goes("agent", 38)


async def agent_ends_the_talk(room: DialRoom) -> None:
    await to_talking(room)
    await room.goes("agent")


async def agent_goes_as_the_patient_answers(room: DialRoom) -> None:
    await to_the_patient(room)
    room.lines.there.discard(f"dial-{ID.format(1)}-agent")
    await room.answers("patient")


async def asterisk_fails_at_a_request(room: DialRoom) -> None:
    room.lines.failing["ring agent"] = AriUnavailable()
    await to_the_patient(room)


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (agent_silent, "agent_no_answer"),
        (agent_refuses, "agent_unavailable"),
        (asterisk_reports_no_answer_of_the_agent, "agent_no_answer"),
        (agent_not_registered, "agent_unavailable"),
        (agent_hangs_up, "agent_hung_up"),
        (agent_hangs_up_before_the_patient_is_dialled, "agent_hung_up"),
        (agent_channel_never_enters_the_application, "agent_unavailable"),
        (patient_channel_never_enters_the_application, "failed"),
        (patient_silent, "no_answer"),
        (no_trunk, "failed"),
        (the_hour_strikes, "outside_hours"),
        (trunk_budget_spent, "trunk_budget"),
        (no_longer_allowed, "refused"),
        (patient_goes_soon, "dropped"),
        (patient_cut_off, "dropped"),
        (agent_cut_off, "dropped"),
        (agent_ends_the_talk, "answered"),
        (agent_goes_as_the_patient_answers, "dropped"),
        (asterisk_fails_at_a_request, "lost"),
    ],
)
def test_every_ending_of_a_dial_is_stored_with_its_state(story: Story, reason: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        async with dial_room() as room:
            await story(room)
            assert room.dials.steps[-1] == reason
            assert nothing_is_left(room)

    scenario()


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        *((17, "busy"), (21, "busy"), (18, "no_answer"), (19, "no_answer"), (20, "no_answer")),
        *((1, "not_in_use"), (22, "not_in_use"), (28, "not_in_use"), (34, "failed"), (0, "failed"), (127, "failed")),
    ],
)
def test_hangup_cause_of_the_patient_gives_the_reason(cause: int, reason: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        async with dial_room() as room:
            await to_the_patient(room)
            await room.goes("patient", cause)
            assert room.dials.steps[-1] == reason
            assert nothing_is_left(room)

    scenario()


@pytest.mark.parametrize("until", [DialRoom.asks, to_the_patient, to_talking])
def test_dial_can_be_cancelled_in_any_state(until: Story) -> None:
    @on_virtual_time
    async def scenario() -> None:
        async with dial_room() as room:
            await until(room)
            room.dials.cancelled = [ID.format(1), "another's"]
            await asyncio.sleep(1)
            assert room.dials.steps[-1] == "cancelled"
            assert nothing_is_left(room)

    scenario()


@on_virtual_time
async def test_dial_taken_over_by_another_controller_is_not_reported() -> None:
    async with dial_room() as room:
        await room.asks()
        room.dials.taken_away = True
        await room.answers("agent")
        assert room.dials.steps == ["agent_ringing"]
        assert nothing_is_left(room)


@on_virtual_time
async def test_end_of_a_dial_is_reported_until_the_database_stores_it() -> None:
    async with dial_room() as room:
        await to_the_patient(room)
        room.dials.unavailable = 7
        await room.goes("patient", 17)
        assert room.dials.steps[-1] == "patient_ringing"
        await asyncio.sleep(10)
        assert room.dials.steps[-1] == "busy"
        assert nothing_is_left(room)


@on_virtual_time
async def test_no_dial_is_taken_while_asterisk_is_unavailable() -> None:
    async with dial_room(connected=False) as room:
        await room.asks()
        assert len(room.dials.asked) == 1
        room.lines.connected = True
        room.dialler.reconnected()
        await asyncio.sleep(1)
        assert room.dials.asked == []


@on_virtual_time
async def test_dial_for_a_phone_registered_elsewhere_is_left_to_that_controller() -> None:
    async with dial_room(controllers=2, registered=set()) as room:
        await room.asks()
        assert (room.lines.said, len(room.dials.asked)) == ([], 1)
        await room.asks(a_dial(2))
        assert [dial.id for dial in room.dials.asked] == [ID.format(2)], "the first one found no other controller"
        room.lines.registered = {"kari-phone"}
        await asyncio.sleep(1)
        assert room.dials.asked == []


@on_virtual_time
async def test_only_controller_takes_a_dial_for_an_unregistered_phone_at_once() -> None:
    async with dial_room(registered=set()) as room:
        await room.asks()
        assert room.dials.asked == []


@on_virtual_time
async def test_lost_asterisk_is_not_recorded_as_no_answer() -> None:
    async with dial_room() as room:
        await to_the_patient(room)
        room.lines.connected = False
        await asyncio.sleep(PATIENT_RINGS + 1)
        assert room.dials.steps[-1] == "lost"


@pytest.mark.parametrize(
    ("until", "restarted", "gone", "reason"),
    [
        (DialRoom.asks, False, False, "lost"),
        (to_the_patient, True, True, "lost"),
        (to_talking, False, False, "bridged"),
        (to_talking, False, True, "answered"),
        (to_talking, True, True, "dropped"),
    ],
)
def test_dials_are_checked_after_a_reconnect(until: Story, restarted: bool, gone: bool, reason: str) -> None:
    @on_virtual_time
    async def scenario() -> None:
        async with dial_room() as room:
            await until(room)
            if gone:
                room.lines.there.clear()
            if restarted:
                room.lines.started = MORNING + timedelta(minutes=1)
            room.dialler.reconnected()
            await asyncio.sleep(2)
            assert room.dials.steps[-1] == reason
            assert nothing_is_left(room) or reason == "bridged"

    scenario()


@pytest.mark.parametrize(
    ("state", "there", "reason"),
    [
        (DialState.BRIDGED, UP, None),
        (DialState.BRIDGED, set(), "answered"),
        (DialState.PATIENT_RINGING, UP, "lost"),
        (DialState.REQUESTED, set(), "lost"),
    ],
)
def test_dials_left_by_an_earlier_controller_are_finished(
    state: DialState, there: set[str], reason: str | None
) -> None:
    @on_virtual_time
    async def scenario() -> None:
        left = a_dial(state=state, bridged_at=MORNING if state is DialState.BRIDGED else None)
        stray = f"dial-{ID.format(7)}-patient"
        async with dial_room(left=[left], there={*there, stray, "1700000000.1"}, unavailable=2) as room:
            room.lines.spans = {f"dial-{ID.format(7)}", "somebody-else's"}
            await asyncio.sleep(5)
            assert stray not in room.lines.there
            assert "1700000000.1" in room.lines.there
            assert room.lines.spans == {"somebody-else's"}
            if reason is None:
                assert room.dials.steps == []
                await room.goes("agent")
            assert room.dials.steps == [reason or "answered"]
            assert room.lines.there == {"1700000000.1"}

    scenario()


@on_virtual_time
async def test_stop_ends_ringing_calls_and_keeps_connected_ones() -> None:
    async with dial_room() as room:
        await to_talking(room)
        room.dials.asked = [a_dial(2)]
        await asyncio.sleep(1)
        room.stopping.set()
        await room.serving
        assert room.dials.steps[-1] == "lost"
        assert room.lines.there == UP
        assert room.dialler.dials == 0


@on_virtual_time
async def test_events_of_inbound_calls_and_finished_dials_are_ignored() -> None:
    async with dial_room() as room:
        assert not room.dialler.route(ChannelDestroyed("1700000000.1"))
        assert room.dialler.route(ChannelDestroyed(f"dial-{ID.format(9)}-agent"))


@on_virtual_time
async def test_no_number_is_logged() -> None:
    with capture_logs() as logs:
        async with dial_room() as room:
            await to_the_patient(room)
            await room.goes("patient", 17)
    assert "68050001" not in str(logs)
    assert any(log["event"] == "A dial ended" and log["reason"] == "busy" for log in logs)


def test_channels_of_dials_are_recognised_by_their_ids() -> None:
    assert leg_of(f"dial-{ID.format(1)}-patient") == (ID.format(1), Leg.PATIENT)
    for other in ("", "1700000000.1", "dial-x-agent", f"dial-{ID.format(1)}", f"dial-{ID.format(1)}-agent\n"):
        assert leg_of(other) is None
