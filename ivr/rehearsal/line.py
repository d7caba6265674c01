"""A fake channel with a scripted caller. It plays prompts in virtual time, without Asterisk."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from desk.callbacks.model import CallKey
from ivr.asterisk.channel import HOLD, HOLD_SECONDS
from ivr.asterisk.errors import AriError, ChannelGone
from ivr.calls.call import Call, CallerId
from ivr.calls.playback import KEY_TONE
from ivr.prompts.keys import OWN_WELCOME

PREFIX = "sound:innringing/"


class ChannelListener(Protocol):
    """Receives the events of a channel, as a Call does."""

    def key_pressed(self, key: str) -> None: ...

    def playback_finished(self, playback_id: str, state: str) -> None: ...

    def recording_ended(self, name: str) -> None: ...

    def ended(self) -> None: ...


class Lengths(Mapping[str, float]):
    """The seconds of each prompt of a channel, as a Call wants them: by language and key."""

    def __init__(self, channel: "FakeChannel") -> None:
        self._channel = channel

    def __getitem__(self, name: str) -> float:
        prompt = name.partition("/")[2]
        if prompt.startswith(OWN_WELCOME) and prompt not in self._channel.durations:
            raise KeyError(name)
        return self._channel.duration(prompt)

    def __iter__(self) -> Iterator[str]:
        return iter(self._channel.durations)

    def __len__(self) -> int:
        return len(self._channel.durations)


class FakeChannel:
    """An implementation of `ivr.asterisk.channel.Channel` with a script.

    >>> caller = FakeChannel(durations={"welcome": 3.0})
    >>> call = caller.call(department="kirurgi", number="+4768050001")
    >>> caller.keys("12345", at=2.0)          # two seconds from now, half a second apart
    >>> caller.answers("menu", "1", after=1)  # one second into the next playback of the prompt `menu`
    >>> caller.speaks = 6.0                   # seconds of speech in a recording
    >>> caller.hangs_up(at=20)

    `heard` has (second, prompt) for each prompt started, `stopped` the times at which the sound of a playback was
    ended, `tones` the times of key tones, `holding` the playbacks that keep the line open between keys (see Call), and
    `recorded` (name, seconds) for each ended recording.
    """

    def __init__(self, channel_id: str = "1790000000.1", *, durations: Mapping[str, float] | None = None) -> None:
        self.id = channel_id
        self.durations = dict(durations or {})
        self.default_duration = 1.0
        self.heard: list[tuple[float, str]] = []
        self.stopped: list[float] = []
        self.tones: list[float] = []
        self.holding: list[str] = []
        self.requests: list[str] = []
        self.left_to: tuple[str, str] | None = None
        self.language = "nb"
        self.hung_up = False
        self.speaks = 0.0
        self.recorded: list[tuple[str, float]] = []
        self.failing: dict[str, AriError] = {}  # the error that a method raises, by the method's name
        self.silent_failures: set[str] = set()  # prompts whose playback ends without an event
        self.failed_prompts: set[str] = set()  # prompts that Asterisk cannot play
        self.rescue_at: float | None = None
        self.rescue_takes: list[float] = []  # seconds until Asterisk has set a time limit, by request
        self._answers: dict[str, list[tuple[str, float, float]]] = {}
        self._playing: dict[str, list[asyncio.TimerHandle]] = {}
        self._recording: tuple[str, float, asyncio.TimerHandle] | None = None
        self._call: ChannelListener | None = None

    def attach(self, listener: ChannelListener) -> None:
        """Send the channel's events to this listener."""
        self._call = listener

    def call(
        self, *, department: str = "kirurgi", language: str = "nb", number: str | None = None, withheld: bool = False
    ) -> Call:
        """Make a Call for this channel, as the controller does."""
        key, caller = CallKey("asterisk-1", self.id), CallerId(number, withheld)
        call = Call(self, key=key, department=department, language=language, caller=caller, lengths=Lengths(self))
        self.attach(call)
        return call

    def duration(self, prompt: str) -> float:
        """The seconds of a prompt."""
        if prompt == HOLD:
            return HOLD_SECONDS
        return 0.0 if prompt in self.failed_prompts else self.durations.get(prompt, self.default_duration)

    @property
    def prompts(self) -> list[str]:
        """The prompts played, in order, without their times."""
        return [prompt for _, prompt in self.heard]

    def keys(self, keys: str, *, at: float = 0.0, gap: float = 0.5) -> None:
        """Press keys, the first `at` seconds from now."""
        for index, key in enumerate(keys):
            self._loop.call_later(at + index * gap, self._press, key)

    def answers(self, prompt: str, keys: str, *, after: float = 0.0, gap: float = 0.5) -> None:
        """Press keys `after` seconds into the next playback of a prompt. A second call is for the playback after it."""
        self._answers.setdefault(prompt, []).append((keys, after, gap))

    def hangs_up(self, *, at: float = 0.0) -> None:
        self._loop.call_later(at, self._gone)

    async def play(self, playback_id: str, media: Sequence[str], language: str) -> None:
        self._request("play")
        assert all(uri.startswith(PREFIX) for uri in media)
        prompts = [uri.removeprefix(PREFIX) for uri in media]
        if set(prompts) <= {KEY_TONE, HOLD}:
            self.tones += [self._loop.time()] if KEY_TONE in prompts else []
            self.holding += [playback_id] if HOLD in prompts else []
            return
        timers, second = [], 0.0
        for prompt in prompts:
            if prompt != HOLD:
                timers.append(self._loop.call_later(second, self._begin_prompt, prompt))
            second += self.duration(prompt)
        if not self.silent_failures.intersection(prompts):
            state = "failed" if prompts[-1] in self.failed_prompts else "done"
            timers.append(self._loop.call_later(second, self._finish, playback_id, state))
            self._playing[playback_id] = timers

    async def stop(self, playback_id: str) -> None:
        self._request("stop")
        if playback_id in self.holding:
            self.holding.remove(playback_id)
            return
        if playback_id not in self._playing:
            raise ChannelGone
        if self._playing[playback_id]:
            self.stopped.append(self._loop.time())
        self._finish(playback_id, "done")

    async def pause(self, playback_id: str) -> None:
        self._request("pause")
        if playback_id not in self._playing:
            raise ChannelGone
        self.stopped.append(self._loop.time())
        for timer in self._playing[playback_id]:
            timer.cancel()
        self._playing[playback_id] = []  # it has no sound left, and has not ended

    async def playing(self, playback_id: str) -> bool:
        self._request("playing")
        return playback_id in self._playing

    def expect_keys(self, seconds: float) -> None:
        pass  # keys are reported at all times

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        self._request("record")
        timer = self._loop.call_later(min(self.speaks + silence, longest), self._end_recording)
        self._recording = (name, self._loop.time(), timer)

    async def stop_recording(self, name: str) -> None:
        self._request("stop_recording")
        if self._recording is None:
            raise ChannelGone
        self._end_recording()

    async def hangup(self) -> None:
        self._request("hangup")
        self.hung_up = True
        self._gone()

    async def leave(self, context: str, extension: str) -> None:
        self._request("leave")
        self.left_to = (context, extension)

    async def finish(self) -> None:
        self._request("finish")

    async def remember_language(self, language: str) -> None:
        self._request("remember_language")
        self.language = language

    async def set_rescue(self, seconds: int, *, waits: bool = False) -> None:
        self._request("set_rescue")
        await asyncio.sleep(self.rescue_takes.pop(0) if self.rescue_takes else 0)
        while self._playing or self._recording:  # noqa: ASYNC110  # as in Asterisk, where the channel's own thread sets it
            await asyncio.sleep(0.05)
        self.rescue_at = self._loop.time() + seconds

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _request(self, name: str) -> None:
        self.requests.append(name)
        if name in self.failing:
            raise self.failing[name]

    def _begin_prompt(self, prompt: str) -> None:
        self.heard.append((self._loop.time(), prompt))
        if self._answers.get(prompt):
            keys, after, gap = self._answers[prompt].pop(0)
            self.keys(keys, at=after, gap=gap)

    def _finish(self, playback_id: str, state: str) -> None:
        for timer in self._playing.pop(playback_id, []):
            timer.cancel()
        if self._call:
            self._call.playback_finished(playback_id, state)

    def _press(self, key: str) -> None:
        if self._call:
            self._call.key_pressed(key)
        self._end_recording()

    def _end_recording(self) -> None:
        if self._recording is None:
            return
        name, began, timer = self._recording
        timer.cancel()
        self._recording = None
        self.recorded.append((name, min(self.speaks, self._loop.time() - began)))
        if self._call:
            self._call.recording_ended(name)

    def _gone(self) -> None:
        for playback_id in list(self._playing):
            for timer in self._playing.pop(playback_id):
                timer.cancel()
        self._end_recording()
        if self._call:
            self._call.ended()
