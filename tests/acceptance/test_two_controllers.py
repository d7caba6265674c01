"""Two phone doors on one Asterisk with callers on the line: one serves, the other stands by, and no caller is lost."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg

from tests.support.machine.system import Program, System, until, variables
from tests.support.phone.callers import Caller, ringing
from tests.support.synthetic import synthetic_identity

CALLERS = [f"+4768050{710 + n}" for n in range(3)]


def said(program: Program, words: str) -> bool:
    return words in program.said.read_text(encoding="utf-8", errors="replace")


async def standing_by(system: System, name: str, **other: str) -> Program:
    """A further phone door on the same Asterisk, which has seen that another one serves it."""
    program = Program("ivr", variables(system.settings, **other), system.folder / f"{name}.said")
    await asyncio.to_thread(until, lambda: said(program, "Standing by"), program)
    return program


@asynccontextmanager
async def callers_who_key(system: System) -> AsyncIterator[list[Caller]]:
    """Callers who have keyed four digits of their number."""
    async with AsyncExitStack() as stack:
        lines = [stack.enter_async_context(ringing(system.settings, "1000", phone)) for phone in CALLERS]
        callers = list(await asyncio.gather(*lines))
        await asyncio.gather(*(caller.hears("welcome") for caller in callers))
        await asyncio.gather(*(caller.keys("1234") for caller in callers))
        yield callers


async def asked_again(callers: Sequence[Caller], after: Sequence[float]) -> list[float]:
    """Wait until the successor has asked each caller again. Returns when each question began."""

    async def asks(caller: Caller, since: float) -> float:
        again = await caller.hears("recovered", after=since)
        return (await caller.hears("ask_identity", after=again.start)).start

    return list(await asyncio.gather(*(asks(*each) for each in zip(callers, after, strict=True))))


async def test_callers_are_kept_when_their_controller_is_killed_replaced_or_stopped(
    postgres_system: System, tmp_path: Path
) -> None:
    system = postgres_system
    shutil.copy(system.folder / "keys.env", tmp_path / "keys.env")
    spare = await standing_by(system, "spare")
    other = await standing_by(system, "other", VAR_DIR=str(tmp_path))
    try:
        async with callers_who_key(system) as callers:
            system.ivr.kill()
            system.ivr = spare  # it starts in the folder of the one that died, so it need not wait
            asked = await asked_again(callers, [0.0] * len(callers))
            await expire_lease(system)
            asked = await asked_again(callers, asked)
            other.stop()
            await asked_again(callers, asked)
            for n, caller in enumerate(callers):
                await caller.keys(synthetic_identity(710 + n))
            await asyncio.gather(*(caller.hears("received") for caller in callers))
            assert not [caller for caller in callers if "rescue" in await caller.heard()]
        assert system.ivr.alive()
        async with system.client() as agent:
            params = {"department": "kirurgi", "limit": 200}
            found = (await agent.get("/callbacks", params=params)).raise_for_status().json()["items"]
        phones = [each["phone"] for each in found]
        assert [phones.count(phone) for phone in CALLERS] == [1] * len(CALLERS)
    finally:
        other.stop()


async def expire_lease(system: System) -> None:
    """Let the lease run out until the other has taken it, as if the serving one were not heard although it lives."""
    connection = await asyncpg.connect(system.settings.database.url.replace("+asyncpg", ""))
    try:
        fence = await connection.fetchval("select fence from controllers")
        async with asyncio.timeout(60):
            while not said(system.ivr, "Another controller has connected"):
                await connection.execute(
                    "update controllers set lease_until = now() - interval '1 minute' where fence = $1", fence
                )
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
