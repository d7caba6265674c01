"""Pages of long lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A slice of a list; `next_cursor` is None on the last one."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def cut(cls, found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Self:
        """The first `limit` of `found`. One item more than that means another page, after `cursor` of the last."""
        return cls(list(found[:limit]), cursor(found[limit - 1]) if len(found) > limit else None)
