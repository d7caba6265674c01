"""Texts to patients: their kinds and states, whom they are for, and the gateway that sends them.

A text is written into the outbox in the unit of work that makes it true (desk/messages/notices.py). It is handed to the
hospital's gateway afterwards (desk/messages/outbox.py).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from desk.ids import InquiryId
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import Promise


class SmsKind(StrEnum):
    """What a text is about: that we have the callback and when we ring, that we ring at another time, or that someone
    has given one more number for it from another phone."""

    RECEIPT = "receipt"
    NEW_PROMISE = "new_promise"
    NUMBER_ADDED = "number_added"


class SmsState(StrEnum):
    """The state of a text. `SENT`: the gateway has it. `DELIVERED`: the patient's phone has it.

    `FAILED`: it did not arrive, or it is unknown whether it did. `EXPIRED`: the promised time came before it could be
    sent. `WITHDRAWN`: never sent, because it was no longer true (closed, promised again) or for another number.
    """

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


NOT_DELIVERED = frozenset({SmsState.FAILED, SmsState.EXPIRED})
"""The patient should have had the text, and did not get it."""


@dataclass(frozen=True)
class Recipient:
    """The person a text is for: who waits, at which phone, in which language, and what they are promised."""

    inquiry_id: InquiryId
    phone: PhoneNumber
    language: str
    promise: Promise


@dataclass(frozen=True)
class SmsRecord:
    """A text that was written about an inquiry, and what became of it. Its words and number are not in here.

    `reason`: a code, when it did not arrive.
    """

    id: int
    inquiry_id: InquiryId
    department: str
    kind: SmsKind
    state: SmsState
    reason: str | None
    written_at: datetime
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class SmsFilter:
    """Which texts a list shows; None filters nothing."""

    ids: Collection[int] | None = None
    inquiries: Collection[str] | None = None
    states: Collection[SmsState] | None = None
    changed_since: datetime | None = None
    changed_before: datetime | None = None


class GatewayError(Exception):
    """The gateway did not accept the text. `reason` is a code for logs and agents, never the gateway's own words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TryLater(GatewayError):
    """The gateway is unavailable, busy, or refuses us. `ours` is set when only the hospital's settings can fix it."""

    def __init__(self, reason: str, *, ours: bool = False) -> None:
        super().__init__(reason)
        self.ours = ours


class GatewayRefusal(GatewayError):
    """The gateway will never send this text to this number."""


class SmsGateway(Protocol):
    """Accepts texts for delivery."""

    async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
        """Hand over a text. Returns the gateway's own reference for it, empty if it gives none.

        A repeated text has the same `key`: a gateway that has it already need not send it again. The text is worthless
        after `valid`. Ends within seconds. Raises TryLater or GatewayRefusal.
        """
        ...
