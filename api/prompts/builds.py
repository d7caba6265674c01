"""Builds of the prompts that the console starts: one at a time, and not one for each recording."""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from api.own_commands import CommandFailed, OwnCommands

EVERY: Final = timedelta(seconds=60)
"""At least this long between two builds that were not hurried: each takes processor time from calls."""
QUIET: Final = timedelta(seconds=10)
"""A build that was not hurried waits so long: someone who reads line by line saves the next one meanwhile."""
LONGEST: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class BuildState:
    """How it is with the builds. `refused`: why the last one was refused. `failed`: it did not answer."""

    is_running: bool = False
    is_awaited: bool = False
    ended_at: datetime | None = None
    refused: str = ""
    failed: bool = False


class PromptBuilds:
    """Builds after recordings have changed. What changes during a build is in the next one."""

    def __init__(self, every: timedelta = EVERY, quiet: timedelta = QUIET) -> None:
        self.state = BuildState()
        self._quiet = quiet.total_seconds()
        self._every = every.total_seconds()
        self._started = -math.inf
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ask(
        self,
        commands: OwnCommands,
        options: Sequence[str],
        now: Callable[[], datetime],
        *,
        hurry: bool = False,
    ) -> None:
        """Build soon with those options; at once if hurried."""
        self.state = replace(self.state, is_awaited=True)
        if hurry:
            self._hurry.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._build(commands, options, now))

    async def ended(self) -> None:
        """Wait until nothing is being built or waits for it."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """End the build that is running. The next one goes on where it was."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _build(self, commands: OwnCommands, options: Sequence[str], now: Callable[[], datetime]) -> None:
        loop = asyncio.get_running_loop()
        while self.state.is_awaited:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), max(self._quiet, self._started + self._every - loop.time()))
            self._hurry.clear()
            self._started = loop.time()
            self.state = replace(self.state, is_awaited=False, is_running=True)
            refused, failed = "", False
            try:
                refused = (await commands.read("prompts", "build", "--json", *options, longest=LONGEST))["refused"]
            except CommandFailed:
                failed = True
            self.state = replace(self.state, is_running=False, ended_at=now(), refused=refused, failed=failed)
