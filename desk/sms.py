"""Texts to patients: what they say, and the port they leave by.

A text is written into the outbox in the unit of work that makes it true, and sent afterwards by whatever gateway the
hospital has. It names no hospital, department or specialty: phones lie about on tables.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from desk.clock import Clock
from desk.phone import PhoneNumber
from desk.storage import outbox
from desk.storage.database import Connection, Database
from desk.units import UnitsOfWork

_PROMISE: Final[Mapping[str, str]] = {
    "nb": "Ny tid for at vi ringer deg: {when}. Du trenger ikke gjøre noe.",
    "nn": "Ny tid for at vi ringjer deg: {when}. Du treng ikkje gjere noko.",
    "en": "New time for our call to you: {when}. You need not do anything.",
}


def promise_text(spoken: str, language: str) -> str:
    """The text that tells of a new promise."""
    return _PROMISE.get(language, _PROMISE["nb"]).format(when=spoken)


class NotSent(Exception):
    """The gateway did not take the text; it will be tried again."""


class Sms(Protocol):
    """A gateway for text messages."""

    async def send(self, to: PhoneNumber, text: str) -> None:
        """Hand the text over for delivery. Raises NotSent."""
        ...


class Outbox(UnitsOfWork):
    """Texts that wait to be sent."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        super().__init__(database)
        self._clock = clock

    async def send_next(self, sms: Sms) -> bool:
        """Send the oldest text that waits; False when there is none. Raises NotSent, and keeps the text.

        It is marked as sent after the gateway took it: a crash between the two sends it twice, never not at all.
        """

        async def work(connection: Connection) -> bool:
            text = await outbox.oldest_unsent(connection)
            if text is None:
                return False
            await sms.send(text.to, text.text)
            await outbox.sent(connection, text.id, self._clock.now())
            return True

        return await self._write(work)
