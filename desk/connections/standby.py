"""Ask the standby if it lives. It answers an empty description of a call by ending the connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

ANSWER_WITHIN: Final = 1.0  # seconds


async def standby_answers(host: str, port: int) -> bool:
    """Whether the standby answers. One that is stopped does not, although the kernel connects. Never raises."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"\n")
                return await reader.read(1) == b""
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
