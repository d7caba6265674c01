"""One call of the phone: its SIP dialog and its sound."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from ops.softphone.dialog import SipDialog, SipEndpoint
from ops.softphone.errors import PhoneError
from ops.softphone.rtp import Recording, RtpStream
from ops.softphone.sip import MalformedMessage, Message, media_address, offer, tag_of, uri_of

INFO_PRESS: Final = 0.1  # seconds a key is held down when sent as SIP INFO
INFO_GAP: Final = 0.1


class PhoneCall:
    """A call, ringing or answered. `ended` is set when either side hangs up. `ended_at` is Unix time."""

    def __init__(self, phone: SipEndpoint, dialog: SipDialog, stream: RtpStream, invite: Message | None = None) -> None:
        self.dialog = dialog
        self.stream = stream
        self.ended = asyncio.Event()
        self.ended_at: float | None = None
        self.invite = invite  # of an incoming call
        self._phone = phone
        self._answered = False

    @property
    def heard(self) -> Recording:
        return self.stream.recording

    def answered(self, answer: Message) -> None:
        """Handle the answer to our INVITE: acknowledge it and start the sound."""
        self.dialog.them = answer.header("to")
        self.dialog.target = uri_of(answer.header("contact")) or self.dialog.target
        self.dialog.acknowledge(answer)
        self._open(answer.body)

    @property
    def is_answered(self) -> bool:
        return self._answered

    def answer(self) -> None:
        """Answer an incoming call."""
        if self.invite is not None and not self.ended.is_set():
            self.accept(self.invite)

    def refuse(self, status: int = 486, reason: str = "Busy Here") -> None:
        """Refuse an incoming call: 486 is busy, 603 declined, 404 not in use."""
        if self.invite is not None and not self._answered:
            self._phone.respond(self.invite, status, reason, tag=tag_of(self.dialog.us))
            self.end()

    def accept(self, request: Message) -> None:
        """Accept an INVITE: the first one, or a later one that renegotiates."""
        self._phone.respond(request, 200, "OK", tag=tag_of(self.dialog.us), body=self.description)
        if request.body:
            self._open(request.body)

    @property
    def description(self) -> str:
        """Our session description (SDP)."""
        return offer(self._phone.host, self.stream.port, self.stream.key)

    def _open(self, description: str) -> None:
        self._answered = True
        media = media_address(description)
        if (media.key is None) != (self.stream.key is None):
            raise MalformedMessage  # only one side encrypts its sound
        self.stream.open(media.host, media.port, media.events, media.key)

    async def key(self, keys: str, *, info: bool = False) -> None:
        """Press keys, as RTP events or as SIP INFO. Returns after the last key, or when the call ends.

        Raises PhoneError where the other side accepts no key presses.
        """
        pressing = asyncio.create_task(self._key_by_info(keys) if info else self.stream.press(keys))
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
            await self.dialog.ask("INFO", [], body, "application/dtmf-relay")
            await asyncio.sleep(INFO_PRESS)
            self.stream.last_key_at = time.time()
            await asyncio.sleep(INFO_GAP)

    async def hang_up(self, *, cause: int = 0) -> None:
        """Hang up. `cause` is a Q.850 code for a failure of the network (38 is out of order)."""
        if self.ended.is_set() or not self._answered:
            return
        self.end()
        await self.dialog.ask("BYE", [("Reason", f"Q.850;cause={cause}")] if cause else [])

    def end(self) -> None:
        """Mark the call as ended and stop the sound."""
        if not self.ended.is_set():
            self.ended_at = time.time()
            self.ended.set()
            self.stream.close()
