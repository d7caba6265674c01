"""SIP addresses around a Kamailio, which send what a test writes and show what arrives, byte by byte."""

import asyncio
import queue
import socket
import threading
from dataclasses import dataclass, field

from ops.machine.ready import address

PATIENCE = 20.0  # seconds; a limit against hanging, not a measure


@dataclass(eq=False)
class Party:
    """A SIP address. It answers signs of life (OPTIONS) itself if it is `alive`."""

    host: str
    alive: bool = False
    _arrived: "queue.Queue[bytes]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.host, 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return address(host, port)

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def send(self, proxy: str, data: bytes) -> None:
        host, _, port = proxy.rpartition(":")
        self._socket.sendto(data, (host.strip("[]"), int(port)))

    def request(self, proxy: str, method: str, uri: str, *, call: str, to: str = "", headers: str = "") -> bytes:
        """A request with these further `headers`. `to`: the tag of a call that it claims to be within."""
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bK{call}{method}",
            f"To: <{uri}>{f';tag={to}' if to else ''}",
            *(["Max-Forwards: 70", f"Call-ID: {call}@x", f"CSeq: 2 {method}", f"Contact: <sip:x@{self.address}>"]),
        ]
        if "From:" not in headers:
            lines.append(f"From: <sip:4768050199@{self.address}>;tag=f")
        return ("\r\n".join(lines) + f"\r\n{headers}Content-Length: 0\r\n\r\n").encode()

    def answer(self, request: bytes, status: str) -> bytes:
        """The response to a request."""
        kept = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:", b"record-route:")
        lines = [line for line in request.split(b"\r\n") if line.lower().startswith(kept)]
        lines = [line + b";tag=n" if line.startswith(b"To:") and b"tag=" not in line else line for line in lines]
        return b"\r\n".join([f"SIP/2.0 {status}".encode(), *lines, b"Content-Length: 0", b"", b""])

    async def got(self, start: str) -> bytes:
        """The first message that starts with this."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for each in self.heard():
                    if each.startswith(start.encode()):
                        return each
                await asyncio.sleep(0.02)

    @property
    def waits(self) -> bool:
        """Whether something has arrived that was not heard yet."""
        return not self._arrived.empty()

    def heard(self) -> list[bytes]:
        """Everything that has arrived, but signs of life."""
        found = []
        while not self._arrived.empty():
            found.append(self._arrived.get())
        return found

    def _listen(self) -> None:
        while data := self._socket.recv(65536):
            if not data.startswith(b"OPTIONS"):
                self._arrived.put(data)
            elif self.alive:
                via = next(line for line in data.split(b"\r\n") if line.lower().startswith(b"via:"))
                self.send(via.split()[2].split(b";")[0].decode(), self.answer(data, "200 OK"))
