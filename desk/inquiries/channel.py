"""What the inquiries room needs to know about a channel, so that claims and lists are written once for all channels."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from desk.database.compiled import FromClause, Select
from desk.database.unit_of_work import Unit
from desk.ids import InquiryId
from desk.inquiries.model import Inquiry, Kind

T = TypeVar("T", bound=Inquiry)


@dataclass(frozen=True)
class InquiryChannel(Generic[T]):
    """One channel. `show` reads the channel's own values of inquiries, in the same order.

    `join` joins the channel's own values to rows of inquiries in a larger statement; `read` makes one of an inquiry's
    values and such a row.
    `locked` locks one inquiry of the channel; it raises the channel's error if there is none in the actor's scope.
    """

    kind: Kind
    show: Callable[[Unit, Sequence[Inquiry]], Awaitable[list[T]]]
    join: Callable[[FromClause], Select[Any]]
    read: Callable[[Mapping[str, Any], Any], T]
    locked: Callable[[Unit, InquiryId], Awaitable[T]]
