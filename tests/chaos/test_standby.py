"""The phone door dies, hangs or is stopped in the middle of conversations, and the standby goes on with them."""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator

import pytest

from ops.softphone.rtp import RATE
from tests.support.machine.system import Program, System, running_system, until
from tests.support.phone.callers import Caller, ringing
from tests.support.synthetic import synthetic_identity


@pytest.fixture(scope="module")
def system(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("standby")) as running:
        yield running


@pytest.fixture(scope="module")
def standby(system: System) -> Iterator[Program]:
    program = system.start_standby()
    yield program
    program.stop()


@pytest.fixture
def phone_door(system: System) -> Iterator[Program]:
    """The phone door before a fault. There is another one after the test."""
    if not system.ivr.alive():
        system.restart_ivr()
    yield system.ivr
    if system.ivr.alive():
        system.ivr.kill()


class Callers:
    """Three people at different places of the conversation, when something happens to the phone door."""

    def __init__(self, system: System, first: int) -> None:
        self.system = system
        self.numbers = [first, first + 1, first + 2]
        self._before = asyncio.Barrier(4)
        self._after = asyncio.Barrier(4)

    async def meet(self, fault: Callable[[], Awaitable[None]]) -> None:
        await asyncio.gather(
            self._calls(self.numbers[0], self._listens),
            self._calls(self.numbers[1], self._keys),
            self._calls(self.numbers[2], self._has_a_receipt),
            self._fault(fault),
        )

    async def have_one_callback_each(self) -> None:
        async with self.system.client() as agent:
            page = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()
        ours = [each for each in page["items"] if int(each["phone"][-3:]) in self.numbers]
        assert sorted(each["phone"] for each in ours) == [f"+4768059{n}" for n in self.numbers]
        assert all(each["patient"] and each["call_count"] == 1 for each in ours)

    async def _fault(self, fault: Callable[[], Awaitable[None]]) -> None:
        async with self._before:
            pass
        await fault()
        async with self._after:
            pass

    async def _calls(self, n: int, story: Callable[[Caller, str], Awaitable[None]]) -> None:
        async with ringing(self.system.settings, "1000", f"+4768059{n}") as caller:
            await story(caller, synthetic_identity(n))
            assert "rescue" not in await caller.heard()

    async def _happens(self, caller: Caller) -> float:
        """Wait until it has happened. Returns when, in seconds of the call."""
        async with self._before:
            happened = len(caller.call.heard.samples()) / RATE
        async with self._after:
            return happened

    async def _listens(self, caller: Caller, identity: str) -> None:
        await caller.hears("welcome")
        await self._asked_again(caller, identity)

    async def _keys(self, caller: Caller, identity: str) -> None:
        await caller.hears("ask_identity")
        await caller.keys(identity[:5])
        await self._asked_again(caller, identity)

    async def _asked_again(self, caller: Caller, identity: str) -> None:
        happened = await self._happens(caller)
        again = await caller.hears("recovered", after=happened)
        await caller.hears("ask_identity", after=again.start)
        await caller.keys(identity)
        await caller.hears("received", after=again.start)
        await caller.hangs_up()

    async def _has_a_receipt(self, caller: Caller, identity: str) -> None:
        await caller.hears("ask_identity")
        await caller.keys(identity)
        await caller.hears("received")
        happened = await self._happens(caller)
        await caller.hears("received", "change_number", after=happened)  # again, or to its end
        await caller.hangs_up()


async def test_callers_of_a_killed_phone_door_hear_a_true_receipt(
    system: System, phone_door: Program, standby: Program
) -> None:
    callers = Callers(system, 410)

    async def kill() -> None:
        await asyncio.to_thread(phone_door.kill)

    await callers.meet(kill)
    await callers.have_one_callback_each()


async def test_callers_of_a_hung_phone_door_hear_a_true_receipt(
    system: System, phone_door: Program, standby: Program
) -> None:
    callers = Callers(system, 420)

    async def hang() -> None:
        os.kill(phone_door.pid, signal.SIGSTOP)

    await callers.meet(hang)
    await callers.have_one_callback_each()


async def test_callers_of_a_stopped_phone_door_hear_a_true_receipt(
    system: System, phone_door: Program, standby: Program
) -> None:
    callers = Callers(system, 430)

    async def stop() -> None:
        await asyncio.to_thread(phone_door.stop)

    await callers.meet(stop)
    await callers.have_one_callback_each()


async def test_caller_is_kept_in_the_spool_while_phone_door_and_database_are_away(
    system: System, phone_door: Program, standby: Program
) -> None:
    phone_door.kill()
    with contextlib.closing(sqlite3.connect(system.folder / "innringing.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        async with ringing(system.settings, "1000", "+4768059440") as caller:
            await caller.hears("ask_identity")
            await caller.keys(synthetic_identity(440))
            await caller.hears("received")
            await caller.hangs_up()
        assert list(system.settings.files.spool_folder.glob("*.entry"))
        database.execute("ROLLBACK")

    def drained() -> bool:
        return not list(system.settings.files.spool_folder.glob("*.entry"))

    await asyncio.to_thread(until, drained, standby)
    async with system.client() as agent:
        page = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()
    assert [each["call_count"] for each in page["items"] if each["phone"] == "+4768059440"] == [1]
