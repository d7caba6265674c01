"""What the inquiries room needs to know about a channel, so that claims and lists are written once for all channels."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from desk.database.unit_of_work import Unit
from desk.ids import InquiryId
from desk.inquiries.model import Inquiry, Kind

T = TypeVar("T", bound=Inquiry)


@dataclass(frozen=True)
class InquiryChannel(Generic[T]):
    """One channel. `show` reads the channel's own values of inquiries, in the same order.

    `locked` locks one inquiry of the channel; it raises the channel's error if there is none in the actor's scope.
    """

    kind: Kind
    show: Callable[[Unit, Sequence[Inquiry]], Awaitable[list[T]]]
    locked: Callable[[Unit, InquiryId], Awaitable[T]]
