"""Callbacks as a record system reads them: with the time of their newest change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from desk.callbacks import repository as rows
from desk.callbacks.lists import MAX_PAGE
from desk.callbacks.model import Callback
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading
from desk.history import repository as history
from desk.ids import CallbackId
from desk.inquiries import lists_repository as lists
from desk.inquiries.model import InquiryFilter, Kind


@dataclass(frozen=True)
class CallbackRecord:
    """A callback, when it got its `version`, and when it was closed."""

    callback: Callback
    changed_at: datetime
    closed_at: datetime | None


class CallbackRecords(Service):
    """Reads callbacks with their times. Everything is bounded by the actor's scope."""

    @reading
    async def get(self, unit: Unit, id: CallbackId) -> CallbackRecord:
        """Read a callback. Raises CallbackNotFound."""
        return (await _dated(unit, [await rows.get(unit, id)]))[0]

    @reading
    async def page(
        self, unit: Unit, filters: InquiryFilter, *, cursor: str | None, limit: int = MAX_PAGE
    ) -> Page[CallbackRecord]:
        """List callbacks, oldest first, 200 at most. Raises BadCursor."""
        page = await lists.page(unit, Kind.CALLBACK, filters, cursor=cursor, limit=min(limit, MAX_PAGE))
        return Page(await _dated(unit, await rows.show(unit, page.items)), page.next_cursor)

    @reading
    async def dated(self, unit: Unit, found: Sequence[Callback]) -> list[CallbackRecord]:
        """Add their times to callbacks that the actor has just found, in the same order."""
        return await _dated(unit, found)


async def _dated(unit: Unit, found: Sequence[Callback]) -> list[CallbackRecord]:
    times = await history.changed(unit, [each.id for each in found])
    return [CallbackRecord(each, *times[each.id]) for each in found if each.id in times]
