"""The ledger of promises: which were kept, which are broken, which will be, and whom that is told.

States are reckoned from rows that are only ever added; nothing about a promise is overwritten. The rules are pure, in
desk/ledger/forecast.py.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from desk.access.actor import SYSTEM as SYSTEM_ACTOR
from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks import repository as rows
from desk.callbacks.model import callback_id
from desk.clock import Clock
from desk.database import cursors
from desk.database.engine import Connection, Database
from desk.database.pages import Page
from desk.database.unit_of_work import Unit, UnitsOfWork
from desk.departments.departments import Departments
from desk.history import history
from desk.history.history import SYSTEM, Entry
from desk.inquiries.model import Priority, Status
from desk.ledger import forecast
from desk.ledger import repository as ledger_rows
from desk.ledger.forecast import Deed, InLine, PromiseState
from desk.ledger.repository import LineRow, PromiseRow, WarningRow
from desk.messages import repository as outbox
from desk.messages.model import NOT_DELIVERED, SmsState
from desk.promises.rules import due

LONGEST_LOOK_BACK = timedelta(days=31)
RECENT = timedelta(days=7)
ENDING = frozenset({"attempt", "closed", "unreachable", "transferred_out"})
"""Events that end an agent's work with a callback."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outlook:
    """A department's line and how it will go: `rung` is when each callback in it is predicted to be rung."""

    now: datetime
    line: Sequence[LineRow]
    agents: int
    handling: timedelta
    rung: Mapping[str, datetime]

    @property
    def clear_at(self) -> datetime | None:
        """When the last in line will have been rung, with nobody on duty by one agent; None when nobody waits."""
        return max(self.rung.values()) + self.handling if self.rung else None

    def at_risk(self, callback_id: str, due: datetime) -> bool:
        """Whether a promise of that callback, due then, will probably be broken."""
        return forecast.is_at_risk(due, self.rung.get(callback_id), self.agents)


@dataclass(frozen=True)
class JudgedPromise:
    """A promise and its state. `predicted_at`: when its callback will probably be rung, while that matters.

    `sms`: where the text that tells of it stands, None when there is none.
    """

    row: PromiseRow
    state: PromiseState
    kept_at: datetime | None
    predicted_at: datetime | None
    sms: SmsState | None

    @property
    def untold(self) -> bool:
        """Whether it is still to be kept, and the text that was to tell of it never came to the patient."""
        return self.sms in NOT_DELIVERED and self.state in (PromiseState.OPEN, PromiseState.AT_RISK)


@dataclass(frozen=True)
class DepartmentPromises:
    """One page of a department's promises, by when they are due; `counts` are of all of them, by state.

    `untold`: how many are still to be kept, and the patient was to be told by SMS and was not.
    """

    outlook: Outlook
    page: Page[JudgedPromise]
    counts: Mapping[PromiseState, int]
    untold: int


@dataclass(frozen=True)
class IntakeGroup:
    """Waiting callbacks of one urgency and kind: who they are is known or not, there is a note or not."""

    priority: Priority
    identified: bool
    with_note: bool
    waiting: int
    oldest: datetime
    first_due: datetime


@dataclass(frozen=True)
class Deadline:
    """Callbacks promised by one moment: how many wait, and how many of them will probably be late."""

    by: datetime
    waiting: int
    at_risk: int


@dataclass(frozen=True)
class Intake:
    """What has come in and still waits: groups in the order they are rung in, and the deadlines ahead."""

    outlook: Outlook
    groups: Sequence[IntakeGroup]
    deadlines: Sequence[Deadline]


class Ledger(UnitsOfWork):
    """Promises, looked back at and ahead."""

    def __init__(
        self, *, database: Database, departments: Callable[[], Departments], clock: Clock, lease: timedelta
    ) -> None:
        super().__init__(database)
        self._departments = departments
        self._clock = clock
        self._lease = lease

    async def promises(
        self,
        department: str,
        *,
        scope: Scope,
        since: datetime | None,
        state: Collection[PromiseState] | None,
        cursor: str | None,
        limit: int,
    ) -> DepartmentPromises:
        """The department's promises due after `since` (the last seven days; 31 at most), those of these states.

        Raises DepartmentNotAllowed, DepartmentNotFound, BadCursor.
        """
        self._known(department, scope)
        place = cursors.PROMISES.key(cursor) if cursor is not None else None

        async def work(connection: Connection) -> DepartmentPromises:
            now = self._clock.now()
            first = max(since or now - RECENT, now - LONGEST_LOOK_BACK)
            outlook = await self._outlook(connection, department, now, scope)
            found = await ledger_rows.given_since(connection, department, first, scope=scope)
            judged = await self._judged(connection, found, {department: outlook}, now)
            rest = [
                each
                for each in judged
                if (state is None or each.state in state)
                and (place is None or (each.row.given.due, each.row.id) > place)
            ]
            last = rest[:limit][-1].row if len(rest) > limit else None
            page = Page(rest[:limit], cursors.PROMISES.after(last.given.due, last.id) if last else None)
            counts = Counter(each.state for each in judged)
            return DepartmentPromises(outlook, page, counts, untold=sum(each.untold for each in judged))

        return await self._read(work)

    async def of_callback(self, id: str, *, scope: Scope) -> list[JudgedPromise]:
        """Every promise given for a callback, the first first. Raises CallbackNotFound."""

        async def work(connection: Connection) -> list[JudgedPromise]:
            now = self._clock.now()
            callback = await rows.get(Unit(connection, self._clock, SYSTEM_ACTOR.within(scope)), callback_id(id))
            outlook = await self._outlook(connection, callback.department, now, scope)
            found = await ledger_rows.of_callback(connection, callback.id, scope=scope)
            return await self._judged(connection, found, {each.department: outlook for each in found}, now)

        return await self._read(work)

    async def at_risk(self, *, scope: Scope) -> frozenset[str]:
        """The open callbacks of these departments whose newest promise will probably be broken, or is."""

        async def work(connection: Connection) -> frozenset[str]:
            now = self._clock.now()
            found: set[str] = set()
            for department in filter(scope.covers, self._departments()):
                outlook = await self._outlook(connection, department, now, scope)
                found |= {each.id for each in outlook.line if outlook.at_risk(each.id, self._due(department, each))}
            return frozenset(found)

        return await self._read(work)

    async def intake(self, department: str, since: datetime | None = None, *, scope: Scope) -> Intake:
        """Who has rung since then (or ever) and waits. Raises DepartmentNotAllowed, DepartmentNotFound."""
        self._known(department, scope)

        async def work(connection: Connection) -> Intake:
            outlook = await self._outlook(connection, department, self._clock.now(), scope)
            waiting = [
                each
                for each in outlook.line
                if each.status is Status.WAITING and (since is None or each.created_at >= since)
            ]
            late = {each.id for each in waiting if outlook.at_risk(each.id, self._due(department, each))}
            return Intake(outlook, _groups(waiting), _deadlines(waiting, late))

        return await self._read(work)

    async def warn(self) -> int:
        """Warn of each promise that is now at risk and has not been warned of; how many.

        A warning is a row, a row of the callback's history, and a line in the log. Any number of processes may run
        this at once: each promise is warned of once.
        """

        async def work(connection: Connection) -> list[JudgedPromise]:
            now = self._clock.now()
            given: list[JudgedPromise] = []
            for department in self._departments():
                outlook = await self._outlook(connection, department, now, EVERYTHING)
                if not outlook.line:
                    continue
                found = await ledger_rows.given_since(connection, department, now, scope=EVERYTHING)
                judged = await self._judged(connection, found, {department: outlook}, now)
                risky = {each.row.id: each for each in judged if each.state is PromiseState.AT_RISK}
                for row in await ledger_rows.unwarned(connection, [each.row for each in risky.values()]):
                    given.append(risky[row.id])
                    await ledger_rows.warn(connection, row, now, risky[row.id].predicted_at)
            entries = [
                Entry(each.row.callback_id, each.row.department, now, "promise_at_risk", SYSTEM) for each in given
            ]
            await history.append(connection, entries)
            return given

        given = await self._write(work)
        for each in given:
            log.warning(
                "promise at risk",
                department=each.row.department,
                callback=each.row.callback_id,
                due=each.row.given.due.isoformat(),
            )
        return len(given)

    async def warnings(self, department: str, *, scope: Scope, cursor: str | None, limit: int) -> Page[WarningRow]:
        """Warnings of the department, oldest first. Raises DepartmentNotAllowed, DepartmentNotFound, BadCursor."""
        self._known(department, scope)
        after = cursors.WARNINGS.key(cursor)[0] if cursor is not None else 0
        found = await self._read(
            lambda connection: ledger_rows.warned(connection, department, after, limit + 1, scope=scope)
        )
        return Page(found[:limit], cursors.WARNINGS.after(found[limit - 1].id) if len(found) > limit else None)

    def _known(self, department: str, scope: Scope) -> None:
        scope.require(department)
        self._departments().get(department)

    async def _outlook(self, connection: Connection, department: str, now: datetime, scope: Scope) -> Outlook:
        line = await ledger_rows.line(connection, department, scope=scope)
        found = await ledger_rows.deeds(connection, department, now - RECENT, scope=scope)
        deeds = [Deed(at, agent, event in ENDING) for at, agent, event in found]
        held = {
            each.claimed_by: each.lease_until - self._lease for each in line if each.claimed_by and each.lease_until
        }
        agents = len(forecast.on_duty(deeds, held, now))
        handling = forecast.handling_time(deeds)
        waiting = [InLine(each.id, place, max(now, _ready(each))) for place, each in enumerate(line)]
        return Outlook(now, line, agents, handling, forecast.predict(waiting, agents, handling, now))

    async def _judged(
        self,
        connection: Connection,
        found: Sequence[PromiseRow],
        outlooks: Mapping[str, Outlook],
        now: datetime,
    ) -> list[JudgedPromise]:
        if not found:
            return []
        tries = await ledger_rows.tries(connection, found)
        closings = await ledger_rows.closings(connection, found)
        texts = await outbox.of_promises(Unit(connection, self._clock, SYSTEM_ACTOR), [row.id for row in found])
        judged = []
        for row in found:
            made, closed = tries.get(row.callback_id, ()), closings.get(row.callback_id, ())
            outlook = outlooks[row.department]
            risk = outlook.at_risk(row.callback_id, row.given.due)
            state = forecast.judge(row.given, made, closed, now, at_risk=risk)
            pending = state in (PromiseState.OPEN, PromiseState.AT_RISK)
            rung = outlook.rung.get(row.callback_id) if pending and outlook.agents else None
            kept = forecast.kept_at(row.given, made)
            judged.append(JudgedPromise(row, state, kept, rung, texts.get(row.id)))
        return judged

    def _due(self, department: str, row: LineRow) -> datetime:
        """Until when ringing keeps the callback's newest promise."""
        return due(self._departments().get(department), row.promise)


def _ready(row: LineRow) -> datetime:
    """From when on a callback is rung: a claimed or urgent one now, one promised ahead when its time comes."""
    if row.status is Status.CLAIMED:
        return row.created_at
    return row.not_before or (row.created_at if row.priority is Priority.URGENT else row.promise.from_)


def _groups(waiting: Sequence[LineRow]) -> list[IntakeGroup]:
    by_kind: dict[tuple[Priority, bool, bool], list[LineRow]] = {}
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


def _deadlines(waiting: Sequence[LineRow], late: Collection[str]) -> list[Deadline]:
    by_moment: dict[datetime, list[LineRow]] = {}
    for each in waiting:
        by_moment.setdefault(each.promise.by, []).append(each)
    return [Deadline(by, len(those), sum(each.id in late for each in those)) for by, those in sorted(by_moment.items())]
