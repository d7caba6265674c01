"""The desk: the queue of callbacks and its rules, used by both doors.

Every method is one unit of work, and the only place that commits. What a caller or an agent is told afterwards is
therefore true: the rows, and the history of them, are on disk when the method returns.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TypeAlias

from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks import calls_repository as call_rows
from desk.callbacks import claims_repository as claims
from desk.callbacks import identity_reveal as number_looks
from desk.callbacks import lists_repository as lists
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.batched_claims import BatchedClaims
from desk.callbacks.batched_claims_sql import Claim, Completion
from desk.callbacks.errors import TooManyNumbers
from desk.callbacks.model import (
    AttemptOutcome,
    Callback,
    CallbackFilter,
    CallKey,
    IncompleteStep,
    RecordedCall,
    Registration,
    WhyEnded,
)
from desk.callbacks.service import QueueWork
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.pages import Page
from desk.database.unit_of_work import shielded
from desk.departments.departments import Departments
from desk.history import history
from desk.history.model import HistoryRow
from desk.inquiries.availability import next_promise
from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import ClosedReason, Status
from desk.limits.rate import Rate
from desk.messages.notices import Notices
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.promises import repository as closures
from desk.promises.model import Closure, DelayReason
from desk.vault.vault import Vault

LEASE = timedelta(minutes=15)
MOST_AT_ONCE = 200

Claimed: TypeAlias = list[Callback]
HistoryRows: TypeAlias = list[HistoryRow]


class Desk(QueueWork):
    """The queue of callbacks and its rules. Any number of desks may share one database."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
        lease: timedelta = LEASE,
        notices: Notices | None = None,
        numbers: Rate = number_looks.AN_HOUR,
    ) -> None:
        """`numbers`: how many identity numbers one agent may be shown."""
        super().__init__(database=database, departments=departments, vault=vault, clock=clock, notices=notices)
        self._lease = lease
        self._numbers = numbers
        self._line = BatchedClaims(database=database, clock=clock, lease=lambda: self._lease)

    # --- callers

    async def register(
        self,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
    ) -> Registration:
        """Store that this caller is to be rung back; committed when it returns.

        Someone with an open callback there (the same person, or without a person the same phone) gets no second one:
        its count goes up and its phone becomes the newest. The same `call` again changes nothing.
        Where the department gives receipts by SMS, one is stored with it (`callback.sms`).
        """
        rules = self._departments().get(department)

        async def work(connection: Connection) -> Registration:
            now = self._clock.now()
            known = await call_rows.find(connection, call, scope=EVERYTHING)
            if known and known.callback_id:
                registered = await rows.get(connection, known.callback_id, scope=EVERYTHING)
                return Registration(registered, created=False)
            indexes = self._vault.indexes(patient.value) if patient else None
            there = await rows.find_open(connection, department, indexes, phone, scope=EVERYTHING)
            given = None
            if there:
                stored = await transitions.rang_again(connection, rules, there, phone, language, now)
            else:
                given = await next_promise(connection, rules, now)
                stored = await transitions.add_callback(
                    connection, rules, self._vault, patient, phone, language, now, given=given
                )
            id = stored.callback.id
            await call_rows.keep(
                connection, known, key=call, department=department, at=now, phone=phone, callback_id=id
            )
            if there is None:
                callback = await self._notices.receipt(connection, rules, stored.callback, now)
            elif phone != there.callback.phone:
                callback = await self._notices.follow(connection, rules, stored.callback, now)
            else:
                callback = stored.callback
            return Registration(callback, created=there is None, later=given.later if given else None)

        return await self._write(work)

    async def record_call(
        self,
        call: CallKey,
        department: str,
        *,
        phone: PhoneNumber | None,
        step: IncompleteStep,
        why: WhyEnded = WhyEnded.HUNG_UP,
    ) -> None:
        """Keep a call that ended at `step`, before anything was registered. One that was registered is left alone.

        So is one kept with another reason than a hang-up, when the hang-up comes after it.
        """

        async def work(connection: Connection) -> None:
            known = await call_rows.find(connection, call, scope=EVERYTHING)
            if known and (known.callback_id or (why is WhyEnded.HUNG_UP and known.why not in (None, why))):
                return
            now = self._clock.now()
            await call_rows.keep(
                connection, known, key=call, department=department, at=now, phone=phone, step=step, why=why
            )

        await self._write(work)

    # --- agents

    async def close_queue(
        self,
        department: str,
        agent: str,
        *,
        scope: Scope,
        from_: datetime,
        until: datetime,
        text: DelayReason = DelayReason.CLOSED_TODAY,
    ) -> Closure:
        """Who rings from `from_` until `until` is promised what follows, and told so with `text`.

        It takes the place of closures it overlaps, so a shorter one ends an earlier. `until` is after `from_`.
        Raises `DepartmentNotAllowed`.
        """
        self._rules(department, scope)

        async def work(connection: Connection) -> Closure:
            now = self._clock.now()
            id = await closures.add(
                connection, department, agent, scope=scope, at=now, from_=from_, until=until, text=text.value
            )
            return Closure(id, department, from_, until, text)

        return await self._write(work)

    async def claim(
        self, department: str, agent: str, *, scope: Scope, limit: int = 1, due_before: datetime | None = None
    ) -> Claimed:
        """Take the next callbacks in line, up to `limit`, with a lease; an empty list when there are none.

        With `due_before` only those promised by that moment or earlier: a round is claimed by its time.

        Urgent ones first, then by promise, then by arrival. One rung in vain isn't handed out before its next promise
        begins (it may be claimed by name). Leases that ran out in this department end here.
        Raises `DepartmentNotAllowed`.
        """
        self._rules(department, scope)
        limit = max(1, min(limit, MOST_AT_ONCE))
        if due_before is None and (given := await self._line.claim(department, Claim(agent, limit, scope))):
            return given

        async def work(connection: Connection) -> Claimed:
            now = self._clock.now()
            for stored in await claims.expired(connection, now, scope=scope.within([department])):
                await transitions.expire(connection, stored, now)
            taken = await claims.take_next(
                connection,
                department,
                agent,
                scope=scope,
                limit=limit,
                now=now,
                lease_until=now + self._lease,
                due_before=due_before,
            )
            await transitions.record_claims(connection, taken, agent, now)
            return [stored.callback for stored in taken]

        return await self._write(work)

    async def claim_named(self, id: str, agent: str, *, scope: Scope) -> Callback:
        """Take that callback. `AlreadyClaimed` while another's lease lasts, `IllegalMove` unless it is waiting.

        An agent who holds it already gets the same claim with a longer lease, so asking again does no harm.
        """

        async def work(connection: Connection) -> Callback:
            now = self._clock.now()
            lease_until = now + self._lease
            stored = await rows.locked(connection, id, scope=scope)
            if stored.callback.claimed_by == agent and transitions.is_live(stored, now):
                return (await rows.lengthen(connection, stored, lease_until)).callback
            stored = await transitions.unclaimed(connection, stored, agent, now)
            taken = await transitions.transition(
                connection,
                stored,
                "claimed",
                agent,
                now,
                to=Status.CLAIMED,
                claimed_by=agent,
                lease_until=lease_until,
                fence=stored.callback.fence + 1,
            )
            return taken.callback

        return await self._write(work)

    async def extend(self, id: str, agent: str, fence: int, *, scope: Scope) -> Callback:
        """A full lease from now. `ClaimLost` if the claim that gave `fence` is over."""

        async def work(connection: Connection) -> Callback:
            stored = await rows.locked(connection, id, scope=scope)
            transitions.require_claim(stored, agent, fence)
            lease_until = self._clock.now() + self._lease
            return (await rows.lengthen(connection, stored, lease_until)).callback

        return await self._write(work)

    async def release(self, id: str, agent: str, fence: int, *, scope: Scope) -> Callback:
        """Give the callback back: waiting, in its old place. `ClaimLost` if the claim that gave `fence` is over."""

        async def work(connection: Connection) -> Callback:
            stored = await rows.locked(connection, id, scope=scope)
            transitions.require_claim(stored, agent, fence)
            now = self._clock.now()
            return (
                await transitions.transition(connection, stored, "released", agent, now, to=Status.WAITING)
            ).callback

        return await self._write(work)

    async def record_attempt(
        self, id: str, agent: str, fence: int, outcome: AttemptOutcome, note: str | None = None, *, scope: Scope
    ) -> Callback:
        """Write down how a try went. `ClaimLost` if the claim that gave `fence` is over.

        Reached and wrong number close the callback. Unanswered, it waits for its next promise, or is unreachable after
        the department's last attempt. A dropped line puts it first in line.
        """
        if outcome in transitions.CLOSING:
            reason = transitions.CLOSING[outcome]
            completion = Completion(id, agent, fence, reason, scope, outcome=outcome, tried_note=note)
            if done := await self._line.complete(completion):
                return done

        async def work(connection: Connection) -> Callback:
            stored = await rows.locked(connection, id, scope=scope)
            transitions.require_claim(stored, agent, fence)
            rules = self._departments().get(stored.callback.department)
            now = self._clock.now()
            return (await transitions.attempt(connection, rules, stored, agent, outcome, note, now)).callback

        return await self._write(work)

    async def close(
        self, id: str, agent: str, reason: ClosedReason, *, scope: Scope, fence: int | None, note: str | None = None
    ) -> Callback:
        """Close a callback: a claimed one with its claim's `fence`, any other with None.

        `ClaimLost` if that claim is over (or it is one's own, shown no fence for), `AlreadyClaimed` if it's another's.
        """
        if fence is not None:
            completion = Completion(id, agent, fence, reason, scope, note)
            if done := await self._line.complete(completion):
                return done

        async def work(connection: Connection) -> Callback:
            now = self._clock.now()
            stored = await rows.locked(connection, id, scope=scope)
            if fence is not None:
                transitions.require_claim(stored, agent, fence)
            else:
                stored = await transitions.unclaimed(connection, stored, agent, now)
            return (await transitions.close(connection, stored, agent, reason, note, now)).callback

        return await self._write(work)

    async def reopen(self, id: str, agent: str, *, scope: Scope, cut_off: bool = False) -> Callback:
        """A closed or unreachable callback waits again, with a new promise and its attempts counted from the start.

        One that was `cut_off` goes first in line.
        `IllegalMove` if it is open, or if the same person has another open one in the department.
        """

        async def work(connection: Connection) -> Callback:
            stored = await rows.locked(connection, id, scope=scope)
            callback = stored.callback
            same = await transitions.indexes(connection, self._vault, stored)
            if callback.status is Status.CLOSED and await rows.find_open(
                connection, callback.department, same, callback.phone, scope=scope
            ):
                raise IllegalMove("another callback of the same person is open")
            rules = self._departments().get(callback.department)
            return (
                await transitions.reopen(connection, rules, stored, agent, self._clock.now(), cut_off=cut_off)
            ).callback

        return await self._write(work)

    async def expire_leases(self) -> int:
        """End every lease that has run out; how many. `claim` does it for its own department."""

        async def work(connection: Connection) -> int:
            now = self._clock.now()
            expired = await claims.expired(connection, now, scope=EVERYTHING)
            for stored in expired:
                await transitions.expire(connection, stored, now)
            return len(expired)

        return await self._write(work)

    # --- looking

    async def get(self, id: str, *, scope: Scope) -> Callback:
        """That callback. Raises `CallbackNotFound`."""
        return await self._read(lambda connection: rows.get(connection, id, scope=scope))

    async def history(self, id: str, *, scope: Scope) -> HistoryRows:
        """Everything that happened to the callback, oldest first. Raises `CallbackNotFound`."""

        async def work(connection: Connection) -> HistoryRows:
            callback = await rows.get(connection, id, scope=scope)
            return await history.of_callback(connection, callback.id, scope=scope)

        return await self._read(work)

    async def patient(self, id: str, agent: str, *, scope: Scope) -> IdentityNumber | None:
        """The whole identity number, None if the callback has none. That `agent` saw it is in the history first.

        Raises TooManyNumbers.
        """
        shown = await self._write(
            lambda connection: number_looks.show(
                connection, self._vault, id, agent, scope=scope, now=self._clock.now(), rate=self._numbers
            )
        )
        if isinstance(shown, int):  # committed all the same: the department is told
            raise TooManyNumbers(shown)
        return shown

    async def list(
        self,
        *,
        scope: Scope,
        cursor: str | None,
        limit: int,
        status: Collection[Status] | None = None,
        wanted: CallbackFilter | None = None,
    ) -> Page[Callback]:
        """Callbacks of these departments, all `wanted` or of these statuses, oldest first, 200 at most.

        Raises `BadCursor`.
        """
        limit = max(1, min(limit, MOST_AT_ONCE))
        wanted = wanted or CallbackFilter(status=status)
        return await self._read(
            lambda connection: lists.page(connection, scope=scope, wanted=wanted, cursor=cursor, limit=limit)
        )

    async def counts(self, *, scope: Scope) -> dict[tuple[str, Status], int]:
        """How many open callbacks there are, by department and status; one query however many."""
        return await self._read(lambda connection: lists.open_counts(connection, scope=scope))

    async def calls(
        self, *, scope: Scope, incomplete: bool | None, cursor: str | None, limit: int
    ) -> Page[RecordedCall]:
        """Calls to these departments, incomplete ones or the others or both, oldest first. Raises `BadCursor`."""
        limit = max(1, min(limit, MOST_AT_ONCE))
        return await self._read(
            lambda connection: call_rows.page(
                connection, scope=scope, incomplete=incomplete, cursor=cursor, limit=limit
            )
        )

    async def ping(self) -> None:
        """Raises `StorageUnavailable` unless the database answers."""
        await shielded(self._database.ping())
