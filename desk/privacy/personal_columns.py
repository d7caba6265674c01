"""Where a person's data stand, and what is left of them when they are deleted: this one place is what deleting goes by.

Whoever adds a column that could tell who somebody is, or what it is about, adds it to `PERSONAL` (or says in
`NOT_PERSONAL` why it can't); a test fails while one is missing. Counts, times, outcomes and departments stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, String, case, cast, delete, func, select, update

from desk.access.actor import SYSTEM
from desk.callbacks.model import callback_id
from desk.callbacks.repository import kept
from desk.clock import SystemClock
from desk.database.engine import Connection
from desk.database.unit_of_work import Unit
from desk.inquiries.model import Status
from desk.numbers.phone_number import PhoneNumber
from desk.recordings import repository as recordings
from desk.schema.tables import answers, attempts, callbacks, calls, dials, outbox


@dataclass(frozen=True, eq=False)
class Personal:
    """The columns of one table with personal data: `of` says whose callback it is, `left` what stands there after."""

    of: Column[Any]
    left: Mapping[str, Any]


def _nameless(column: Column[Any]) -> Any:
    """Asterisk's own logs tell who rang on a channel: it is not to be found there again."""
    return "deleted-" + cast(column.table.c.id, String)


PERSONAL: Final[tuple[Personal, ...]] = (
    Personal(
        callbacks.c.id,
        {
            **{"phone": "", "phone_mobile": False, "note": None},
            **{"patient_kind": None, "patient_masked": None, "patient_number": None, "patient_index": None},
        },
    ),
    Personal(attempts.c.callback_id, {"note": None}),
    Personal(calls.c.callback_id, {"phone": None, "phone_mobile": None, "channel_id": _nameless(calls.c.channel_id)}),
    Personal(dials.c.callback_id, {"phone": "", "phone_mobile": False}),
    Personal(
        outbox.c.callback_id,
        {
            **{"phone": None, "text": None, "reference": None, "parts": None},
            "state": case((outbox.c.state == "queued", "expired"), else_=outbox.c.state),
        },
    ),
)

NOT_PERSONAL: Final = {
    "callbacks.promise_spoken": "when we ring, as it was said",
    "promises.promise_spoken": "when we ring, as it was said",
    "dials.agent_phone": "an agent's endpoint",
    "agents.phone": "an agent's endpoint",
    "tokens.hash": "an agent's",
    "sessions.hash": "an agent's",
    "devices.hash": "an agent's",
    "external_identities.refresh_token": "an agent's; sealed",
    "second_factors.secret": "an agent's; sealed",
    "recovery_codes.hash": "an agent's",
    "used_nonces.hash": "of a log-in under way, or a logout",
    "answers.answer": "deleted with its row after a day",
    "answers.fingerprint": "deleted with its row after a day",
    "closures.text": "which prompt is played",
    "emergency_access.reason": "why a colleague looked into another department; numbers are refused in it",
    "vault_keys.canary": "a known word",
    **dict.fromkeys(
        ("audit.patient_index", "audit_callbacks.patient_index", "audit_patients.patient_index"),
        "who saw the patient must be found as long as the audit is kept, which has a time of its own",
    ),
    "audit_patients.number": "sealed; whose number was shown, kept as long as the audit",
    "audit.hash": "of the row",
    "audit.through_hash": "of a row",
    "recordings.key": "deleted with its row when the callback's data are",
    "recordings.sound": "deleted with its row when the callback's data are",
}
"""Free text, bytes and phones that are no patient's, and why."""

c = callbacks.c


async def due(connection: Connection, closed_before: datetime, limit: int) -> Sequence[str]:
    """Callbacks closed by then whose data are still there, oldest first, locked; none under legal hold."""
    query = (
        select(c.id)
        .where(c.closed_at.is_not(None), kept, c.closed_at <= closed_before)
        .where(c.status == Status.CLOSED.value, c.legal_hold.is_(None))
    )
    query = query.order_by(c.closed_at).limit(limit).with_for_update(skip_locked=True)
    return list((await connection.execute(query)).scalars())


async def forget(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    """Delete the personal data of these callbacks, which are locked and closed. There is no way back."""
    await recordings.remove(Unit(connection, SystemClock(), SYSTEM), [callback_id(id) for id in ids])
    for personal in PERSONAL:
        values = dict(personal.left)
        if personal.of is c.id:
            values |= {"forgotten_at": now, "version": c.version + 1}
        elif personal.of is calls.c.callback_id:
            values["forgotten_at"] = now
        await connection.execute(update(personal.of.table).where(personal.of.in_(ids)).values(**values))


async def forget_incomplete_calls(connection: Connection, before: datetime, now: datetime, limit: int) -> int:
    """Who rang and left no callback, by then: only that somebody did is left. How many."""
    old = select(calls.c.id).where(calls.c.incomplete, calls.c.forgotten_at.is_(None), calls.c.at <= before)
    old = old.order_by(calls.c.at).limit(limit).with_for_update(skip_locked=True)
    return await _forget_calls(connection, list((await connection.execute(old)).scalars()), now)


async def forget_calls_of_phone(connection: Connection, phone: PhoneNumber, now: datetime) -> int:
    """The same for the incomplete calls from one phone, however new."""
    query = select(calls.c.id).where(calls.c.incomplete, calls.c.forgotten_at.is_(None), calls.c.phone == phone.e164)
    return await _forget_calls(connection, list((await connection.execute(query.with_for_update())).scalars()), now)


async def _forget_calls(connection: Connection, ids: Sequence[int], now: datetime) -> int:
    (left,) = (each.left for each in PERSONAL if each.of is calls.c.callback_id)
    if ids:
        await connection.execute(update(calls).where(calls.c.id.in_(ids)).values(**left, forgotten_at=now))
    return len(ids)


async def delete_answers(connection: Connection, before: datetime, limit: int) -> int:
    """Answers kept for repeated requests, which hold copies of callbacks, from before then. How many."""
    old = select(answers.c.id).where(answers.c.at <= before).order_by(answers.c.at).limit(limit)
    ids = list((await connection.execute(old.with_for_update(skip_locked=True))).scalars())
    return await delete_these_answers(connection, ids)


async def delete_these_answers(connection: Connection, ids: Sequence[int]) -> int:
    """Those answers. How many."""
    if ids:
        await connection.execute(delete(answers).where(answers.c.id.in_(ids)))
    return len(ids)


async def held(connection: Connection) -> int:
    """How many callbacks are under legal hold."""
    query = select(func.count()).select_from(callbacks).where(c.legal_hold.is_not(None))
    return int((await connection.execute(query)).scalar_one())
