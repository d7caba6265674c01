"""SIP over TLS (RFC 3261, sections 18 and 26): messages in a stream, parted by their Content-Length."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable
from typing import Final, Self

from ops.softphone.errors import NobodyThere

FAREWELL: Final = 2.0
LONGEST: Final = 64 * 1024  # bytes of a message's head
_LENGTH: Final = re.compile(rb"^(?:content-length|l)\s*:\s*([0-9]{1,5})\s*$", re.MULTILINE | re.IGNORECASE)


class TlsWire:
    """A connection to the exchange. `heard` is called with each whole message."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Callable[[bytes], None]
    ) -> None:
        self._writer = writer
        self._reading = asyncio.create_task(_read(reader, heard))

    @classmethod
    async def open(cls, host: str, port: int, context: ssl.SSLContext, heard: Callable[[bytes], None]) -> Self:
        """Raises NobodyThere: nothing there, or it is not whom `context` trusts."""
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=LONGEST)
        except ssl.SSLCertVerificationError as error:
            raise NobodyThere(f"The certificate at {host}:{port} is not trusted: {error.verify_message}.") from error
        except OSError as error:
            raise NobodyThere(f"No SIP over TLS at {host}:{port}: {error.strerror or 'no TLS'}.") from error
        return cls(reader, writer, heard)

    @property
    def sockname(self) -> tuple[str, int]:
        host, port = self._writer.get_extra_info("sockname")[:2]
        return host, port

    def send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def close(self) -> None:
        """Let go at once: exchanges don't take part in TLS's own farewell, and asyncio would wait half a minute."""
        self._reading.cancel()
        self._writer.transport.abort()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._writer.wait_closed()
        await asyncio.gather(self._reading, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, heard: Callable[[bytes], None]) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")  # empty lines keep a connection alive
            if head:
                found = _LENGTH.search(head.replace(b"\r\n", b"\n"))
                heard(head + await reader.readexactly(int(found[1]) if found else 0))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return  # the other side is gone: nobody answers any more
