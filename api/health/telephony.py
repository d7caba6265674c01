"""Ask Asterisk, over ARI, whether a caller is served: the numbers, the SIP transport, the conversation, the prompts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from desk.connections.health import Component
from desk.departments.departments import Department

APPLICATION: Final = "innringing"
ENTRY: Final = "departments"
"""The numbers that lead somewhere. [from-trunk] includes it and, to answer OPTIONS, every other number too."""
CONVERSATION: Final = "Local/s@innringing"
"""The start of the conversation in the dialplan."""
TRANSPORTS: Final = ("transport-udp", "transport-tls")
WELCOME: Final = "innringing/welcome"
SECONDS: Final = 3.0
NAMES: Final = ("numbers", "sip", "conversation", "sounds")
"""The components that `check` returns."""

Read = Callable[[str], Awaitable[Any]]
"""Get an ARI resource as parsed JSON; None if it does not exist or Asterisk does not answer."""


class Telephony:
    """What a caller needs of Asterisk."""

    def __init__(self, read: Read) -> None:
        self._read = read

    async def check(self, departments: Sequence[Department]) -> dict[str, Component]:
        """Check all of it. Never raises. Nothing is asked twice, and all of it within seconds."""
        try:
            async with asyncio.timeout(SECONDS):
                return {
                    "numbers": await self._numbers(departments),
                    "sip": await self._transport(),
                    "conversation": await self._conversation(),
                    "sounds": await self._sounds(departments),
                }
        except TimeoutError:
            return unknown("Asterisk did not answer in time")

    async def _numbers(self, departments: Sequence[Department]) -> Component:
        """Check that each number is in the dialplan. A Local channel's device state is INVALID if it is not."""
        lost = [each.extension for each in departments if not await self._exists(f"Local/{each.extension}@{ENTRY}")]
        if lost:
            return Component(False, f"no way into the conversation for {', '.join(lost)}: innringing check")
        return Component(True, "each department's number leads into the conversation")

    async def _transport(self) -> Component:
        for name in TRANSPORTS:
            if await self._read(f"asterisk/config/dynamic/res_pjsip/transport/{name}"):
                return Component(True, "listens")
        return Component(False, "Asterisk has no SIP transport: no call arrives")

    async def _conversation(self) -> Component:
        if not await self._exists(CONVERSATION):
            return Component(False, "the dialplan has no [innringing]: innringing check")
        if not await self._read(f"applications/{APPLICATION}"):
            return Component(False, "the phone door is not connected: callers reach the switchboard")
        return Component(True, "the phone door is connected")

    async def _sounds(self, departments: Sequence[Department]) -> Component:
        found = await self._read(f"sounds/{quote(WELCOME, safe='')}")
        has = {each.get("language") for each in (found or {}).get("formats", [])}
        missing = sorted({language for each in departments for language in each.languages} - has)
        if missing:
            return Component(False, f"Asterisk has no prompts in {', '.join(missing)}: innringing prompts build")
        return Component(True, "Asterisk has the prompts of each language")

    async def _exists(self, device: str) -> bool:
        state = await self._read(f"deviceStates/{quote(device, safe='')}")
        return bool(state) and state.get("state") not in (None, "INVALID")


def unknown(reason: str) -> dict[str, Component]:
    """Return all components as not in order, because Asterisk can't be asked."""
    return {name: Component(False, reason) for name in NAMES}
