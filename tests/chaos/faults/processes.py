"""Processes that stop, die, hang or are restarted."""

import asyncio
import signal
from typing import Final

from tests.chaos.callers import Manner
from tests.chaos.faults.kind import LASTS, Kind, Strike, nothing
from tests.chaos.world import World, while_true


def sends(door: str, number: signal.Signals, *, times: int = 1, every: float = 4.0) -> Strike:
    """Send a signal to a process, and again."""

    async def strike(world: World) -> None:
        for n in range(times):
            if n:
                await asyncio.sleep(every)
            world.send(door, number)

    return strike


def frozen(door: str, seconds: float) -> Strike:
    """Stop a process, and let it go on."""

    async def strike(world: World) -> None:
        world.send(door, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        world.send(door, signal.SIGCONT)

    return strike


async def ivr_stays_dead(world: World) -> None:
    """Kill the phone door while its supervisor cannot restart it."""
    world.send("supervisor", signal.SIGSTOP)
    world.send("ivr", signal.SIGKILL)
    await asyncio.sleep(25)
    world.send("supervisor", signal.SIGCONT)


async def supervisor_killed(world: World) -> None:
    """Kill the supervisor, with which everything ends, and start it again as systemd would."""
    world.supervisor.kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(world.start)


async def everything_restarted(world: World) -> None:
    """Stop and start everything, as an operator does at night."""
    await asyncio.to_thread(world.supervisor.stop)
    await asyncio.to_thread(world.start)


async def upgraded(world: World) -> None:
    """Start the new version beside the old one, then stop the old one; at last the new one goes too."""
    second = await asyncio.to_thread(world.second_ivr)
    await while_true(lambda: "Standing by" not in second.said.read_text("utf-8"), 30)
    world.send("ivr", signal.SIGTERM)
    await asyncio.sleep(LASTS)
    await asyncio.to_thread(second.stop)


async def two_controllers(world: World) -> None:
    """Start a second phone door with files of its own, on the same Asterisk and database."""
    second = await asyncio.to_thread(world.second_ivr)
    await asyncio.sleep(15)
    await asyncio.to_thread(second.stop)


async def two_without_database(world: World) -> None:
    """The same while there is no database to decide which of them serves."""
    assert world.database
    world.database.cut()
    second = await asyncio.to_thread(world.second_ivr)
    await asyncio.sleep(15)
    world.database.restore()
    await asyncio.sleep(6)  # its spool is drained
    await asyncio.to_thread(second.stop)


async def killed_in_recording(world: World) -> None:
    """Kill the phone door whenever callers say what it is about."""
    for _ in range(3):
        await while_true(lambda: "rec" not in world.console("core show channels concise"), 1.0)
        world.send("ivr", signal.SIGKILL)
        await asyncio.sleep(9)


KINDS: Final = (
    Kind("no fault", nothing),
    Kind("phone door: SIGTERM", sends("ivr", signal.SIGTERM)),
    Kind("phone door: SIGKILL", sends("ivr", signal.SIGKILL)),
    Kind("phone door: SIGKILL three times", sends("ivr", signal.SIGKILL, times=3)),
    Kind("phone door: stopped 5 s", frozen("ivr", 5)),
    Kind("phone door: stopped for ever", sends("ivr", signal.SIGSTOP)),
    Kind("phone door: hangs in a loop", sends("ivr", signal.SIGUSR2)),
    Kind("phone door: dead for 25 s", ivr_stays_dead),
    Kind("phone door: upgraded side by side", upgraded, at=2.0),
    Kind("two phone doors on one Asterisk", two_controllers, at=3.0),
    Kind("two phone doors, no database", two_without_database, engines=("postgresql",), at=3.0),
    Kind("killed during recordings", killed_in_recording, at=22.0, manner=Manner(extension="2000")),
    Kind("web door: SIGKILL", sends("api", signal.SIGKILL)),
    Kind("web door: stopped 8 s", frozen("api", LASTS)),
    Kind("Asterisk: SIGTERM", sends("asterisk", signal.SIGTERM), asterisk_lives=False),
    Kind("Asterisk: SIGKILL", sends("asterisk", signal.SIGKILL), asterisk_lives=False),
    Kind("Asterisk: stopped 4 s", frozen("asterisk", 4), asterisk_lives=False),
    Kind("supervisor: SIGKILL", supervisor_killed, asterisk_lives=False),
    Kind("everything restarted", everything_restarted, asterisk_lives=False),
)
