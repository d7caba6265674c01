"""The SIP side of a call or a registration, and the interface of the phone that it uses."""

from __future__ import annotations

import secrets
from typing import Protocol

from ops.softphone.sip import USER_AGENT, Message, build, in_url, new_branch


class SipEndpoint(Protocol):
    """The part of `ops.softphone.phone.Phone` that dialogs and calls use."""

    host: str
    port: int
    transport: str

    @property
    def contact(self) -> str: ...

    @property
    def has_password(self) -> bool: ...

    async def transact(self, branch: str, method: str, data: bytes) -> Message: ...

    def send(self, data: bytes) -> None: ...

    def respond(self, request: Message, status: int, reason: str, *, tag: str = "", body: str = "") -> None: ...

    def sign(self, challenge: Message, method: str, uri: str) -> tuple[str, str]: ...


class SipDialog:
    """A SIP dialog, of a call or a registration: both addresses, the target and the request counter."""

    def __init__(self, phone: SipEndpoint, target: str, *, us: str, them: str, call_id: str = "") -> None:
        self.id = call_id or f"{secrets.token_hex(12)}@{phone.host}"
        self.target = target  # the URI that requests go to
        self.us, self.them = us, them  # From and To as we send them, with tags
        self._phone = phone
        self._sequence = 0

    async def ask(
        self, method: str, extra: list[tuple[str, str]], body: str = "", content_type: str = "application/sdp"
    ) -> Message:
        """Send a request and return the final response. Answers one challenge. Raises NoSipResponse."""
        answer = await self._send(method, extra, body, content_type)
        if answer.status in (401, 407) and self._phone.has_password:
            if method == "INVITE":
                self.acknowledge(answer)
            answer = await self._send(
                method, [*extra, self._phone.sign(answer, method, self.target)], body, content_type
            )
        return answer

    async def _send(self, method: str, extra: list[tuple[str, str]], body: str, content_type: str) -> Message:
        self._sequence += 1
        branch = new_branch()
        headers = [*self._headers(branch, f"{self._sequence} {method}"), ("Contact", self._phone.contact), *extra]
        data = build(f"{method} {self.target} SIP/2.0", headers, body, content_type)
        return await self._phone.transact(branch, method, data)

    def acknowledge(self, answer: Message) -> None:
        """Send the ACK for the final response to our INVITE: a transaction of its own unless the call was refused."""
        branch = answer.branch if answer.status >= 300 else new_branch()
        headers = self._headers(branch, f"{answer.sequence[0]} ACK")
        headers[3] = ("To", answer.header("to"))
        self._phone.send(build(f"ACK {self.target} SIP/2.0", headers))

    def _headers(self, branch: str, sequence: str) -> list[tuple[str, str]]:
        own = f"{in_url(self._phone.host)}:{self._phone.port}"
        return [
            ("Via", f"SIP/2.0/{self._phone.transport} {own};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", self.us),
            ("To", self.them),
            ("Call-ID", self.id),
            ("CSeq", sequence),
            ("User-Agent", USER_AGENT),
        ]
