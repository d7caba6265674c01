"""The standby's door and its channels: calls over FastAGI, with a script in Asterisk's place."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from desk.callbacks.model import CallKey, IncompleteStep
from desk.connections.standby import standby_answers
from ivr.agi.channel import AgiChannel
from ivr.agi.door import AgiDoor, StandbyPortTaken
from ivr.agi.protocol import AgiAnswer
from ivr.agi.recordings import GRACE, StandbyRecordings
from ivr.asterisk.ari import admit_at_once
from ivr.asterisk.errors import AriError, ChannelGone
from ivr.asterisk.events import ChannelDtmfReceived, Event, PlaybackFinished, RecordingEnded, StasisEnd, StasisStart
from ivr.calls.call import Call, CallerHungUp, CallerId, Keys
from tests.support.ports import free_port

LENGTHS = {f"nb/{prompt}": 0.05 for prompt in ("welcome", "ask", "received", "key_tone")}
DESCRIPTION = (
    "agi_network: yes\nagi_uniqueid: 1790000000.1\nagi_language: nb\nagi_callerid: +4768059001\n"
    "agi_arg_1: 02:00:00:00:00:01\nagi_arg_2: kirurgi\nagi_arg_3: nb\nagi_arg_4: allowed\nagi_arg_5: again\n\n"
)


class Asterisk:
    """Carries out commands at once, except that a wait for a key takes its time. A key comes in the next that fits."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.missing: set[str] = set()
        self.refusing = ""
        self.recorded = "0 (timeout)"
        self.keys: list[tuple[str, str]] = []  # the start of a command, and the key that is pressed during it
        self._hung_up = False

    async def converse(self, port: int, description: str) -> None:
        """Be one call, until the other side lets go of it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(description.encode())
        try:
            while line := await reader.readline():
                command = line.decode().rstrip("\n")
                self.commands.append(command)
                if self._hung_up:
                    break
                writer.write((await self._answer(command) + "\n").encode())
        finally:
            writer.close()

    def hang_up(self) -> None:
        self._hung_up = True

    def said(self, *starts: str) -> list[str]:
        """The commands that start like this."""
        return [command for command in self.commands if command.startswith(starts)]

    async def _answer(self, command: str) -> str:
        if self.refusing and command.startswith(self.refusing):
            return "510 Invalid or unknown command"
        pressed = self.keys.pop(0)[1] if self.keys and command.startswith(self.keys[0][0]) else ""
        if command.startswith("STREAM FILE"):
            _, _, sound, _, offset = command.split(" ")
            played = 0 if sound in self.missing else 800 if pressed else 8000
            return f"200 result={ord(pressed) if pressed else 0} endpos={int(offset) + played}"
        if command.startswith("GET VARIABLE ASTSPOOLDIR"):
            return "200 result=1 (/var/spool/asterisk)"
        if command.startswith("RECORD FILE"):
            return f"200 result={self.recorded} endpos=8000"
        if command.startswith("WAIT FOR DIGIT"):
            await asyncio.sleep(0.001 if pressed else int(command.split(" ")[3]) / 1000)
            return f"200 result={ord(pressed) if pressed else 0}"
        return "200 result=1"


class Line:
    """A call through the door, with the events that reached the controller."""

    def __init__(self, door: AgiDoor, asterisk: Asterisk) -> None:
        self.asterisk = asterisk
        self.events: list[Event] = []
        self._door = door
        self._call: Call | None = None

    def route(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case StasisStart():
                key = CallKey(event.asterisk_id, event.channel_id)
                self._call = Call(
                    self._door.channel(event.channel_id),
                    key=key,
                    department="kirurgi",
                    language="nb",
                    caller=CallerId(event.caller_number),
                    lengths=LENGTHS,
                )
            case ChannelDtmfReceived(digit=digit):
                self.call.key_pressed(digit)
            case PlaybackFinished(playback_id=playback_id, state=state):
                self.call.playback_finished(playback_id, state)
            case RecordingEnded(name=name):
                self.call.recording_ended(name)
            case StasisEnd():
                self.call.ended()

    @property
    def call(self) -> Call:
        assert self._call is not None
        return self._call

    @property
    def channel(self) -> AgiChannel:
        return self._door.channel(self.call.key.channel_id)


async def _no_reconcile() -> None:
    pass


@asynccontextmanager
async def a_call(asterisk: Asterisk, description: str = DESCRIPTION) -> AsyncIterator[Line]:
    port = free_port(socket.SOCK_STREAM)
    door = AgiDoor(host="127.0.0.1", port=port)
    line = Line(door, asterisk)
    serving = asyncio.create_task(door.run(line.route, _no_reconcile, admit_at_once))
    while not await standby_answers("127.0.0.1", port):  # noqa: ASYNC110  # no event says that it listens
        await asyncio.sleep(0.01)
    calling = asyncio.create_task(asterisk.converse(port, description))
    try:
        async with asyncio.timeout(20):
            while not line.events and not calling.done():  # noqa: ASYNC110  # the same
                await asyncio.sleep(0.001)
            yield line
    finally:
        asterisk.hang_up()
        for task in (serving, calling):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_call_has_the_key_and_the_arguments_that_stasis_would_have() -> None:
    async with a_call(Asterisk()) as line:
        start = line.events[0]
    assert start == StasisStart(
        "02:00:00:00:00:01", "1790000000.1", ("kirurgi", "nb", "allowed", "again"), "+4768059001"
    )


@pytest.mark.parametrize("description", ["\n", "agi_network: yes\n\n", "agi_uniqueid: 1\nagi_arg_1: æ\n\n", "x" * 5000])
async def test_connection_that_is_no_call_is_closed(description: str) -> None:
    asterisk = Asterisk()
    async with a_call(asterisk, description) as line:
        assert line.events == [] and asterisk.commands == []


async def test_prompts_are_played_one_after_another_in_the_calls_language() -> None:
    asterisk = Asterisk()
    async with a_call(asterisk) as line:
        await line.call.play("welcome", "ask")
        line.call.language = "en"
        await line.call.play("received")
    assert asterisk.said("STREAM", "SET VARIABLE CHANNEL") == [
        'STREAM FILE innringing/welcome "0123456789*#" 0',
        'STREAM FILE innringing/ask "0123456789*#" 0',
        "SET VARIABLE CHANNEL(language) en",
        'STREAM FILE innringing/received "0123456789*#" 0',
    ]


async def test_key_ends_a_question_and_the_answer_is_collected_while_waiting() -> None:
    asterisk = Asterisk()
    asterisk.keys = [("STREAM FILE innringing/welcome", "1"), ("WAIT", "2"), ("WAIT", "3")]
    async with a_call(asterisk) as line:
        keys = await line.call.ask("welcome", "ask", digits=3, first=5, between=3)
    assert keys == Keys("123", "complete")
    assert len(asterisk.said("STREAM")) == 1, "what the key cut off is not played"


async def test_key_during_a_receipt_is_kept_and_the_receipt_goes_on_where_it_was() -> None:
    asterisk = Asterisk()
    asterisk.keys = [("STREAM FILE innringing/received", "7")]
    async with a_call(asterisk) as line:
        await line.call.play("received", required=True)
        keys = await line.call.collect(digits=1, first=1, between=1)
    assert keys == Keys("7", "complete")
    assert [each.split(" ")[-1] for each in asterisk.said("STREAM")] == ["0", "800"]


async def test_wait_for_keys_lasts_as_long_as_the_call_waits() -> None:
    asterisk = Asterisk()
    async with a_call(asterisk) as line:
        keys = await line.call.ask("ask", digits=11, first=0.3, between=0.2)
    assert keys == Keys("", "silence")
    waits = [int(each.split(" ")[3]) for each in asterisk.said("WAIT")]
    assert 300 in waits and max(waits) == 300


async def test_sound_that_asterisk_cannot_play_fails_the_receipt() -> None:
    asterisk = Asterisk()
    asterisk.missing = {"innringing/received"}
    async with a_call(asterisk) as line:
        await line.call.play("received")
    assert [each.state for each in line.events if isinstance(each, PlaybackFinished)] == ["failed"]


async def test_time_limit_is_set_before_a_prompt() -> None:
    asterisk = Asterisk()
    async with a_call(asterisk) as line:
        await line.channel.set_rescue(32)
        await line.call.play("ask")
    assert asterisk.said("SET VARIABLE TIMEOUT", "STREAM")[0] == "SET VARIABLE TIMEOUT(absolute) 32"


async def test_refused_command_is_an_error_and_not_the_end() -> None:
    asterisk = Asterisk()
    asterisk.refusing = "SET VARIABLE TIMEOUT"
    async with a_call(asterisk) as line:
        with pytest.raises(AriError, match="510"):
            await line.channel.set_rescue(32)
        await line.call.play("ask")
    assert asterisk.said("STREAM")


async def test_caller_goes_to_the_switchboard_at_the_next_priority() -> None:
    asterisk = Asterisk()
    async with a_call(asterisk) as line:
        await line.call.to_switchboard()
    assert asterisk.said("SET ") == ["SET CONTEXT switchboard", "SET EXTENSION s", "SET PRIORITY 1"]
    assert isinstance(line.events[-1], StasisEnd)


async def test_hang_up_by_the_caller_ends_the_conversation() -> None:
    asterisk = Asterisk()
    async with a_call(asterisk) as line:
        asterisk.hang_up()
        with pytest.raises(CallerHungUp):
            await line.call.ask("ask", digits=11, first=5, between=5)
        with pytest.raises(ChannelGone):
            await line.call._channel.set_rescue(10)


async def test_receipt_is_finished_after_the_call_is_let_go() -> None:
    asterisk = Asterisk()
    async with a_call(asterisk) as line:
        with line.call.at(IncompleteStep.CONFIRMATION):
            line.call.release()
            await line.call.play("received", "ask")
        await line.call.hangup()
        while not isinstance(line.events[-1], StasisEnd):  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.001)
    assert [each.split(" ")[0] for each in asterisk.said("STREAM", "HANGUP")] == ["STREAM", "STREAM", "HANGUP"]


async def test_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StandbyPortTaken, match=f"127.0.0.1:{port}"):
            await AgiDoor(host="127.0.0.1", port=port).run(lambda _: None, _no_reconcile, admit_at_once)


async def test_no_digit_is_in_the_repr_of_what_passes() -> None:
    assert "7" not in repr(AgiAnswer(ord("7"), 800)) + repr(ChannelDtmfReceived("1.1", "7"))


@pytest.mark.parametrize("recorded", ["0 (timeout)", f"{ord('5')} (dtmf)"])
async def test_recording_ends_with_silence_or_a_key_and_the_limit_follows_it(recorded: str) -> None:
    asterisk = Asterisk()
    asterisk.recorded = recorded
    async with a_call(asterisk) as line:
        await line.call.record("standby-1", longest=60, silence=4)
        await line.call.play("received")
    events = [each for each in line.events if isinstance(each, RecordingEnded | ChannelDtmfReceived)]
    assert events == [RecordingEnded("1790000000.1", "standby-1", False)], "its key is no answer"
    said = asterisk.said("SET VARIABLE TIMEOUT", "RECORD", "STREAM")
    assert said[1] == 'RECORD FILE /var/spool/asterisk/recording/standby-1 alaw "0123456789*#" 60000 "s=4"'
    limits = [int(each.split(" ")[-1]) for each in said if each.startswith("SET")]
    assert limits[0] > 60 and limits[1] < 10 and said[2].startswith("SET"), "before and behind it"


async def test_caller_who_hangs_up_during_a_recording_leaves_it() -> None:
    asterisk = Asterisk()
    asterisk.recorded = "-1 (hangup)"
    async with a_call(asterisk) as line:
        with pytest.raises(CallerHungUp):
            await line.call.record("standby-1", longest=60, silence=4)
    ends = [each for each in line.events if isinstance(each, RecordingEnded | StasisEnd)]
    assert ends == [RecordingEnded("1790000000.1", "standby-1", False), StasisEnd("1790000000.1")]


async def test_recording_that_asterisk_cannot_write_does_not_end_the_call() -> None:
    asterisk = Asterisk()
    asterisk.recorded = "-1 (writefile)"
    async with a_call(asterisk) as line:
        await line.call.record("standby-1", longest=60, silence=4)
        await line.call.play("received")
    assert [each.failed for each in line.events if isinstance(each, RecordingEnded)] == [True]
    assert asterisk.said("STREAM")


class _Stored:
    """What Asterisk has in its folder of recordings."""

    async def recordings(self) -> list[str]:
        return ["innringing-1", "standby-2", "standby-3", "someone-elses"]


async def test_standby_takes_only_its_own_recordings_when_they_have_ended() -> None:
    ari: Any = _Stored()
    ours = StandbyRecordings(ari, lambda: {"standby-2"}, longest=-GRACE)
    assert await ours.names() == ["standby-2", "standby-3"], "the phone door takes its own"
    assert [await ours.is_live(name) for name in await ours.names()] == [True, False]
    assert ours.callback_of(ours.name_of("7")) == "7"
    just_started = StandbyRecordings(ari, set, longest=60)
    assert await just_started.is_live("standby-3"), "an earlier standby may have started it"
