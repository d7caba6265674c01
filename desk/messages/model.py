"""Texts to patients: what there is to send, where each stands, and the port they leave by.

A text is written into the outbox in the unit of work that makes it true (desk/messages/notices.py), and handed to
the hospital's
gateway afterwards (desk/messages/outbox.py).
"""

from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from desk.numbers.phone_number import PhoneNumber


class SmsKind(StrEnum):
    """What a text tells: that we have the callback and when we ring, or that we ring at another time than told."""

    RECEIPT = "receipt"
    NEW_PROMISE = "new_promise"


class SmsState(StrEnum):
    """Where a text stands. `SENT`: the gateway has it. `DELIVERED`: the patient's phone has.

    `FAILED`: it did not arrive, or nobody can say. `EXPIRED`: the promised time came before it could be sent.
    `WITHDRAWN`: never sent, because it was no longer true (closed, promised anew) or meant for another number.
    """

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


UNTOLD = frozenset({SmsState.FAILED, SmsState.EXPIRED})
"""The patient has not been told, and was to be."""


class NotSent(Exception):
    """The gateway did not take the text. `reason` is a code for logs and agents, never anybody's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TryLater(NotSent):
    """Not now: the gateway is away, busy, or won't have us. `ours` when only the hospital's settings can mend it."""

    def __init__(self, reason: str, *, ours: bool = False) -> None:
        super().__init__(reason)
        self.ours = ours


class Refused(NotSent):
    """Never: the gateway will not take this text to this number."""


class SmsGateway(Protocol):
    """What takes texts for delivery."""

    async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
        """Hand a text over; the gateway's own reference for it, empty when it gives none.

        The same text always comes with the same `key`: a gateway that has it already need not send it once more. It is
        worthless after `valid`. Ends within seconds. Raises TryLater or Refused.
        """
        ...
