"""One call of the phone: its SIP dialogue and its sound."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Final

from ops.softphone.errors import PhoneError
from ops.softphone.rtp import Line, Recording
from ops.softphone.sip import (
    USER_AGENT,
    MalformedMessage,
    Message,
    build,
    media_address,
    new_branch,
    offer,
    tag_of,
    uri_of,
)

if TYPE_CHECKING:
    from ops.softphone.phone import Phone

INFO_PRESS: Final = 0.1  # seconds a key is held when sent as SIP INFO
INFO_GAP: Final = 0.1


class Dialogue:
    """The SIP side of a call or a registration: who, where, and the counting of requests."""

    def __init__(self, phone: Phone, target: str, *, us: str, them: str, call_id: str = "") -> None:
        self.id = call_id or f"{secrets.token_hex(12)}@{phone.host}"
        self.target = target  # the URI requests go to
        self.us, self.them = us, them  # From and To as we send them, with tags
        self._phone = phone
        self._sequence = 0

    async def ask(
        self, method: str, extra: list[tuple[str, str]], body: str = "", content_type: str = "application/sdp"
    ) -> Message:
        """Send a request until it is answered; a challenge is answered once. Raises NobodyThere."""
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
        """Send the ACK that a final answer to our INVITE wants: in its own transaction unless the call was refused."""
        branch = answer.branch if answer.status >= 300 else new_branch()
        headers = self._headers(branch, f"{answer.sequence[0]} ACK")
        headers[3] = ("To", answer.header("to"))
        self._phone.send(build(f"ACK {self.target} SIP/2.0", headers))

    def _headers(self, branch: str, sequence: str) -> list[tuple[str, str]]:
        return [
            ("Via", f"SIP/2.0/{self._phone.transport} {self._phone.host}:{self._phone.port};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", self.us),
            ("To", self.them),
            ("Call-ID", self.id),
            ("CSeq", sequence),
            ("User-Agent", USER_AGENT),
        ]


class PhoneCall:
    """A call, ringing or answered. `ended` is set when it is over, whoever hung up; `ended_at` is Unix time."""

    def __init__(self, phone: Phone, dialogue: Dialogue, line: Line, invite: Message | None = None) -> None:
        self.dialogue = dialogue
        self.line = line
        self.ended = asyncio.Event()
        self.ended_at: float | None = None
        self.invite = invite  # what rang us, when we are the one rung
        self._phone = phone
        self._answered = False

    @property
    def heard(self) -> Recording:
        return self.line.recording

    def answered(self, answer: Message) -> None:
        """The other side has answered our INVITE: acknowledge, and start the sound."""
        self.dialogue.them = answer.header("to")
        self.dialogue.target = uri_of(answer.header("contact")) or self.dialogue.target
        self.dialogue.acknowledge(answer)
        self._open(answer.body)

    @property
    def is_answered(self) -> bool:
        return self._answered

    def answer(self) -> None:
        """Answer who rings us."""
        if self.invite is not None and not self.ended.is_set():
            self.accept(self.invite)

    def refuse(self, status: int = 486, reason: str = "Busy Here") -> None:
        """Turn away who rings us: 486 is busy, 603 declined, 404 not in use."""
        if self.invite is not None and not self._answered:
            self._phone.respond(self.invite, status, reason, tag=tag_of(self.dialogue.us))
            self.over()

    def accept(self, request: Message) -> None:
        """Answer an INVITE: the first one, or a later one that renegotiates."""
        self._phone.respond(request, 200, "OK", tag=tag_of(self.dialogue.us), body=self.description)
        if request.body:
            self._open(request.body)

    @property
    def description(self) -> str:
        """What we tell the other side of our sound."""
        return offer(self._phone.host, self.line.port, self.line.key)

    def _open(self, description: str) -> None:
        self._answered = True
        there = media_address(description)
        if (there.key is None) != (self.line.key is None):
            raise MalformedMessage  # one side's sound is sealed, the other's is not
        self.line.open(there.host, there.port, there.events, there.key)

    async def key(self, keys: str, *, info: bool = False) -> None:
        """Key these, as RTP events or each as a SIP INFO. Returns when the last press is over, or the call is.

        Raises PhoneError where the other side takes no key presses.
        """
        pressing = asyncio.create_task(self._key_by_info(keys) if info else self.line.press(keys))
        ended = asyncio.create_task(self.ended.wait())
        try:
            await asyncio.wait((pressing, ended), return_when=asyncio.FIRST_COMPLETED)
            if pressing.done():
                pressing.result()
        except ValueError as error:
            raise PhoneError(str(error)) from None
        finally:
            pressing.cancel()
            ended.cancel()

    async def _key_by_info(self, keys: str) -> None:
        for key in keys:
            body = f"Signal={key}\r\nDuration={int(INFO_PRESS * 1000)}\r\n"
            await self.dialogue.ask("INFO", [], body, "application/dtmf-relay")
            await asyncio.sleep(INFO_PRESS)
            self.line.last_key_at = time.time()
            await asyncio.sleep(INFO_GAP)

    async def hang_up(self, *, cause: int = 0) -> None:
        """End the call, if it isn't over. `cause`: tell that the network did, by Q.850 (38 is out of order)."""
        if self.ended.is_set() or not self._answered:
            return
        self.over()
        await self.dialogue.ask("BYE", [("Reason", f"Q.850;cause={cause}")] if cause else [])

    def over(self) -> None:
        """The call has ended: no more sound either way."""
        if not self.ended.is_set():
            self.ended_at = time.time()
            self.ended.set()
            self.line.close()
