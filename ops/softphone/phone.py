"""The phone: one SIP account on one UDP port or one TLS connection. It makes calls, registers and answers.

It implements the part of RFC 3261 that a phone with one server needs: no plain TCP, no routing by proxies, no hold.
Many phones, each with many calls, can run in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from types import TracebackType
from typing import Any, Final, Self

from ops.softphone.dialog import SipDialog
from ops.softphone.errors import NoSipResponse, PhoneError, SipRefusal
from ops.softphone.phone_call import PhoneCall
from ops.softphone.rtp import RtpStream
from ops.softphone.sip import (
    USER_AGENT,
    MalformedMessage,
    Message,
    authorization,
    build,
    in_url,
    parse,
    tag_of,
    uri_of,
)
from ops.softphone.tls import TlsWire

RESEND: Final = 0.5  # seconds until an unanswered request is sent again; doubles up to RESEND_MOST
RESEND_MOST: Final = 4.0
BYE_TIMEOUT: Final = 2.0  # seconds to wait for the response to our BYE


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
        encrypted: bool | None = None,
    ) -> None:
        """`own_port` is our port, 0 for any free one.

        With `tls`, SIP runs over TLS, and the context says which certificates to trust. `encrypted` means sound over
        SRTP; the default is SRTP where SIP runs over TLS.
        """
        self._tls = tls
        self._wire: TlsWire | None = None
        self._encrypted = tls is not None if encrypted is None else encrypted
        self.transport = "TLS" if tls else "UDP"
        self._own_port = own_port
        self.server = f"{in_url(host)}:{port}"
        self.user = user
        self.host, self.port = "::1" if ":" in host else "127.0.0.1", 0  # our own address, once the socket is open
        self._to = (host, port)
        self._password = password
        self._transport: asyncio.DatagramTransport | None = None
        self._answers: dict[tuple[str, str], asyncio.Queue[Message | PhoneError]] = {}
        self._calls: dict[str, PhoneCall] = {}
        self._ringing: asyncio.Queue[PhoneCall] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        if self._tls is not None:
            own = (self.host, self._own_port) if self._own_port else None
            self._wire = await TlsWire.open(*self._to, self._tls, self._receive, own=own)
            self.host, self.port = self._wire.sockname
            return self
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self,
                remote_addr=self._to,
                local_addr=(self.host, self._own_port) if self._own_port else None,
                family=socket.AF_INET6 if ":" in self.host else socket.AF_INET,
            )
        except OSError as error:
            raise NoSipResponse(f"No SIP at {self.server}: {error.strerror}.") from error
        self.host, self.port = self._transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in list(self._calls.values()):
            with contextlib.suppress(PhoneError, TimeoutError):
                async with asyncio.timeout(BYE_TIMEOUT):
                    await call.hang_up()
            call.end()
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
        private: bool = True,
        patience: float = 10.0,
    ) -> PhoneCall:
        """Call this extension and wait for the answer. Raises NoSipResponse, SipRefusal.

        `caller` is the number shown (the user part of From), `name` the display name. With `withheld` the caller is
        anonymous, and the number is only in P-Asserted-Identity with `Privacy: id`, as a trunk passes on a hidden
        number. Without `private` that header is missing, as some exchanges do.
        """
        number = f"sip:{caller or self.user}@{self.server}"
        extra: list[tuple[str, str]] = []
        us = f'"{name}" <{number}>' if name else f"<{number}>"
        if withheld:
            us = '"Anonymous" <sip:anonymous@anonymous.invalid>'
            extra = [("P-Asserted-Identity", f"<{number}>"), *([("Privacy", "id")] if private else [])]
        call = self._new_call(f"sip:{extension}@{self.server}", us=us, them=f"<sip:{extension}@{self.server}>")
        try:
            async with asyncio.timeout(patience):
                answer = await call.dialog.ask("INVITE", extra, call.description)
            if answer.status >= 300:
                call.dialog.acknowledge(answer)
                raise SipRefusal(answer.status, answer.reason)
            call.answered(answer)
        except TimeoutError:
            call.end()
            raise NoSipResponse(f"No answer at {self.server} ({patience:.0f} s).") from None
        except (PhoneError, MalformedMessage):
            call.end()
            raise
        return call

    async def register(self, *, seconds: int = 300) -> None:
        """Register at the server, so that it can call us. 0 seconds unregisters. Raises NoSipResponse, SipRefusal."""
        us = f"<sip:{self.user}@{self.server}>"
        dialog = SipDialog(self, f"sip:{self.server}", us=_tagged(us), them=us)
        try:
            async with asyncio.timeout(10):
                answer = await dialog.ask("REGISTER", [("Expires", str(seconds))])
        except TimeoutError:
            raise NoSipResponse(f"No answer at {self.server}.") from None
        if answer.status >= 300:
            raise SipRefusal(answer.status, answer.reason)

    async def incoming(self) -> PhoneCall:
        """Wait for an incoming call, and leave it ringing. Then use `PhoneCall.answer` or `PhoneCall.refuse`."""
        return await self._ringing.get()

    async def answer(self) -> PhoneCall:
        """Wait for an incoming call, and answer it."""
        call = await self._ringing.get()
        if call.invite is not None:
            call.accept(call.invite)
        return call

    async def transact(self, branch: str, method: str, data: bytes) -> Message:
        """Send a request until the final response arrives. Raises NoSipResponse when the port is closed."""
        answers = self._answers[branch, method] = asyncio.Queue()
        wait: float | None = None if self._wire else RESEND  # TLS needs no resending
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
                wait = None if method == "INVITE" else wait  # it is ringing: stop resending
        finally:
            del self._answers[branch, method]

    def send(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.send(data)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data)

    def respond(self, request: Message, status: int, reason: str, *, tag: str = "", body: str = "") -> None:
        """Respond to a request from the server."""
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
        return f"<sip:{self.user}@{in_url(self.host)}:{self.port}{';transport=tls' if self._tls else ''}>"

    @property
    def has_password(self) -> bool:
        return bool(self._password)

    def sign(self, challenge: Message, method: str, uri: str) -> tuple[str, str]:
        """Return the header that answers a 401 or 407."""
        by_proxy = challenge.status == 407
        asked = challenge.header("proxy-authenticate" if by_proxy else "www-authenticate")
        signed = authorization(asked, method=method, uri=uri, user=self.user, password=self._password)
        return ("Proxy-Authorization" if by_proxy else "Authorization"), signed

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            message = parse(data)
        except MalformedMessage:
            return
        if message.status:
            self._response(message)
        else:
            self._request(message)

    def error_received(self, exc: Exception) -> None:
        """Fail all pending requests: the server's port is closed (ICMP)."""
        for answers in self._answers.values():
            answers.put_nowait(NoSipResponse(f"No SIP at {self.server}: the port is closed."))

    def _response(self, message: Message) -> None:
        waiting = self._answers.get((message.branch, message.sequence[1]))
        call = self._calls.get(message.header("call-id"))
        if waiting is not None:
            waiting.put_nowait(message)
        elif call is not None and message.sequence[1] == "INVITE" and message.status >= 200:
            call.dialog.acknowledge(message)  # our ACK was lost

    def _request(self, message: Message) -> None:
        call = self._calls.get(message.header("call-id"))
        match message.method:
            case "ACK":
                return
            case "INVITE" if call is None:
                self._ring(message)
            case "INVITE" if call is not None and call.is_answered:
                call.accept(message)
            case "INVITE":
                return  # resent while it rings
            case "BYE" if call is not None:
                self.respond(message, 200, "OK")
                call.end()
            case "CANCEL" if call is not None and call.invite is not None:
                self.respond(message, 200, "OK")
                self.respond(call.invite, 487, "Request Terminated", tag=tag_of(call.dialog.us))
                call.end()
            case "BYE" | "CANCEL":
                self.respond(message, 481, "Call Does Not Exist")
            case _:
                self.respond(message, 200, "OK", tag=secrets.token_hex(6))

    def _ring(self, invite: Message) -> None:
        target = uri_of(invite.header("contact"))
        call = self._new_call(target, us=invite.header("to"), them=invite.header("from"), invite=invite)
        self.respond(invite, 180, "Ringing", tag=tag_of(call.dialog.us))
        self._ringing.put_nowait(call)

    def _new_call(self, target: str, *, us: str, them: str, invite: Message | None = None) -> PhoneCall:
        call_id = invite.header("call-id") if invite else ""
        dialog = SipDialog(self, target, us=_tagged(us), them=them, call_id=call_id)
        stream = RtpStream(self.host, encrypted=self._encrypted)
        call = self._calls[dialog.id] = PhoneCall(self, dialog, stream, invite)
        return call


def _tagged(address: str) -> str:
    return f"{address};tag={secrets.token_hex(6)}"
