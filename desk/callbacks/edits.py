"""What agents do to callbacks besides ringing: book one for somebody, mend it, send it on, promise anew.

Every method is one unit of work, as in desk/callbacks/queue.py.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk.access.permissions import EVERYTHING, Scope
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.errors import IdentityNotTaken
from desk.callbacks.model import Callback, Registration
from desk.callbacks.repository import RANK, Stored
from desk.callbacks.service import QueueWork
from desk.database.engine import Connection
from desk.inquiries.availability import next_promise, promise_at, taken_over
from desk.inquiries.errors import AlreadyOpenThere, IllegalMove, VersionConflict
from desk.inquiries.model import Priority, Status
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import PromiseReason

SWITCHBOARD = "switchboard"


@dataclass(frozen=True)
class Transfer:
    """A callback in its new department. `promise_kept` false: the caller was promised another time, and now this."""

    callback: Callback
    promise_kept: bool
    sent_from: str


@dataclass(frozen=True)
class NewPromise:
    """A callback with a newer promise. `sms_queued`: a text that tells of it is in the outbox."""

    callback: Callback
    sms_queued: bool


class CallbackEdits(QueueWork):
    """Changes to callbacks by agents."""

    async def book(
        self,
        department: str,
        agent: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        scope: Scope,
        language: str = "nb",
        priority: Priority = Priority.NORMAL,
        note: str | None = None,
    ) -> Registration:
        """Register a callback on somebody's behalf, as if they had rung now.

        One who has an open callback there gets no second one: its count goes up, the note is added below, and it is
        urgent if either was. Raises DepartmentNotAllowed, DepartmentNotFound, IdentityNotTaken.
        """
        rules = self._rules(department, scope)
        if patient and rules.identity == "off":
            raise IdentityNotTaken

        async def work(connection: Connection) -> Registration:
            now = self._clock.now()
            indexes = self._vault.indexes(patient.value) if patient else None
            there = await rows.find_open(connection, department, indexes, phone, scope=scope)
            if there is None:
                given = await next_promise(connection, rules, now)
                made = await transitions.add_callback(
                    *(connection, rules, self._vault, patient, phone, language, now),
                    actor=agent,
                    priority=priority,
                    note=note,
                    details={"source": SWITCHBOARD},
                    given=given,
                )
                return Registration(made.callback, created=True, later=given.later)
            changed: dict[str, Any] = {"note": transitions.joined(there.callback.note, note)}
            if priority is Priority.URGENT:
                changed["priority"] = RANK[priority]
            again = await transitions.rang_again(
                *(connection, rules, there, phone, language, now),
                actor=agent,
                changed=changed,
                more={"source": SWITCHBOARD},
            )
            callback = again.callback
            if phone != there.callback.phone:
                callback = await self._notices.follow(connection, rules, callback, now)
            return Registration(callback, created=False)

        return await self._write(work)

    async def amend(
        self,
        id: str,
        agent: str,
        *,
        scope: Scope,
        versions: Collection[int] | None,
        priority: Priority | None = None,
        note: str | None = None,
    ) -> Callback:
        """Set priority or note (an empty note takes it away); None leaves as it is.

        `VersionConflict` unless the callback is at one of those `versions` now; None is any.
        """

        async def work(connection: Connection) -> Callback:
            stored = await rows.locked(connection, id, scope=scope)
            if versions is not None and stored.callback.version not in versions:
                raise VersionConflict
            changes: dict[str, Any] = {}
            if priority is not None and priority is not stored.callback.priority:
                changes["priority"] = RANK[priority]
            if note is not None and (note or None) != stored.callback.note:
                changes["note"] = note or None
            if not changes:
                return stored.callback
            details = {"note": "note" in changes, "priority": priority.value if "priority" in changes else None}  # type: ignore[union-attr]
            changed = await transitions.transition(
                connection, stored, "amended", agent, self._clock.now(), details=details, **changes
            )
            return changed.callback

        return await self._write(work)

    async def transfer(
        self,
        id: str,
        agent: str,
        department: str,
        *,
        scope: Scope,
        keep_promise: bool,
        fence: int | None,
        note: str | None = None,
    ) -> Transfer:
        """Send an open callback on to another department, where it waits with its attempts counted from the start.

        `scope` is asked of where it is now: who may work there may send it anywhere, also out of their own sight.

        The promise is kept if asked for, still ahead, and the new department rings then; else it is made by that
        department's rules. A claimed one needs its `fence`. Raises AlreadyOpenThere, IllegalMove (closed, or there
        already), ClaimLost, AlreadyClaimed.
        """
        rules = self._departments().get(department)

        async def work(connection: Connection) -> Transfer:
            now = self._clock.now()
            stored = await self._free(connection, await rows.locked(connection, id, scope=scope), agent, fence, now)
            callback = stored.callback
            if callback.department == department:
                raise IllegalMove("it is in that department already")
            indexes = await transitions.indexes(connection, self._vault, stored)
            if await rows.find_open(connection, department, indexes, callback.phone, scope=EVERYTHING):
                raise AlreadyOpenThere
            if keep_promise:
                given, kept = await taken_over(connection, rules, callback.promise, now, excluding=callback.id)
            else:
                given, kept = await next_promise(connection, rules, now), False
            told = "kept" if kept else "recomputed"
            await transitions.record_event(
                connection, stored, "transferred_out", agent, now, details={"to": department, "promise": told}
            )
            changes = await transitions.renew_promise(connection, rules, stored, now, PromiseReason.TRANSFERRED, given)
            changes |= {"department": department, "attempts_from": now, "note": transitions.joined(callback.note, note)}
            if not kept:
                changes["not_before"] = None
            moved = await transitions.transition(
                *(connection, stored, "transferred_in", agent, now),
                to=Status.WAITING if callback.status is not Status.WAITING else None,
                details={"from": callback.department, "promise": told},
                **changes,
            )
            return Transfer(moved.callback, kept, sent_from=callback.department)

        return await self._write(work)

    async def promise_anew(
        self, id: str, agent: str, *, scope: Scope, by: datetime | None, fence: int | None, sms: bool
    ) -> NewPromise:
        """Give an open callback a new promise beside those it has: `by` that moment, or by the rules as of now.

        It isn't handed out before the new promise begins. With `sms` a text that tells of it is queued with the
        promise, if SMS is on and the phone is a mobile that may be rung. Raises PromiseNotPossible, IllegalMove
        (unreachable or closed: reopen it), ClaimLost, AlreadyClaimed.
        """

        async def work(connection: Connection) -> NewPromise:
            now = self._clock.now()
            stored = await self._free(connection, await rows.locked(connection, id, scope=scope), agent, fence, now)
            callback = stored.callback
            if callback.status not in (Status.WAITING, Status.CLAIMED):
                raise IllegalMove("reopen it")
            rules = self._departments().get(callback.department)
            if by:
                given = await promise_at(connection, rules, by, now, excluding=callback.id)
            else:
                given = await next_promise(connection, rules, now, excluding=callback.id)
            changes = await transitions.renew_promise(connection, rules, stored, now, PromiseReason.BY_AGENT, given)
            queued = sms and self._notices.reaches(rules, callback.phone)
            changed = await transitions.transition(
                *(connection, stored, "promised_anew", agent, now),
                details={"sms": queued},
                not_before=given.promise.from_,
                **changes,
            )
            if not queued:
                return NewPromise(changed.callback, False)
            return NewPromise(await self._notices.new_promise(connection, rules, changed.callback, now), True)

        return await self._write(work)

    async def _free(
        self, connection: Connection, stored: Stored, agent: str, fence: int | None, now: datetime
    ) -> Stored:
        """The callback if this agent may change it: claimed with that fence, or under nobody's claim, and open."""
        if fence is not None:
            transitions.require_claim(stored, agent, fence)
        else:
            stored = await transitions.unclaimed(connection, stored, agent, now)
        if stored.callback.status is Status.CLOSED:
            raise IllegalMove("it is closed")
        return stored
