"""A callback as the queue and the card show it, or an incomplete call: words, urgency and a phone number. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from api.console import moments
from api.console.words import Wording
from desk.callbacks.model import Callback, RecordedCall
from desk.departments.departments import Department
from desk.inquiries.model import Priority, Status
from desk.numbers.phone_number import PhoneNumber


@dataclass(frozen=True)
class Row:
    """One line of the queue. `urgency`: overdue, soon or due; it is said in words too, never by colour alone."""

    callback: Callback
    department: str
    phone: str
    promise: str
    urgency: str | None
    mine: bool
    waited: str
    topic: str | None

    @property
    def id(self) -> str:
        """The callback's id."""
        return self.callback.id

    @property
    def is_urgent(self) -> bool:
        """Whether an agent or the caller has said that it is urgent."""
        return self.callback.priority is Priority.URGENT

    @property
    def order(self) -> str:
        """Its place in the order in which callbacks are claimed, as a text that browsers compare."""
        c = self.callback
        return f"{0 if self.is_urgent else 1} {c.promise.by.isoformat()} {c.created_at.isoformat()} {c.id}"

    @property
    def can_be_claimed(self) -> bool:
        """Whether it waits for an agent."""
        return self.callback.status is Status.WAITING


def row_of(
    words: Wording, callback: Callback, departments: Mapping[str, Department], *, agent: str, now: datetime
) -> Row:
    """Build the line of a callback for that agent."""
    department = departments[callback.department].name if callback.department in departments else callback.department
    is_open = callback.status in (Status.WAITING, Status.CLAIMED)
    return Row(
        callback,
        department,
        readable(callback.phone),
        moments.promised(words, callback.promise, now),
        moments.urgency(callback.promise, now) if is_open else None,
        callback.claimed_by == agent,
        moments.ago(words, callback.created_at, now),
        topic_words(callback, departments),
    )


@dataclass(frozen=True)
class CallRow:
    """An incomplete call as a page shows it."""

    call: RecordedCall
    department: str
    phone: str | None
    when: str


def call_row(words: Wording, call: RecordedCall, departments: Mapping[str, Department], *, now: datetime) -> CallRow:
    """Build the line of an incomplete call."""
    department = departments[call.department].name if call.department in departments else call.department
    phone = readable(call.phone) if call.phone else None
    return CallRow(call, department, phone, moments.ago(words, call.at, now))


def topic_words(callback: Callback, departments: Mapping[str, Department]) -> str | None:
    """The words of its topic. One that the department no longer has is shown by its key."""
    if callback.topic is None:
        return None
    topics = departments[callback.department].topics if callback.department in departments else {}
    return topics.get(callback.topic, callback.topic)


def readable(phone: PhoneNumber) -> str:
    """The number in the groups in which people read it; a foreign one in full."""
    if not phone.e164.startswith("+47"):
        return phone.e164
    return " ".join(phone.national_groups)
