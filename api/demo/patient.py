"""The demo's patient: a real SIP call to the running system, placed by a click, and what was heard in it."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from api.own_commands import CommandFailed, OwnCommands
from desk.departments.departments import Department
from desk.errors import DeskError

FIRST: Final = 1_000
LAST: Final = 8_999
FICTIONAL: Final = 4768050000
"""The synthetic person n calls from the fictional number +47 680 5n, as `innringing call --someone n` does."""


class DemoCallRunning(DeskError):
    """The demo's patient is on the phone already."""

    id = "demo-call-running"


@dataclass(frozen=True)
class DemoCall:
    """A call of the demo's patient. `heard`: what was said and when, in seconds; None while the call is going on."""

    department: str
    phone: str
    heard: Sequence[tuple[float, str]] | None = None
    keyed: float | None = None
    received: bool = False
    failed: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the call is over, or failed."""
        return self.failed or self.heard is not None


def sentences(heard: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Join what was said word by word, such as the digits of a number: a new sentence begins with a capital."""
    found: list[tuple[float, str]] = []
    for at, text in heard:
        if found and text[:1].islower():
            found[-1] = (found[-1][0], f"{found[-1][1]} {text}")
        else:
            found.append((at, text))
    return found


class DemoPatient:
    """One patient, who makes one call at a time. `latest`: the newest call; it is forgotten when the service stops."""

    def __init__(self) -> None:
        self.latest: DemoCall | None = None
        self._task: asyncio.Task[None] | None = None

    def rings(self, commands: OwnCommands, department: Department) -> None:
        """Start a call to the department. Raises DemoCallRunning."""
        if self.latest is not None and not self.latest.is_over:
            raise DemoCallRunning
        someone = FIRST + secrets.randbelow(LAST - FIRST + 1)
        self.latest = DemoCall(department.name, f"+{FICTIONAL + someone}")
        self._task = asyncio.create_task(self._call(commands, self.latest, department.extension, someone))

    async def _call(self, commands: OwnCommands, call: DemoCall, extension: str, someone: int) -> None:
        try:
            said: Mapping[str, object] = await commands.read("call", extension, "--someone", str(someone), "--json")
        except CommandFailed:
            self.latest = DemoCall(call.department, call.phone, failed=True)
            return
        heard, keyed = said.get("heard"), said.get("keyed")
        self.latest = DemoCall(
            call.department,
            call.phone,
            heard=sentences(
                [(float(each["at"]), str(each["text"])) for each in heard] if isinstance(heard, list) else []
            ),
            keyed=float(keyed) if isinstance(keyed, int | float) else None,
            received=said.get("received") is True,
        )

    async def close(self) -> None:
        """End a call that is going on."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
