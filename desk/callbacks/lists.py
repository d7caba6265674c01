"""Reading callbacks and calls: one, a page, how many."""

from desk.callbacks import calls_repository as calls
from desk.callbacks import repository as rows
from desk.callbacks.model import Callback, RecordedCall
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading
from desk.history import repository as history
from desk.history.model import HistoryRow
from desk.ids import CallbackId
from desk.inquiries import lists_repository as lists
from desk.inquiries.model import InquiryFilter, Kind, Status

MAX_PAGE = 200


class CallbackLists(Service):
    """Reads callbacks and calls. Everything is bounded by the actor's scope."""

    @reading
    async def get(self, unit: Unit, id: CallbackId) -> Callback:
        """Read a callback. Raises CallbackNotFound."""
        return await rows.get(unit, id)

    @reading
    async def history(self, unit: Unit, id: CallbackId) -> list[HistoryRow]:
        """Return everything that happened to a callback, oldest first. Raises CallbackNotFound."""
        callback = await rows.get(unit, id)
        return await history.of_inquiry(unit, callback.id)

    @reading
    async def others_of_person(self, unit: Unit, id: CallbackId, limit: int) -> list[Callback]:
        """List the person's other callbacks: the open ones first, then the newest. None without an identity number.

        While keys are rotated, those stored with the other key are missing. Raises CallbackNotFound.
        """
        callback = await rows.get(unit, id)
        return await rows.of_same_person(unit, callback.id, limit) if callback.patient_masked else []

    @reading
    async def page(
        self, unit: Unit, filters: InquiryFilter | None = None, *, cursor: str | None = None, limit: int = MAX_PAGE
    ) -> Page[Callback]:
        """List callbacks, oldest first, 200 at most. Raises BadCursor."""
        filters = filters or InquiryFilter()
        page = await lists.page(unit, Kind.CALLBACK, filters, cursor=cursor, limit=_limit(limit))
        return Page(await rows.show(unit, page.items), page.next_cursor)

    @reading
    async def queue(
        self, unit: Unit, filters: InquiryFilter, *, cursor: str | None = None, limit: int = MAX_PAGE
    ) -> Page[Callback]:
        """List callbacks in the order in which they are claimed, 200 at most. Raises BadCursor."""
        page = await lists.in_claim_order(unit, Kind.CALLBACK, filters, cursor=cursor, limit=_limit(limit))
        return Page(await rows.show(unit, page.items), page.next_cursor)

    @reading
    async def counts(self, unit: Unit) -> dict[tuple[str, Status], int]:
        """Count the open callbacks by department and status, in one query."""
        return await lists.open_counts(unit, Kind.CALLBACK)

    @reading
    async def calls(
        self, unit: Unit, *, incomplete: bool | None = None, cursor: str | None = None, limit: int = MAX_PAGE
    ) -> Page[RecordedCall]:
        """List calls, oldest first: incomplete ones, the others, or (None) both. Raises BadCursor."""
        return await calls.page(unit, incomplete=incomplete, cursor=cursor, limit=_limit(limit))


def _limit(asked: int) -> int:
    return max(1, min(asked, MAX_PAGE))
