"""The ledger of promises: which were kept, which were broken, which are at risk, and who is warned.

States are computed from rows that are only ever added; nothing about a promise is overwritten. The rules are in
desk/ledger/forecast.py.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from desk.access.actor import SYSTEM
from desk.callbacks import repository as callbacks
from desk.clock import Clock
from desk.database import cursors
from desk.database.engine import Database
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.departments.departments import Departments
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.ids import CallbackId
from desk.inquiries.model import Priority, Status
from desk.ledger import forecast
from desk.ledger import repository as rows
from desk.ledger.forecast import AgentAction, PromiseState, QueuePlace
from desk.ledger.model import (
    Deadline,
    DepartmentPromises,
    Intake,
    IntakeGroup,
    JudgedPromise,
    Outlook,
    PromiseRecord,
    PromiseWarning,
    QueuedCallback,
)
from desk.messages import repository as outbox
from desk.promises.keeping import kept_at
from desk.promises.rules import due

OLDEST = timedelta(days=31)
RECENT = timedelta(days=7)
ENDING = frozenset({"attempt", "closed", "unreachable", "transferred_out"})
"""Events that end an agent's work with a callback."""

log = structlog.get_logger(__name__)


class Ledger(Service):
    """Past promises and how they were kept, and a forecast of those ahead."""

    def __init__(
        self, *, database: Database, departments: Callable[[], Departments], clock: Clock, lease: timedelta
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._departments = departments
        self._lease = lease

    @reading
    async def promises(
        self,
        unit: Unit,
        department: str,
        *,
        since: datetime | None,
        state: Collection[PromiseState] | None,
        cursor: str | None,
        limit: int,
    ) -> DepartmentPromises:
        """List the department's promises due after `since` (seven days ago by default; 31 at most), in these states.

        Raises DepartmentNotAllowed, DepartmentNotFound, BadCursor.
        """
        self._require(unit, department)
        place = cursors.PROMISES.key(cursor) if cursor is not None else None
        first = max(since or unit.now - RECENT, unit.now - OLDEST)
        outlook = await self._outlook(unit, department)
        found = await rows.made_since(unit, department, first)
        judged = await self._judged(unit, found, {department: outlook})
        rest = [
            each
            for each in judged
            if (state is None or each.state in state)
            and (place is None or (each.record.window.due, each.record.id) > place)
        ]
        last = rest[:limit][-1].record if len(rest) > limit else None
        page = Page(rest[:limit], cursors.PROMISES.after(last.window.due, last.id) if last else None)
        unit.trail.saw(*(each.record.callback_id for each in page.items))
        counts = Counter(each.state for each in judged)
        return DepartmentPromises(outlook, page, counts, texts_missed=sum(each.text_missed for each in judged))

    @reading
    async def of_callback(self, unit: Unit, id: CallbackId) -> list[JudgedPromise]:
        """List every promise made for a callback, oldest first. Raises CallbackNotFound."""
        callback = await callbacks.get(unit, id)
        outlook = await self._outlook(unit, callback.department)
        found = await rows.of_callback(unit, callback.id)
        return await self._judged(unit, found, {each.department: outlook for each in found})

    @reading
    async def at_risk(self, unit: Unit) -> frozenset[CallbackId]:
        """Return the open callbacks whose newest promise is broken, or probably will be."""
        found: set[CallbackId] = set()
        for department in filter(unit.scope.covers, self._departments()):
            outlook = await self._outlook(unit, department)
            found |= {each.id for each in outlook.queue if outlook.at_risk(each.id, self._due(department, each))}
        return frozenset(found)

    @reading
    async def intake(self, unit: Unit, department: str, since: datetime | None = None) -> Intake:
        """Summarise the callbacks that have come in since then (or ever) and wait.

        Raises DepartmentNotAllowed, DepartmentNotFound.
        """
        self._require(unit, department)
        outlook = await self._outlook(unit, department)
        waiting = [
            each
            for each in outlook.queue
            if each.status is Status.WAITING and (since is None or each.created_at >= since)
        ]
        late = {each.id for each in waiting if outlook.at_risk(each.id, self._due(department, each))}
        return Intake(outlook, _groups(waiting), _deadlines(waiting, late))

    @reading
    async def outlook(self, unit: Unit, department: str) -> Outlook:
        """Return the department's queue now, and its forecast. Raises DepartmentNotAllowed, DepartmentNotFound."""
        self._require(unit, department)
        return await self._outlook(unit, department)

    async def warn(self) -> int:
        """Warn of each promise that is at risk and has no warning yet. Returns how many there were.

        A warning is a row, an event in the callback's history, and a line in the log. Any number of processes may run
        this at once: each promise gets one warning.
        """
        warned = await self._warn(SYSTEM)
        for each in warned:
            log.warning(
                "A promise is at risk",
                department=each.record.department,
                callback=each.record.callback_id,
                due=each.record.window.due.isoformat(),
            )
        return len(warned)

    @reading
    async def warnings(self, unit: Unit, department: str, *, cursor: str | None, limit: int) -> Page[PromiseWarning]:
        """List warnings of the department, oldest first. Raises DepartmentNotAllowed, DepartmentNotFound, BadCursor."""
        self._require(unit, department)
        after = cursors.WARNINGS.key(cursor)[0] if cursor is not None else 0
        found = await rows.warnings_after(unit, department, after, limit + 1)
        page = Page(found[:limit], cursors.WARNINGS.after(found[limit - 1].id) if len(found) > limit else None)
        unit.trail.saw(*(each.callback_id for each in page.items))
        return page

    @unit_of_work
    async def _warn(self, unit: Unit) -> list[JudgedPromise]:
        warned: list[JudgedPromise] = []
        for department in self._departments():
            outlook = await self._outlook(unit, department)
            if not outlook.queue:
                continue
            judged = await self._judged(unit, await rows.made_since(unit, department, unit.now), {department: outlook})
            risky = {each.record.id: each for each in judged if each.state is PromiseState.AT_RISK}
            for record in await rows.unwarned(unit, [each.record for each in risky.values()]):
                await rows.add_warning(unit, record, risky[record.id].predicted_at)
                warned.append(risky[record.id])
        records = [each.record for each in warned]
        await history.add(
            unit, [HistoryEntry(each.callback_id, each.department, "promise_at_risk") for each in records]
        )
        return warned

    def _require(self, unit: Unit, department: str) -> None:
        unit.actor.require(department)
        self._departments().get(department)

    async def _outlook(self, unit: Unit, department: str) -> Outlook:
        queue = await rows.queue(unit, department)
        found = await rows.agent_events(unit, department, unit.now - RECENT)
        actions = [AgentAction(at, agent, event in ENDING) for at, agent, event in found]
        held = {
            each.claimed_by: each.lease_until - self._lease for each in queue if each.claimed_by and each.lease_until
        }
        agents = len(forecast.on_duty(actions, held, unit.now))
        handling = forecast.handling_time(actions)
        places = [QueuePlace(each.id, place, max(unit.now, _ready(each))) for place, each in enumerate(queue)]
        return Outlook(unit.now, queue, agents, handling, forecast.predict(places, agents, handling, unit.now))

    async def _judged(
        self, unit: Unit, found: Sequence[PromiseRecord], outlooks: Mapping[str, Outlook]
    ) -> list[JudgedPromise]:
        if not found:
            return []
        tries = await rows.tries(unit, found)
        closings = await rows.closings(unit, found)
        texts = await outbox.of_promises(unit, [record.id for record in found])
        judged = []
        for record in found:
            made, closed = tries.get(record.callback_id, ()), closings.get(record.callback_id, ())
            outlook = outlooks[record.department]
            risk = outlook.at_risk(record.callback_id, record.window.due)
            state = forecast.judge(record.window, made, closed, unit.now, at_risk=risk)
            pending = state in (PromiseState.OPEN, PromiseState.AT_RISK)
            predicted = outlook.predicted.get(record.callback_id) if pending and outlook.agents else None
            kept = kept_at(record.window, made)
            judged.append(JudgedPromise(record, state, kept, predicted, texts.get(record.id)))
        return judged

    def _due(self, department: str, callback: QueuedCallback) -> datetime:
        """Return until when a call keeps the callback's newest promise."""
        return due(self._departments().get(department), callback.promise)


def _ready(callback: QueuedCallback) -> datetime:
    """Return from when on it may be called: a claimed or urgent one at once, another when its promised time comes."""
    if callback.status is Status.CLAIMED:
        return callback.created_at
    urgent = callback.priority is Priority.URGENT
    return callback.not_before or (callback.created_at if urgent else callback.promise.from_)


def _groups(waiting: Sequence[QueuedCallback]) -> list[IntakeGroup]:
    by_kind: dict[tuple[Priority, bool, bool], list[QueuedCallback]] = {}
    for each in waiting:
        by_kind.setdefault((each.priority, each.identified, each.with_note), []).append(each)
    groups = [
        IntakeGroup(
            *kind,
            waiting=len(those),
            oldest=min(each.created_at for each in those),
            first_due=min(each.promise.by for each in those),
        )
        for kind, those in by_kind.items()
    ]
    return sorted(groups, key=lambda each: (each.priority is not Priority.URGENT, each.first_due, each.oldest))


def _deadlines(waiting: Sequence[QueuedCallback], late: Collection[CallbackId]) -> list[Deadline]:
    by_moment: dict[datetime, list[QueuedCallback]] = {}
    for each in waiting:
        by_moment.setdefault(each.promise.by, []).append(each)
    return [Deadline(by, len(those), sum(each.id in late for each in those)) for by, those in sorted(by_moment.items())]
