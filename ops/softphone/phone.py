"""The phone: one SIP account on one UDP port, or one TLS connection. Rings out, registers and answers.

Enough of RFC 3261 for a phone beside its exchange: everything is sent to the one server it was made for, no plain TCP,
no proxies' routes, no hold. Many phones, and many calls of each, live in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from types import TracebackType
from typing import Any, Final, Self

from ops.softphone.errors import NobodyThere, PhoneError, Refused
from ops.softphone.phone_call import Dialogue, PhoneCall
from ops.softphone.rtp import Line
from ops.softphone.sip import USER_AGENT, MalformedMessage, Message, authorization, build, parse, tag_of, uri_of
from ops.softphone.tls import TlsWire

RESEND: Final = 0.5  # seconds until a request without an answer is sent again; doubles up to RESEND_MOST
RESEND_MOST: Final = 4.0
FAREWELL: Final = 2.0  # seconds to wait for the answer to our BYE


class Phone(asyncio.DatagramProtocol):
    """A phone with one server. Use as `async with Phone(host, port) as phone`."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 5060,
        *,
        user: str = "phone",
        password: str = "",
        own_port: int = 0,
        tls: ssl.SSLContext | None = None,
        sealed: bool | None = None,
    ) -> None:
        """`own_port`: where others find us without our registering (0: any free one).

        `tls`: SIP over TLS, with whom it trusts. `sealed`: sound by SRTP; unless said, where SIP is over TLS.
        """
        self._tls = tls
        self._wire: TlsWire | None = None
        self._sealed = tls is not None if sealed is None else sealed
        self.transport = "TLS" if tls else "UDP"
        self._own_port = own_port
        self.server = f"{host}:{port}"
        self.user = user
        self.host, self.port = "127.0.0.1", 0  # our own side of the socket, once it is open
        self._to = (host, port)
        self._password = password
        self._transport: asyncio.DatagramTransport | None = None
        self._answers: dict[tuple[str, str], asyncio.Queue[Message | PhoneError]] = {}
        self._calls: dict[str, PhoneCall] = {}
        self._ringing: asyncio.Queue[PhoneCall] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        if self._tls is not None:
            self._wire = await TlsWire.open(*self._to, self._tls, self._heard)
            self.host, self.port = self._wire.sockname
            return self
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self,
                remote_addr=self._to,
                local_addr=(self.host, self._own_port) if self._own_port else None,
                family=socket.AF_INET,
            )
        except OSError as error:
            raise NobodyThere(f"No SIP at {self.server}: {error.strerror}.") from error
        self.host, self.port = self._transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in list(self._calls.values()):
            with contextlib.suppress(PhoneError, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await call.hang_up()
            call.over()
        if self._transport is not None:
            self._transport.close()
        if self._wire is not None:
            await self._wire.close()

    async def ring(
        self,
        extension: str,
        *,
        caller: str = "",
        name: str = "",
        withheld: bool = False,
        patience: float = 10.0,
    ) -> PhoneCall:
        """Ring this extension and wait until it is answered. Raises NobodyThere, Refused.

        `caller` is the number shown (the user part of From), `name` the name beside it. `withheld`: shown as
        anonymous, with the number only in P-Asserted-Identity beside `Privacy: id`, as a trunk passes a secret one on.
        """
        number = f"sip:{caller or self.user}@{self.server}"
        extra: list[tuple[str, str]] = []
        us = f'"{name}" <{number}>' if name else f"<{number}>"
        if withheld:
            us = '"Anonymous" <sip:anonymous@anonymous.invalid>'
            extra = [("Privacy", "id"), ("P-Asserted-Identity", f"<{number}>")]
        call = self._new_call(f"sip:{extension}@{self.server}", us=us, them=f"<sip:{extension}@{self.server}>")
        try:
            async with asyncio.timeout(patience):
                answer = await call.dialogue.ask("INVITE", extra, call.description)
            if answer.status >= 300:
                call.dialogue.acknowledge(answer)
                raise Refused(answer.status, answer.reason)
            call.answered(answer)
        except TimeoutError:
            call.over()
            raise NobodyThere(f"Nobody answers at {self.server} ({patience:.0f} s).") from None
        except (PhoneError, MalformedMessage):
            call.over()
            raise
        return call

    async def register(self, *, seconds: int = 300) -> None:
        """Tell the server where we are, so that it can ring us; 0 takes it back. Raises NobodyThere, Refused."""
        us = f"<sip:{self.user}@{self.server}>"
        dialogue = Dialogue(self, f"sip:{self.server}", us=_tagged(us), them=us)
        try:
            async with asyncio.timeout(10):
                answer = await dialogue.ask("REGISTER", [("Expires", str(seconds))])
        except TimeoutError:
            raise NobodyThere(f"Nobody answers at {self.server}.") from None
        if answer.status >= 300:
            raise Refused(answer.status, answer.reason)

    async def rung(self) -> PhoneCall:
        """Wait until somebody rings us, and let it ring: see `PhoneCall.answer` and `PhoneCall.refuse`."""
        return await self._ringing.get()

    async def answer(self) -> PhoneCall:
        """Wait until somebody rings us, and answer."""
        call = await self._ringing.get()
        if call.invite is not None:
            call.accept(call.invite)
        return call

    async def transact(self, branch: str, method: str, data: bytes) -> Message:
        """Send a request until its final response comes. Raises NobodyThere when the port is closed."""
        answers = self._answers[branch, method] = asyncio.Queue()
        wait: float | None = None if self._wire else RESEND  # a stream loses nothing
        try:
            self.send(data)
            while True:
                try:
                    async with asyncio.timeout(wait):
                        answer = await answers.get()
                except TimeoutError:
                    self.send(data)
                    wait = min(2 * (wait or RESEND), RESEND_MOST)
                    continue
                if isinstance(answer, PhoneError):
                    raise answer
                if answer.status >= 200:
                    return answer
                wait = None if method == "INVITE" else wait  # it rings: now we only wait
        finally:
            del self._answers[branch, method]

    def send(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.send(data)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data)

    def respond(self, request: Message, status: int, reason: str, *, tag: str = "", body: str = "") -> None:
        """Answer a request from the server."""
        to = request.header("to")
        if tag and not tag_of(to):
            to += f";tag={tag}"
        headers = [("Via", via) for via in request.all("via")]
        headers += [("Record-Route", route) for route in request.all("record-route")]
        headers += [("From", request.header("from")), ("To", to), ("Call-ID", request.header("call-id"))]
        headers += [("CSeq", request.header("cseq")), ("Contact", self.contact), ("User-Agent", USER_AGENT)]
        self.send(build(f"SIP/2.0 {status} {reason}", headers, body))

    @property
    def contact(self) -> str:
        return f"<sip:{self.user}@{self.host}:{self.port}{';transport=tls' if self._tls else ''}>"

    @property
    def has_password(self) -> bool:
        return bool(self._password)

    def sign(self, challenge: Message, method: str, uri: str) -> tuple[str, str]:
        """The header that answers a 401 or 407."""
        by_proxy = challenge.status == 407
        asked = challenge.header("proxy-authenticate" if by_proxy else "www-authenticate")
        signed = authorization(asked, method=method, uri=uri, user=self.user, password=self._password)
        return ("Proxy-Authorization" if by_proxy else "Authorization"), signed

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._heard(data)

    def _heard(self, data: bytes) -> None:
        try:
            message = parse(data)
        except MalformedMessage:
            return
        if message.status:
            self._response(message)
        else:
            self._request(message)

    def error_received(self, exc: Exception) -> None:
        """The server's port is closed (ICMP): nobody will answer what we asked."""
        for answers in self._answers.values():
            answers.put_nowait(NobodyThere(f"No SIP at {self.server}: the port is closed."))

    def _response(self, message: Message) -> None:
        waiting = self._answers.get((message.branch, message.sequence[1]))
        call = self._calls.get(message.header("call-id"))
        if waiting is not None:
            waiting.put_nowait(message)
        elif call is not None and message.sequence[1] == "INVITE" and message.status >= 200:
            call.dialogue.acknowledge(message)  # our ACK was lost

    def _request(self, message: Message) -> None:
        call = self._calls.get(message.header("call-id"))
        match message.method:
            case "ACK":
                return
            case "INVITE" if call is None:
                self._rung(message)
            case "INVITE" if call is not None and call.is_answered:
                call.accept(message)
            case "INVITE":
                return  # sent again while it rings
            case "BYE" if call is not None:
                self.respond(message, 200, "OK")
                call.over()
            case "CANCEL" if call is not None and call.invite is not None:
                self.respond(message, 200, "OK")
                self.respond(call.invite, 487, "Request Terminated", tag=tag_of(call.dialogue.us))
                call.over()
            case "BYE" | "CANCEL":
                self.respond(message, 481, "Call Does Not Exist")
            case _:
                self.respond(message, 200, "OK", tag=secrets.token_hex(6))

    def _rung(self, invite: Message) -> None:
        target = uri_of(invite.header("contact"))
        call = self._new_call(target, us=invite.header("to"), them=invite.header("from"), invite=invite)
        self.respond(invite, 180, "Ringing", tag=tag_of(call.dialogue.us))
        self._ringing.put_nowait(call)

    def _new_call(self, target: str, *, us: str, them: str, invite: Message | None = None) -> PhoneCall:
        call_id = invite.header("call-id") if invite else ""
        dialogue = Dialogue(self, target, us=_tagged(us), them=them, call_id=call_id)
        call = self._calls[dialogue.id] = PhoneCall(self, dialogue, Line(self.host, sealed=self._sealed), invite)
        return call


def _tagged(who: str) -> str:
    return f"{who};tag={secrets.token_hex(6)}"
