"""A dialler on virtual time, with an exchange that only records requests and a desk of dials in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from desk.access.actor import Actor
from desk.database.errors import StorageUnavailable
from desk.dials.errors import DialLost
from desk.dials.model import Dial, DialReason, DialState, WaitingDial
from desk.limits.errors import TrunkBudgetSpent
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, PhoneProblem
from ivr.asterisk.errors import ChannelGone
from ivr.asterisk.events import ChannelAnswered, ChannelDestroyed, Event, StasisStart
from ivr.dials.dialler import Dialler

ID = "00000000-0000-4000-8000-00000000000{}"
MORNING = datetime(2026, 11, 24, 8, tzinfo=UTC)
AGENT_RINGS, PATIENT_RINGS = 25, 40


def a_dial(n: int = 1, **given: Any) -> Dial:
    values: dict[str, Any] = {
        "id": ID.format(n),
        "callback_id": f"callback-{n}",
        "department": "kirurgi",
        "agent": "kari",
        "agent_phone": "kari-phone",
        "phone": PhoneNumber("+4768050001", mobile=False),
        "fence": 1,
        "state": DialState.REQUESTED,
        "reason": None,
        "requested_at": MORNING,
        "taken_by": None,
        "bridged_at": None,
        "ended_at": None,
    }
    return Dial(**{**values, **given})


@dataclass
class FakeLines:
    """Asterisk's side. `said` is every request in order; `there` the channels that exist.

    Unless `starts` is False, a created channel enters the application at once.
    """

    connected: bool = True
    asterisk_id: str = "asterisk-1"
    said: list[str] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    spans: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    started: datetime = MORNING
    starts: bool = True
    registered: set[str] = field(default_factory=lambda: {"kari-phone"})
    route: Callable[[Event], object] = lambda _: None

    async def create(
        self, channel_id: str, endpoint: str, *, args: Sequence[str], caller_id: str, longest: int
    ) -> None:
        self._request(f"create {endpoint}")
        assert channel_id == f"dial-{args[1]}-{args[2]}"
        assert args[0] == "dial"
        assert longest > max(AGENT_RINGS, PATIENT_RINGS)
        self.there.add(channel_id)
        self.shown[endpoint] = caller_id
        if self.starts:
            self.route(StasisStart(self.asterisk_id, channel_id, tuple(args), None))

    async def dial(self, channel_id: str, *, seconds: int) -> None:
        self._request(f"dial {channel_id[42:]}")

    async def hangup(self, channel_id: str) -> None:
        self._request(f"hangup {channel_id[42:]}")
        if channel_id not in self.there:
            raise ChannelGone
        self.there.discard(channel_id)

    async def ring(self, channel_id: str) -> None:
        self._request(f"ring {channel_id[42:]}")

    async def ring_stop(self, channel_id: str) -> None:
        self._request(f"ring_stop {channel_id[42:]}")

    async def bridge(self, bridge_id: str, channel_ids: Sequence[str]) -> None:
        self._request("bridge")
        if not self.there.issuperset(channel_ids):
            raise ChannelGone
        self.spans.add(bridge_id)

    async def destroy_bridge(self, bridge_id: str) -> None:
        if bridge_id not in self.spans:
            raise ChannelGone
        self.spans.discard(bridge_id)

    async def is_registered(self, phone: str) -> bool:
        return phone in self.registered

    async def channels(self) -> frozenset[str]:
        return frozenset(self.there)

    async def bridges(self) -> frozenset[str]:
        return frozenset(self.spans)

    async def started_at(self) -> datetime:
        return self.started

    def _request(self, what: str) -> None:
        self.said.append(what)
        if what in self.failing:
            raise self.failing[what]


@dataclass
class FakeDials:
    """The desk's side: a fake of `desk.dials.Dials`."""

    asked: list[Dial] = field(default_factory=list)
    left: list[Dial] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    open: bool = True
    refused: bool = False
    taken_away: bool = False
    budget_spent: bool = False
    unavailable: int = 0
    cancelled: list[str] = field(default_factory=list)
    extended: int = 0
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        yield self.woken

    async def waiting(self, actor: Actor) -> list[WaitingDial]:
        self._fails()
        return [WaitingDial(dial.id, dial.agent_phone) for dial in self.asked]

    async def take(self, actor: Actor, by: str, *, limit: int, only: Collection[str]) -> list[Dial]:
        taken = [dial for dial in self.asked if dial.id in only][:limit]
        self.asked = [dial for dial in self.asked if dial not in taken]
        return taken

    async def inherit(self, actor: Actor, by: str, *, of: str, excluding: Collection[str]) -> list[Dial]:
        self._fails()
        left, self.left = self.left, []
        return left

    async def live(self, actor: Actor, by: str) -> frozenset[str]:
        return frozenset()

    async def end_forgotten(self, actor: Actor) -> None:
        """No dial is abandoned here."""

    async def extend(self, actor: Actor, dial: Dial) -> None:
        self.extended += 1

    async def to_cancel(self, actor: Actor, by: str) -> list[str]:
        return self.cancelled

    def may_ring(self, dial: Dial) -> bool:
        return self.open

    def destination(self, dial: Dial) -> tuple[str, str]:
        if self.refused:
            raise InvalidPhone(PhoneProblem.FOREIGN)
        return f"PJSIP/{dial.phone.e164}@trunk", "+4768059000"

    async def advance(self, actor: Actor, dial: Dial, by: str, state: DialState) -> Dial:
        if self.taken_away:
            raise DialLost
        if self.budget_spent and state is DialState.PATIENT_RINGING:
            raise TrunkBudgetSpent
        self.steps.append(state.value)
        return replace(dial, state=state, bridged_at=MORNING if state is DialState.BRIDGED else None)

    async def end(self, actor: Actor, dial: Dial, by: str, reason: DialReason) -> None:
        self._fails()
        self.steps.append(reason.value)

    def _fails(self) -> None:
        if self.unavailable:
            self.unavailable -= 1
            raise StorageUnavailable


@dataclass
class DialRoom:
    """The dialler, and methods that act on its surroundings."""

    dialler: Dialler
    lines: FakeLines
    dials: FakeDials
    stopping: asyncio.Event
    serving: asyncio.Task[None]

    async def asks(self, dial: Dial | None = None) -> None:
        self.dials.asked.append(dial or a_dial())
        await asyncio.sleep(2)

    async def answers(self, leg: str, n: int = 1) -> None:
        self.dialler.route(ChannelAnswered(f"dial-{ID.format(n)}-{leg}"))
        await asyncio.sleep(1)

    async def goes(self, leg: str, cause: int = 16, n: int = 1) -> None:
        channel = f"dial-{ID.format(n)}-{leg}"
        self.lines.there.discard(channel)
        self.dialler.route(ChannelDestroyed(channel, cause))
        await asyncio.sleep(2)


@asynccontextmanager
async def dial_room(controllers: int = 1, **given: Any) -> AsyncIterator[DialRoom]:
    """A running dialler, one of as many `controllers`. `given` are fields of the fakes."""

    async def serving() -> int:
        return controllers

    lines = FakeLines(**{key: value for key, value in given.items() if hasattr(FakeLines(), key)})
    dials = FakeDials(**{key: value for key, value in given.items() if hasattr(FakeDials(), key)})
    dialler = Dialler(
        channels=lines,
        dials=dials,  # type: ignore[arg-type]
        controllers=serving,
        agent_rings=AGENT_RINGS,
        patient_rings=PATIENT_RINGS,
    )
    lines.route = dialler.route
    stopping = asyncio.Event()
    serving = asyncio.create_task(dialler.serve(stopping))
    await asyncio.sleep(1)
    try:
        yield DialRoom(dialler, lines, dials, stopping, serving)
    finally:
        stopping.set()
        await serving
