"""A simulated Asterisk for the real controller: callers with a plan, on virtual time.

The controller, the conversation and the desk are the real ones. A caller answers questions from a list drawn
beforehand, presses keys where none are expected, and hangs up when the plan says so.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from inspect import iscoroutinefunction
from typing import Any, NoReturn, cast

from desk.callbacks.model import CallKey
from desk.clock import OSLO
from ivr.asterisk.ari import Admit, Reconcile, Route
from ivr.asterisk.errors import ChannelGone
from ivr.asterisk.events import ChannelDestroyed, ChannelDtmfReceived, Event, PlaybackFinished, StasisEnd, StasisStart
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import VirtualTimeLoop
from tests.support.synthetic import synthetic_identity

NODE = "asterisk-1"
IDENTITY_ASKED = frozenset({"ask_identity", "ask_identity_slow"})
PHONE_ASKED = frozenset({"ask_phone", "ask_phone_slow"})
CONFIRMED = {"confirm_person", "confirm_language", "confirm_norwegian", "confirm_choice", "confirm_skip"}
OFFERED = {"change_number", "check_number", "change_or_decline", "confirm_decline", "still_ring", "key_rest"}
ASKED = IDENTITY_ASKED | PHONE_ASKED | CONFIRMED | OFFERED
LONGEST_CALL = 900.0


@dataclass(frozen=True)
class Answer:
    """A caller's answer to a question: `keys` (or what they stand for), `after` seconds into the question."""

    keys: str
    after: float = 1.0
    gap: float = 0.4


@dataclass(frozen=True)
class Plan:
    """One caller's call. `phone` is an E.164 number or None; `person` 0 has no identity number.

    `strays` are (second, key) pressed regardless of the prompt; `hangs_up` is a second of the call, or None.
    """

    department: str
    person: int = 1
    phone: str | None = "+4768050001"
    withheld: bool = False
    answers: Sequence[Answer] = ()
    strays: Sequence[tuple[float, str]] = ()
    hangs_up: float | None = None
    begins: float = 0.0

    def keys(self, words: str, prompt: str) -> str:
        """The keys for a word of the plan: «right» is what the prompt asks for."""
        identity = synthetic_identity(self.person)
        if words == "right" and prompt in PHONE_ASKED:
            return f"6805{1000 + self.person:04}"
        if words == "right":
            return identity if prompt in IDENTITY_ASKED and self.person else ""
        meant = {
            "mistyped": identity[:10] + str((int(identity[10]) + 1) % 10),
            "short": identity[:9],
            "long": identity + "55",
            "starred": f"{identity[:4]}*{identity}",
            "ended": f"{identity}#",
            "another": synthetic_identity(self.person % 3 + 1),
        }
        return meant.get(words, words)


class Line(FakeChannel):
    """A caller's line. It sends events as Asterisk does; once it is gone, requests fail as in Asterisk.

    `over_at` is the second when it ended, `ours` whether we hung up.
    """

    def __init__(self, exchange: "Exchange", channel_id: str, plan: Plan) -> None:
        super().__init__(channel_id)
        self.plan = plan
        self.over = asyncio.Event()
        self.spoken: list[tuple[datetime, str, str]] = []
        self._exchange = exchange
        self._left = list(plan.answers)
        self._language = ""
        self.attach(self)

    # events of the line

    def key_pressed(self, key: str) -> None:
        if not self.over.is_set():
            self._exchange.tell(ChannelDtmfReceived(self.id, key))

    def playback_finished(self, playback_id: str, state: str) -> None:
        self._exchange.tell(PlaybackFinished(self.id, playback_id, state))

    def ended(self) -> None:
        if not self.over.is_set():
            self.over.set()
            self._exchange.tell(ChannelDestroyed(self.id))

    # requests to the line

    async def play(self, playback_id: str, media: Any, language: str) -> None:
        self._language = language
        await super().play(playback_id, media, language)

    async def leave(self, context: str, extension: str) -> None:
        await super().leave(context, extension)
        self.over.set()
        self._exchange.tell(StasisEnd(self.id))

    def _request(self, name: str) -> None:
        super()._request(name)
        if self.over.is_set():
            raise ChannelGone

    def _begin_prompt(self, prompt: str) -> None:
        super()._begin_prompt(prompt)
        self.spoken.append((self._exchange.clock.now(), prompt, self._language))
        if prompt in ASKED and self._left:
            answer = self._left.pop(0)
            self.keys(self.plan.keys(answer.keys, prompt), at=answer.after, gap=answer.gap)


@dataclass(frozen=True)
class Done:
    """Something that the desk did for a call: the time of its commit, and the method's result."""

    at: datetime
    method: str
    result: Any


class Clock:
    """The clock of the story: it follows the loop's virtual seconds, and jumps when the test moves it."""

    def __init__(self, start: datetime) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())

    def jump(self, by: timedelta) -> None:
        self._start += by


@dataclass
class Exchange:
    """The Asterisk of a `Controller`, and its view of the desk. `done` contains what the desk did, by channel."""

    clock: Clock
    slowness: float = 0.0
    lines: dict[str, Line] = field(default_factory=dict)
    done: dict[str, list[Done]] = field(default_factory=dict)
    _route: Route | None = None

    @property
    def asterisk_id(self) -> str:
        return NODE

    async def run(self, route: Route, reconcile: Reconcile, admit: Admit) -> NoReturn:
        await admit(NODE)
        self._route = route
        await reconcile()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def leave(self) -> None:
        """Do nothing: no call comes after a controller has left."""

    def channel(self, channel_id: str) -> Line:
        return self.lines[channel_id]

    async def channel_ids(self) -> frozenset[str]:
        return frozenset(id for id, line in self.lines.items() if not line.over.is_set())

    async def found(self, channel_id: str) -> StasisStart | None:
        return None

    def tell(self, event: Event) -> None:
        assert self._route, "the controller is not connected"
        self._route(event)

    async def ring(self, plan: Plan) -> Line:
        """Run one call to its end, until it is stored."""
        await asyncio.sleep(plan.begins)
        line = Line(self, f"channel-{len(self.lines)}", plan)
        self.lines[line.id], self.done[line.id] = line, []
        for second, key in plan.strays:
            line.keys(key, at=second)
        if plan.hangs_up is not None:
            line.hangs_up(at=plan.hangs_up)
        number = None if plan.withheld else plan.phone
        presented = "prohib_passed_screen" if plan.withheld else "allowed_not_screened"
        self.tell(StasisStart(NODE, line.id, (plan.department, "nb", presented), number))
        async with asyncio.timeout(LONGEST_CALL):
            await line.over.wait()
        return line

    def noting(self, desk: object) -> Any:
        """Wrap a desk so that it records its work for each call. The only delay is the exchange's `slowness`, twice."""
        return _Noting(desk, self)


class _Noting:
    """A desk whose methods take `slowness` seconds before they write, and again before they return."""

    def __init__(self, desk: object, exchange: Exchange) -> None:
        self._desk = desk
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._desk, name)
        if not iscoroutinefunction(method):
            return method

        async def noted(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(self._exchange.slowness)
            with no_time_passes():
                result = await method(*args, **kwargs)
            for key in args:
                if isinstance(key, CallKey):
                    did = Done(self._exchange.clock.now(), name, result)
                    self._exchange.done[key.channel_id].append(did)
            await asyncio.sleep(self._exchange.slowness)
            return result

        return noted


@contextmanager
def no_time_passes() -> Iterator[None]:
    """While the database works in its own thread."""
    with cast(VirtualTimeLoop, asyncio.get_running_loop()).standing_still():
        yield


def spoken_time(words: Sequence[str], heard_at: datetime) -> tuple[bool, datetime]:
    """The meaning of the prompts between «vi ringer deg» and the next pause, for a caller who hears them at `heard_at`.

    (whether it is «innen», the local time): read with a separate table, not with the code that speaks.
    """
    today = heard_at.astimezone(OSLO).date()
    day, *rest = words
    numbers = {family: int(number) for family, _, number in (word.rpartition("_") for word in rest) if number.isdigit()}
    clock = f"{numbers.get('oclock', numbers.get('hour'))}:{numbers.get('minute', 0):02}"
    if day.startswith(("today_", "tomorrow_")):
        date = today + timedelta(days=day.startswith("tomorrow_"))
        by = day.endswith("_by")
    else:
        by = "by_clock" in rest
        weekday = int(day.removeprefix("weekday_"))
        ahead = (today + timedelta(days=n) for n in range(2, 370))
        if "date" in numbers:
            date = next(each for each in ahead if (each.day, each.month) == (numbers["date"], numbers["month"]))
            assert date.weekday() == weekday, "the date is no such weekday"
        else:
            date = next(each for each in ahead if each.weekday() == weekday)
    return by, datetime.combine(date, datetime.strptime(clock, "%H:%M").time(), OSLO)
