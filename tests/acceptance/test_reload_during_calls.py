"""Callers who are in a call while an operator reloads Asterisk's files notice nothing."""

import asyncio
import shutil
from pathlib import Path

from desk.paths import ROOT
from ops.commands.reload import check_and_take_in
from tests.support.machine.system import System
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity

CALLERS = 6


async def test_calls_in_progress_go_on_through_a_reload(sqlite_system: System, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))
    extensions = folder / "extensions.conf"
    extensions.write_text(extensions.read_text("utf-8") + "\n[extra]\nexten => 9,1,Hangup()\n", "utf-8")
    answered = [asyncio.Event() for _ in range(CALLERS)]
    reloaded = asyncio.Event()

    async def calls(number: int) -> None:
        async with ringing(sqlite_system.settings, "1000", f"+474061000{number}") as caller:
            await caller.hears("welcome")
            answered[number].set()
            await reloaded.wait()
            await caller.keys(synthetic_identity(700 + number))
            await caller.hears("received")

    async def reloads() -> None:
        for each in answered:
            await each.wait()
        await asyncio.to_thread(check_and_take_in, sqlite_system.settings, dialplan=folder, root=folder)
        reloaded.set()

    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(calls(number))
        group.create_task(reloads())
