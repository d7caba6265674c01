"""The phone door, with a fake Asterisk and a desk that only records calls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from desk.access.actor import Actor
from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.departments.departments import Department, Departments, Policy
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from ivr.asterisk.ari import Ari
from ivr.calls.controller import Controller, Conversation
from tests.support.phone.fake_ari import PASSWORD, USER, FakeAri

DEPARTMENT = Department(
    slug="kirurgi",
    name="Kirurgisk poliklinikk",
    extension="1000",
    policy=Policy.DEADLINE,
    hospital_number=PhoneNumber("+4768050000", mobile=False),
)


@dataclass
class NotingDesk:
    """Records incomplete calls, as `desk.callbacks.registration.Registration` would store them."""

    incomplete: list[tuple[CallKey, str, str | None, IncompleteStep]] = field(default_factory=list)
    why: list[WhyEnded] = field(default_factory=list)
    failing: Exception | None = None
    arrived: list[tuple[CallKey, str, str | None]] = field(default_factory=list)
    prompts: list[str | None] = field(default_factory=list)
    not_lost: list[set[str]] = field(default_factory=list)

    async def record_arrival(
        self, by: Actor, call: CallKey, department: str, *, phone: PhoneNumber | None, prompts: str | None = None
    ) -> None:
        if self.failing:
            raise self.failing
        self.prompts.append(prompts)
        self.arrived.append((call, department, phone.e164 if phone else None))

    async def end_lost_calls(self, by: Actor, asterisk_id: str, *, excluding: Collection[str]) -> int:
        self.not_lost.append(set(excluding))
        return 0

    async def record_call(
        self,
        by: Actor,
        call: CallKey,
        department: str,
        *,
        phone: PhoneNumber | None,
        step: IncompleteStep,
        why: WhyEnded,
        patient: IdentityNumber | None = None,
    ) -> None:
        await asyncio.sleep(0)
        if self.failing:
            raise self.failing
        self.incomplete.append((call, department, phone.e164 if phone else None, step))
        self.why.append(why)


class FakeLease:
    """A lease that is there while `free` is set."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.losses = 0

    async def admit(self, asterisk_id: str) -> None:
        await self.free.wait()

    def replaced(self) -> None:
        self.losses += 1

    async def end(self) -> None:
        pass


@dataclass
class Door:
    """A running phone door."""

    ari: Ari
    controller: Controller
    desk: NotingDesk
    stopping: asyncio.Event
    serving: asyncio.Task[None]


def controller_of(
    ari: Any,
    desk: Any,
    conversation: Conversation,
    grace: float = 0.2,
    lengths: Mapping[str, float] | None = None,
    lease: FakeLease | None = None,
    **more: Any,
) -> Controller:
    return Controller(
        ari=ari,
        registration=desk,
        departments=lambda: Departments([DEPARTMENT]),
        conversation=conversation,
        grace=grace,
        lengths=lambda: lengths or {},
        lease=lease or FakeLease(),
        **more,
    )


@asynccontextmanager
async def open_door(
    fake: FakeAri, conversation: Conversation, lease: FakeLease | None = None, **limits: float
) -> AsyncIterator[Door]:
    """Serve calls with `conversation` and wait until connected."""
    ari = Ari(base_url=fake.url, user=USER, password=PASSWORD, **limits)
    desk = NotingDesk()
    controller = controller_of(ari, desk, conversation, lease=lease)
    stopping = asyncio.Event()
    serving = asyncio.create_task(controller.serve(stopping))
    try:
        await until(lambda: ari.connected or serving.done())
        yield Door(ari, controller, desk, stopping, serving)
    finally:
        stopping.set()
        await asyncio.gather(serving, return_exceptions=True)


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    """Wait until the condition holds. Raises TimeoutError; the limit only ends a failing test."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # anything may be waited for here
            await asyncio.sleep(0.005)
