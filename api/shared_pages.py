"""Pages of callbacks: read once for all who ask at the same moment, and shown again until something has happened.

Screens that follow the same queue ask for the same page again and again. A page that is shown again was as it is now:
the history is asked at each request, and each change on it would have a row there. A request with a token has asked
already: its newest position came with the token. Access is checked, and what the page shows is put on the trail, for
each request by itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from desk.access.actor import SYSTEM
from desk.access.permissions import Scope
from desk.callbacks.model import Callback
from desk.database.batching import SingleFlight
from desk.history.standstill import Standstill
from desk.ids import CallbackId
from desk.inquiries.model import Status

MOST: Final = 64
"""Pages that are kept."""
LONGEST: Final = 60.0
"""Seconds after which a page is read again, so that patients' numbers do not stay in memory."""
UNCLAIMED: Final = frozenset({Status.WAITING, Status.UNREACHABLE})
"""Of these every change has a row in the history. Leases are lengthened, and closed ones deleted, without one."""


@dataclass(frozen=True)
class SharedPage:
    """A page as JSON. `seen`: (id, department) of what is on it. `lasts`: nothing on it changes without history."""

    body: str
    seen: Sequence[tuple[CallbackId, str]]
    lasts: bool

    @classmethod
    def of(cls, callbacks: Sequence[Callback], body: str) -> "SharedPage":
        """The page of these callbacks."""
        lasts = all(each.status in UNCLAIMED for each in callbacks)
        return cls(body, [(each.id, each.department) for each in callbacks], lasts)


@dataclass(frozen=True)
class _Kept:
    page: SharedPage
    mark: int
    read_at: float


class SharedPages:
    """The pages of one process."""

    def __init__(self, standstill: Standstill) -> None:
        self._standstill = standstill
        self._flights: SingleFlight[Hashable, SharedPage] = SingleFlight()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    async def get(
        self,
        scope: Scope,
        what: Hashable,
        read: Callable[[], Awaitable[SharedPage]],
        *,
        keep: bool = True,
        newest: int | None = None,
    ) -> SharedPage:
        """Return the page of `what` within that scope, by `read` unless it is known. It is as of this request.

        `keep` is false for a page that changes with the time alone. `newest`: the newest position in the history, read
        since the request has come.
        """
        key = (scope, what)
        kept = self._kept.get(key) if keep and newest is not None else None
        if kept and newest is not None and newest <= kept.mark and self._is_fresh(kept):
            self._kept.move_to_end(key)
            return kept.page
        return await self._flights.run(key, lambda: self._current(key, scope, read, keep=keep))

    async def _current(
        self, key: Hashable, scope: Scope, read: Callable[[], Awaitable[SharedPage]], *, keep: bool
    ) -> SharedPage:
        if not keep:
            return await read()
        now, by = asyncio.get_running_loop().time(), SYSTEM.within(scope)
        kept = self._kept.pop(key, None)
        if kept and self._is_fresh(kept) and not await self._standstill.is_broken(by, kept.mark):
            self._kept[key] = kept
            return kept.page
        mark = await self._standstill.mark(by)
        page = await read()
        if page.lasts and mark is not None:
            self._kept[key] = _Kept(page, mark, now)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return page

    def _is_fresh(self, kept: _Kept) -> bool:
        return asyncio.get_running_loop().time() - kept.read_at < LONGEST
