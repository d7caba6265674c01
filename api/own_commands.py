"""Our own commands, run for a page: in a process of their own, which may be ended, and whose work delays no one."""

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from desk.errors import DeskError

LONGEST: Final = timedelta(seconds=120)
AT_ONCE: Final = 2


class CommandFailed(DeskError):
    """The command failed, took too long, or is not available here."""

    id = "command-failed"


class OwnCommands:
    """Runs `innringing …`. `program`: how it is started; empty where pages can't start it."""

    def __init__(self, program: Sequence[str] = ()) -> None:
        self._program = tuple(program)
        self._free = asyncio.Semaphore(AT_ONCE)

    @property
    def available(self) -> bool:
        """Whether commands can be run here."""
        return bool(self._program)

    async def run(self, *arguments: str, stdin: str | None = None, longest: timedelta = LONGEST) -> bytes:
        """Run a command and return what it prints, whatever its exit code. Nothing secret belongs in the arguments.

        Raises CommandFailed if it prints nothing or takes longer, with the time it waits for others to end.
        """
        if not self._program:
            raise CommandFailed
        try:
            async with asyncio.timeout(longest.total_seconds()), self._free:
                printed = await self._printed(arguments, stdin)
        except TimeoutError:
            raise CommandFailed from None
        if not printed:
            raise CommandFailed
        return printed

    async def _printed(self, arguments: Sequence[str], stdin: str | None) -> bytes:
        source = DEVNULL if stdin is None else PIPE
        process = await asyncio.create_subprocess_exec(
            *self._program, *arguments, stdin=source, stdout=PIPE, stderr=DEVNULL
        )
        try:
            return (await process.communicate(stdin.encode() if stdin is not None else None))[0]
        finally:
            with suppress(ProcessLookupError):
                if process.returncode is None:
                    process.kill()
            await process.wait()

    async def read(self, *arguments: str, stdin: str | None = None, longest: timedelta = LONGEST) -> Any:
        """Run a command that prints JSON, and return it. Raises CommandFailed."""
        try:
            return json.loads(await self.run(*arguments, stdin=stdin, longest=longest))
        except ValueError:
            raise CommandFailed from None
