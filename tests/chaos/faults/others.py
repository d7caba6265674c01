"""Files, the clock, the network, and callers who do not do what is expected."""

import asyncio
import signal
from pathlib import Path
from typing import Final

from tests.chaos.callers import Manner
from tests.chaos.faults.kind import LASTS, Kind, nothing
from tests.chaos.world import World


async def departments_damaged(world: World) -> None:
    """An editor saved half a file. It must not count, and the old departments stay in force."""
    file = world.settings.files.departments
    right = file.read_text("utf-8")
    file.write_text(right[: len(right) // 2] + "\n[[", "utf-8")
    await asyncio.sleep(LASTS)
    file.write_text(right, "utf-8")


async def departments_damaged_and_killed(world: World) -> None:
    """The same, and the phone door dies: it can't start again before the file is put right."""
    file = world.settings.files.departments
    right = file.read_text("utf-8")
    file.write_text(right[: len(right) // 2] + "\n[[", "utf-8")
    world.send("ivr", signal.SIGKILL)
    await asyncio.sleep(LASTS)
    file.write_text(right, "utf-8")


async def missing(world: World, *names: str, seconds: float) -> None:
    """Take prompts away for a while, from every set."""
    hidden = [
        file
        for name in names
        for file in (world.settings.files.prompts / "build").rglob(f"{name}.*")
        if file.is_file() and not file.is_symlink()
    ]
    moved: list[tuple[Path, Path]] = []
    for n, file in enumerate(hidden):
        aside = world.folder / f"aside-{n}"
        file.rename(aside)
        moved.append((aside, file))
    await asyncio.sleep(seconds)
    for aside, file in moved:
        aside.rename(file)


async def receipt_missing(world: World) -> None:
    await missing(world, "received", seconds=5 * LASTS)


async def question_missing(world: World) -> None:
    await missing(world, "ask_identity", seconds=2 * LASTS)


async def clock_ahead(world: World) -> None:
    """Our programs' clock is 45 days ahead for a while."""
    world.clock_file.write_text(str(45 * 86400), "ascii")
    await asyncio.sleep(2 * LASTS)
    world.clock_file.unlink()


async def clock_back(world: World) -> None:
    """Our programs' clock is an hour late for a while."""
    world.clock_file.write_text("-3600", "ascii")
    await asyncio.sleep(2 * LASTS)
    world.clock_file.unlink()


KINDS: Final = (
    Kind("departments.toml damaged", departments_damaged),
    Kind("departments.toml damaged, killed", departments_damaged_and_killed),
    Kind("the receipt's prompt is missing", receipt_missing, at=1.0),
    Kind("the question's prompt is missing", question_missing, at=1.0),
    Kind("clock 45 days ahead", clock_ahead, at=3.0),
    Kind("clock an hour late", clock_back, at=3.0),
    Kind("line loses 5 % of sound", nothing, manner=Manner(loses_sent=0.05, loses_heard=0.02)),
    Kind("line loses a fifth of SIP", nothing, manner=Manner(loses_sip=0.2)),
    Kind("trunk goes silent", nothing, manner=Manner(vanishes=(2.0, 25.0))),
    Kind("callers hang up", nothing, manner=Manner(leaves=(1.0, 30.0))),
)
