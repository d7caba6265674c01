"""Calls in the database: one row for each (Asterisk, channel), whether it led to a callback or not."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, insert, or_, select, update

from desk.callbacks.model import CallFollowUp, CallKey, IncompleteStep, RecordedCall, WhyEnded
from desk.database import cursors
from desk.database.inserting import insert_into
from desk.database.pages import Page
from desk.database.together import Write
from desk.database.unit_of_work import Unit
from desk.ids import CallbackId
from desk.numbers.identity_number import IdentityKind, IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.schema.scope import in_scope
from desk.schema.tables import calls

c = calls.c

PATIENT_NUMBER: Final = "calls.patient_number"
"""What the sealed identity number of an incomplete call is bound to, with its row."""
LONGEST_CALL: Final = timedelta(minutes=15)
"""A call without a recorded end counts as over after this time."""


async def find(unit: Unit, key: CallKey) -> RecordedCall | None:
    """Find a call and lock it for this unit of work."""
    query = select(calls).where(c.asterisk_id == key.asterisk_id, c.channel_id == key.channel_id)
    query = query.where(*in_scope(unit, c.department))
    row = (await unit.connection.execute(query.with_for_update())).one_or_none()
    return _read(unit, row) if row else None


async def add(
    unit: Unit, key: CallKey, *, department: str, phone: PhoneNumber | None, prompts: str | None = None
) -> None:
    """Add a call that has come in. A known one is left alone."""
    values = {**_new(unit, key, department), **_phone(phone), "incomplete": True, "prompts": prompts}
    await unit.connection.execute(insert_into(unit.connection, calls).values(values).on_conflict_do_nothing())


async def end(
    unit: Unit,
    known: RecordedCall | None,
    *,
    key: CallKey,
    department: str,
    phone: PhoneNumber | None,
    step: IncompleteStep,
    why: WhyEnded,
) -> int:
    """Record that the call, the `known` one or a new one, ended before a callback was stored. Returns its id.

    Raises Conflict if another unit of work has just added it.
    """
    values = {**_phone(phone), "step": step, "why": why, "incomplete": True, "callback_id": None}
    if known:
        await unit.connection.execute(update(calls).where(c.id == known.id, c.incomplete).values(values))
        return known.id
    added = insert(calls).values({**_new(unit, key, department), **values}).returning(c.id)
    return int((await unit.connection.execute(added)).scalar_one())


def leading_to(
    unit: Unit,
    callback_id: CallbackId,
    known: RecordedCall | None,
    *,
    key: CallKey,
    department: str,
    phone: PhoneNumber | None,
) -> Write:
    """The statement that records which callback the call, the `known` one or a new one, has led to.

    The callback has the identity number now. A call that another unit of work has just added raises Conflict.
    """
    values = {**_phone(phone), "step": None, "why": None, "incomplete": False, "callback_id": callback_id}
    if known is None:
        return insert(calls).values({**_new(unit, key, department), **values})
    values |= {"patient_kind": None, "patient_masked": None, "patient_number": None, "patient_index": None}
    changed = update(calls).where(c.id == known.id, c.incomplete | (c.callback_id == known.callback_id))
    return changed.values(values)


def _new(unit: Unit, key: CallKey, department: str) -> dict[str, Any]:
    return {"asterisk_id": key.asterisk_id, "channel_id": key.channel_id, "department": department, "at": unit.now}


def _phone(phone: PhoneNumber | None) -> dict[str, Any]:
    """The phone as columns of a call that has changed, and is counted again."""
    return {
        "phone": phone.e164 if phone else None,
        "phone_mobile": phone.mobile if phone else None,
        "to_tally": True,
    }


async def add_patient(unit: Unit, id: int, patient: IdentityNumber, sealed: bytes, index: bytes) -> None:
    """Add the identity number that was keyed in an incomplete call, and the index that finds it."""
    values: dict[str, Any] = {"patient_kind": patient.kind.value, "patient_masked": patient.masked}
    values |= {"patient_number": sealed, "patient_index": index}
    await unit.connection.execute(update(calls).where(c.id == id, c.incomplete).values(**values))


async def get(unit: Unit, id: int, *, locked: bool = False) -> RecordedCall | None:
    """Read a call in the actor's scope whose person's data are still there; `locked` for this unit of work."""
    query = select(calls).where(c.id == id, c.forgotten_at.is_(None), *in_scope(unit, c.department))
    row = (await unit.connection.execute(query.with_for_update() if locked else query)).one_or_none()
    return _read(unit, row) if row else None


async def sealed_patient(unit: Unit, id: int) -> tuple[bytes, IdentityKind] | None:
    """Read the sealed identity number of a call and its kind; None if there is none, or it is outside the scope."""
    query = select(c.patient_number, c.patient_kind).where(c.id == id, *in_scope(unit, c.department))
    row = (await unit.connection.execute(query)).one_or_none()
    return (bytes(row.patient_number), IdentityKind(row.patient_kind)) if row and row.patient_number else None


async def end_lost(unit: Unit, asterisk_id: str, *, excluding: Collection[str]) -> int:
    """Mark calls of this Asterisk that have no recorded end as lost, and return how many."""
    on_line = (c.asterisk_id == asterisk_id, c.incomplete, c.why.is_(None), c.forgotten_at.is_(None))
    lost = update(calls).where(*in_scope(unit, c.department), *on_line, c.channel_id.not_in(list(excluding)))
    return (await unit.connection.execute(lost.values(why=WhyEnded.LOST, to_tally=True))).rowcount


async def page(
    unit: Unit, *, incomplete: bool | None, cursor: str | None, limit: int, undealt: bool = False
) -> Page[RecordedCall]:
    """List calls to the actor's departments, oldest first. Raises BadCursor.

    Calls still on the line are not among the incomplete ones. `undealt`: only those that no one has dealt with.
    """
    query = select(calls).where(*in_scope(unit, c.department), c.forgotten_at.is_(None))
    if incomplete is not None:
        query = query.where(c.incomplete.is_(incomplete))
    if incomplete:
        query = query.where(_is_over(unit))
    if undealt:
        query = query.where(c.follow_up.is_(None))
    if cursor is not None:
        query = query.where(c.id > cursors.CALLS.key(cursor)[0])
    found = (await unit.connection.execute(query.order_by(c.id).limit(limit + 1))).all()
    page = Page.cut(found, limit, lambda call: cursors.CALLS.after(call.id))
    return Page([_read(unit, row) for row in page.items], page.next_cursor)


async def waiting_of(unit: Unit, condition: ColumnElement[bool], limit: int) -> list[RecordedCall]:
    """Find the incomplete calls with this that no one has dealt with, the newest first."""
    open_calls = (c.incomplete, c.forgotten_at.is_(None), c.follow_up.is_(None), _is_over(unit))
    query = select(calls).where(condition, *open_calls, *in_scope(unit, c.department))
    found = await unit.connection.execute(query.order_by(c.id.desc()).limit(limit))
    return [_read(unit, row) for row in found]


async def count_undealt(unit: Unit, most: int) -> int:
    """Count the incomplete calls that no one has dealt with, up to `most`."""
    query = select(c.id).where(*in_scope(unit, c.department), c.forgotten_at.is_(None), c.incomplete, _is_over(unit))
    few = query.where(c.follow_up.is_(None)).limit(most).subquery()
    return int((await unit.connection.execute(select(func.count()).select_from(few))).scalar_one())


async def deal_with(unit: Unit, call: RecordedCall, how: CallFollowUp, *, led_to: CallbackId | None) -> None:
    """Record how a locked call was dealt with, and the callback made of it."""
    values = {"follow_up": how.value, "led_to": led_to}
    await unit.connection.execute(update(calls).where(c.id == call.id).values(**values))


def _is_over(unit: Unit) -> ColumnElement[bool]:
    """The condition for a call to be on the line no more."""
    return or_(c.why.is_not(None), c.at < unit.now - LONGEST_CALL)


def _read(unit: Unit, row: Any) -> RecordedCall:
    """Make a call of a row, and record that the unit's actor is shown the callback it became or led to."""
    for id in (row.callback_id, row.led_to):
        if id:
            unit.saw(id, row.department)
    return RecordedCall(
        id=row.id,
        key=CallKey(row.asterisk_id, row.channel_id),
        department=row.department,
        at=row.at,
        phone=PhoneNumber(row.phone, row.phone_mobile) if row.phone else None,
        step=IncompleteStep(row.step) if row.step else None,
        incomplete=row.incomplete,
        callback_id=row.callback_id,
        why=WhyEnded(row.why) if row.why else None,
        patient_kind=IdentityKind(row.patient_kind) if row.patient_kind else None,
        patient_masked=row.patient_masked,
        follow_up=CallFollowUp(row.follow_up) if row.follow_up else None,
        led_to=row.led_to,
    )
