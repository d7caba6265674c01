"""What agents do to callbacks besides calling: book one, change it, transfer it, promise a new time."""

from collections.abc import Callable, Collection, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from desk.access.actor import Actor
from desk.access.errors import NotByEmergencyAccess
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.errors import CallbackNotFound, IdentityNotTaken
from desk.callbacks.model import Callback, RegistrationResult
from desk.callbacks.service import CallbackService
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Unit, unit_of_work
from desk.departments.departments import Departments
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.ids import CallbackId
from desk.inquiries import notes
from desk.inquiries import transitions as inquiries
from desk.inquiries.availability import next_promise, promise_at
from desk.inquiries.errors import IllegalMove, UnknownTopic, VersionConflict
from desk.inquiries.model import Priority, Status
from desk.inquiries.repository import RANK
from desk.limits import agent_limit
from desk.limits.agent_limit import Limited
from desk.limits.errors import TooManyTransfers
from desk.limits.rate import Rate
from desk.messages.notices import Notices
from desk.numbers.errors import InvalidPhone
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber, PhoneProblem
from desk.promises.model import PromiseReason
from desk.vault.vault import Vault

SWITCHBOARD = "switchboard"
TRANSFERS_REACHED = "transfer_limit_reached"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Transfer:
    """A callback in its new department. `promise_kept` is false if the caller was promised another time before.

    `merged`: the same person waited there already, so this callback was closed as a duplicate. It is false, and the
    callback shown as waiting, where the sender has no access: who waits there is not theirs to know.
    """

    callback: Callback
    promise_kept: bool
    merged: bool
    sent_from: str


@dataclass(frozen=True)
class NewPromise:
    """A callback with a newer promise. `sms_queued`: a text with the new time is in the outbox."""

    callback: Callback
    sms_queued: bool


class CallbackEdits(CallbackService):
    """Changes to callbacks by agents. `transfers`: how many callbacks one agent may transfer.

    `own_numbers`: the hospital's, which can't be booked.
    """

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
        notices: Notices | None = None,
        transfers: Rate = agent_limit.TRANSFERS,
        own_numbers: Container[PhoneNumber] = (),
    ) -> None:
        super().__init__(database=database, departments=departments, vault=vault, clock=clock, notices=notices)
        self._transfers = transfers
        self._own_numbers = own_numbers

    def is_own(self, phone: PhoneNumber) -> bool:
        """Whether it is the hospital's own number."""
        return phone in self._own_numbers

    @unit_of_work
    async def book(
        self,
        unit: Unit,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
        priority: Priority = Priority.NORMAL,
        note: str | None = None,
    ) -> RegistrationResult:
        """Register a callback on somebody's behalf, as if they had called now.

        A person with an open callback there gets no second one: its count goes up, the note is added below, and it is
        urgent if either was. Raises DepartmentNotAllowed, DepartmentNotFound, IdentityNotTaken,
        InvalidPhone (the hospital's own number), and what `notes.checked` raises.
        """
        notes.checked(note)
        rules = self._rules(unit, department)
        if patient and rules.identity == "off":
            raise IdentityNotTaken
        if self.is_own(phone) or phone.e164 == rules.hospital_number.e164:
            raise InvalidPhone(PhoneProblem.HOSPITAL)
        indexes = self._vault.indexes(patient.value) if patient else None
        found = await rows.find_open(unit, department, indexes, phone)
        if found is None:
            offer = await next_promise(unit, rules)
            added = await transitions.add_callback(
                unit,
                rules,
                self._vault,
                patient,
                phone,
                language,
                offer,
                priority=priority,
                note=note,
                details={"source": SWITCHBOARD},
            )
            return RegistrationResult(added, created=True, later=offer.later)
        changed: dict[str, Any] = {"note": notes.joined(found.note, note)}
        if priority is Priority.URGENT:
            changed["priority"] = RANK[priority]
        more = {"source": SWITCHBOARD}
        callback = await transitions.rang_again(unit, rules, found, phone, language, changed=changed, more=more)
        if phone != found.phone:
            callback = await self._phone_changed(unit, rules, callback)
        return RegistrationResult(callback, created=False)

    @unit_of_work
    async def amend(
        self,
        unit: Unit,
        id: CallbackId,
        *,
        versions: Collection[int] | None,
        priority: Priority | None = None,
        note: str | None = None,
        instead_of: str | None = None,
        topic: str | None = None,
    ) -> Callback:
        """Set priority, note or topic. An empty note or topic removes it; None leaves it as it is.

        `instead_of`: the note that a person read, and means to replace. Raises CallbackNotFound, UnknownTopic (not one
        of the department's), and VersionConflict unless the callback has one of those `versions` now (None: any), and
        the note is still that one; and what `notes.checked` does.
        """
        notes.checked(note)
        callback = await rows.locked(unit, id)
        if versions is not None and callback.version not in versions:
            raise VersionConflict
        if instead_of is not None and not notes.same_words(callback.note, instead_of):
            raise VersionConflict
        return await self._amended(unit, callback, priority, note, topic)

    @unit_of_work
    async def sort(
        self, unit: Unit, ids: Sequence[CallbackId], *, priority: Priority | None = None, topic: str | None = None
    ) -> list[Callback]:
        """Set the priority or the topic of several callbacks, in the order of `ids`; an empty topic removes it.

        Those that are closed, or gone from the actor's sight, are left out: a colleague was there first. Raises
        UnknownTopic, and changes none then.
        """
        sorted_ = []
        for id in sorted(set(ids)):  # in one order, so that two who sort the same ones never wait for each other
            with suppress(CallbackNotFound):
                callback = await rows.locked(unit, id)
                if callback.status is not Status.CLOSED:
                    sorted_.append(await self._amended(unit, callback, priority, None, topic))
        return sorted(sorted_, key=lambda each: ids.index(each.id))

    async def _amended(
        self, unit: Unit, callback: Callback, priority: Priority | None, note: str | None, topic: str | None
    ) -> Callback:
        if topic and topic not in self._departments().get(callback.department).topics:
            raise UnknownTopic
        changes: dict[str, Any] = {}
        new_priority = priority if priority is not callback.priority else None
        if new_priority is not None:
            changes["priority"] = RANK[new_priority]
        if note is not None and (note or None) != callback.note:
            changes["note"] = note or None
        if topic is not None and (topic or None) != callback.topic:
            changes["topic"] = topic or None
        if not changes:
            return callback
        details: dict[str, Any] = {
            "note": "note" in changes,
            "priority": new_priority.value if new_priority else None,
        }
        if "topic" in changes:
            details["topic"] = changes["topic"]
        return await inquiries.transition(unit, callback, "amended", details=details, **changes)

    @unit_of_work
    async def transfer(
        self,
        unit: Unit,
        id: CallbackId,
        department: str,
        *,
        keep_promise: bool,
        fence: int | None,
        note: str | None = None,
    ) -> Transfer:
        """Transfer an open callback to another department, where it waits with its attempts counted from the start.

        The scope bounds where the callback is now: an agent there may transfer it anywhere, even out of their own
        sight. The promise is kept if `keep_promise` is set, the promise is still ahead, and the new department calls
        back then; else the new department's rules make a new one. A claimed callback needs its `fence`.
        Raises CallbackNotFound, DepartmentNotFound, NotByEmergencyAccess, IllegalMove (closed, or there already),
        ClaimLost, AlreadyClaimed, and what `notes.checked` does.
        """
        notes.checked(note)
        rules = self._departments().get(department)
        callback = await self._open(unit, id, fence)
        if callback.department in unit.scope.borrowed:
            raise NotByEmergencyAccess
        transferred, kept = await transitions.transfer(
            unit, rules, callback, self._vault, keep_promise=keep_promise, note=note
        )
        merged = transferred.status is Status.CLOSED
        if merged and not unit.scope.covers(department):
            transferred, merged = replace(transferred, status=Status.WAITING, closed_reason=None), False
        return Transfer(transferred, kept, merged, sent_from=callback.department)

    async def count_transfer(self, by: Actor, id: CallbackId) -> None:
        """Count a transfer before it is tried. Raises CallbackNotFound, TooManyTransfers."""
        if wait := await self._count_transfer(by, id):  # committed all the same: the department is notified
            raise TooManyTransfers(wait)

    @unit_of_work
    async def _count_transfer(self, unit: Unit, id: CallbackId) -> int:
        """As `count_transfer`; returns the seconds until one more is allowed, 0 if it is now."""
        callback = await rows.get(unit, id)
        wait = await agent_limit.count(unit, Limited.TRANSFERS, self._transfers)
        if wait and await agent_limit.must_notify(unit, Limited.TRANSFERS, self._transfers):
            await history.add(unit, [HistoryEntry(None, callback.department, TRANSFERS_REACHED)])
            name = unit.actor.name
            log.warning("An agent has reached the limit of transfers", agent=name, department=callback.department)
        return wait

    @unit_of_work
    async def promise_again(
        self, unit: Unit, id: CallbackId, *, by: datetime | None, fence: int | None, sms: bool
    ) -> NewPromise:
        """Give an open callback a new promise: `by` that moment, or by the rules as of now.

        It is not in line before the new promise begins. With `sms` a text with the new time is queued, if SMS is on
        and the phone is a mobile that may be called. Raises CallbackNotFound, PromiseNotPossible, IllegalMove
        (unreachable or closed: reopen it), ClaimLost, AlreadyClaimed.
        """
        callback = await self._open(unit, id, fence)
        if callback.status not in (Status.WAITING, Status.CLAIMED):
            raise IllegalMove("reopen it")
        rules = self._departments().get(callback.department)
        if by:
            offer = await promise_at(unit, rules, by, excluding=callback.id)
        else:
            offer = await next_promise(unit, rules, excluding=callback.id)
        changes = await inquiries.renew_promise(unit, rules, callback, PromiseReason.BY_AGENT, offer)
        queued = sms and self._notices.reaches(rules, callback.phone)
        changes["not_before"] = offer.promise.from_
        changed = await inquiries.transition(unit, callback, "promised_anew", details={"sms": queued}, **changes)
        if queued:
            changed = changed.with_sms(await self._notices.new_promise(unit, rules, changed.recipient))
        return NewPromise(changed, queued)

    async def _open(self, unit: Unit, id: CallbackId, fence: int | None) -> Callback:
        """Lock an open callback that the actor may change. Raises CallbackNotFound, ClaimLost, AlreadyClaimed,
        IllegalMove.
        """
        callback = await inquiries.changeable(unit, await rows.locked(unit, id), fence)
        if callback.status is Status.CLOSED:
            raise IllegalMove("it is closed")
        return callback
