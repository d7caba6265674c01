"""SIP over TLS (RFC 3261, sections 18 and 26): messages in a stream, separated by their Content-Length."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable
from typing import Final, Self

from ops.softphone.errors import NoSipResponse

CLOSE_TIMEOUT: Final = 2.0
LONGEST: Final = 64 * 1024  # bytes of a message's headers
_LENGTH: Final = re.compile(rb"^(?:content-length|l)\s*:\s*([0-9]{1,5})\s*$", re.MULTILINE | re.IGNORECASE)


class TlsWire:
    """A TLS connection to the server. `receive` is called with each complete message."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receive: Callable[[bytes], None]
    ) -> None:
        self._writer = writer
        self._reading = asyncio.create_task(_read(reader, receive))

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        context: ssl.SSLContext,
        receive: Callable[[bytes], None],
        *,
        own: tuple[str, int] | None = None,
    ) -> Self:
        """Connect, from our `own` address if one is set.

        Raises NoSipResponse if there is no server, or if `context` does not trust its certificate.
        """
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=LONGEST, local_addr=own)
        except ssl.SSLCertVerificationError as error:
            raise NoSipResponse(f"The certificate at {host}:{port} is not trusted: {error.verify_message}.") from error
        except OSError as error:
            raise NoSipResponse(f"No SIP over TLS at {host}:{port}: {error.strerror or 'no TLS'}.") from error
        return cls(reader, writer, receive)

    @property
    def sockname(self) -> tuple[str, int]:
        host, port = self._writer.get_extra_info("sockname")[:2]
        return host, port

    def send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def close(self) -> None:
        """Abort the connection: SIP servers skip the TLS shutdown, and asyncio would wait half a minute for it."""
        self._reading.cancel()
        self._writer.transport.abort()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._writer.wait_closed()
        await asyncio.gather(self._reading, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, receive: Callable[[bytes], None]) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")  # empty lines keep a connection alive
            if head:
                found = _LENGTH.search(head.replace(b"\r\n", b"\n"))
                receive(head + await reader.readexactly(int(found[1]) if found else 0))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return  # the server closed the connection
