"""Years of a hospital's callbacks, generated inside the database, because sending a million rows takes too long.

Of a hundred callbacks 90 are closed, 8 wait, one is claimed and one is unreachable; an agent has claimed two hundred.
They are spread over the two known departments and six others, and over phones and persons. Each has a promise, a row
of history, an attempt and a text message. Foreign keys are not checked while filling, because they are correct.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text

from desk.callbacks.model import callback_id
from desk.database.engine import Connection, Database
from desk.ids import CallbackId

PATIENCE_SECONDS = 600
DEPARTMENTS = ("kirurgi", "hjerte", *(f"avdeling-{n}" for n in range(6)))


@dataclass(frozen=True)
class Words:
    """The SQL that differs between the engines."""

    rows: str
    id: str
    before: str
    after: str
    index: str
    sealed: str
    phone_key: str


WORDS = {
    "postgresql": Words(
        rows="generate_series(cast(:first as bigint), cast(:last as bigint)) as g (n)",
        id="cast(md5(cast(n as text)) as uuid)",
        before="cast(:now as timestamptz) - n * interval '20 seconds'",
        after="cast(:now as timestamptz) + n % 480 * interval '1 minute'",
        index="sha256(convert_to(cast(n as text), 'UTF8'))",
        sealed="sha256(convert_to(cast(-n as text), 'UTF8'))",
        phone_key="convert_to('+47' || (20000000 + n), 'UTF8')",
    ),
    "sqlite": Words(
        rows="(with recursive g (n) as (select :first union all select n + 1 from g where n < :last) select n from g)",
        id="printf('%08x%024x', (n * 2654435761) & 4294967295, n)",
        before="strftime('%Y-%m-%d %H:%M:%f000', :now, '-' || (n * 20) || ' seconds')",
        after="strftime('%Y-%m-%d %H:%M:%f000', :now, '+' || (n % 480) || ' minutes')",
        index="cast(printf('%032d', n) as blob)",
        sealed="cast(printf('%040d', n) as blob)",
        phone_key="cast('+47' || (20000000 + n) as blob)",
    ),
}

STATUS = "case when n % 100 < 90 then 'closed' when n % 100 < 98 then 'waiting' when n % 100 = 98 then 'claimed' else 'unreachable' end"  # noqa: E501
DEPARTMENT = (
    f"case n / 100 % {len(DEPARTMENTS)} {' '.join(f'when {n} then {slug!r}' for n, slug in enumerate(DEPARTMENTS))} end"
)


def statements(word: Words) -> list[str]:
    open_ = "(n % 100 >= 90)"
    return [
        f"""
insert into inquiries (id, kind, department, status, priority, subject_key, patient_kind, patient_masked,
    patient_number, patient_index, promise_policy, promise_from, promise_by, promise_spoken, language,
    created_at, claimed_by, lease_until, fence, version, closed_reason, closed_at, note)
select {word.id}, 'callback', {DEPARTMENT}, {STATUS}, case when n % 19 = 0 then 0 else 1 end,
    case when n % 2 = 0 then {word.index} else {word.phone_key} end, case when n % 2 = 0 then 'fnr' end,
    case when n % 2 = 0 then '010150*****' end,
    case when n % 2 = 0 then {word.sealed} end, case when n % 2 = 0 then {word.index} end, 'deadline',
    {word.before}, case when {open_} then {word.after} else {word.before} end, 'i dag innen klokken 15',
    case when n % 10 = 1 then 'en' else 'nb' end, {word.before},
    case when n % 100 = 98 then 'agent-' || (n / 20000) end, case when n % 100 = 98 then {word.after} end,
    case when n % 100 between 90 and 97 then 0 else 1 end, 1, case when not {open_} then 'reached' end,
    case when not {open_} then {word.before} end, case when n % 7 = 0 then 'Vil ha ny time' end
from {word.rows}
""",
        f"""
insert into callbacks (id, phone, phone_mobile, call_count, attempts_from)
select {word.id}, '+47' || (20000000 + n), false, 1, {word.before} from {word.rows}
""",
        f"""
insert into promises
    (inquiry_id, at, promise_policy, promise_from, promise_by, promise_spoken, department, due, reason)
select {word.id}, {word.before}, 'deadline', {word.before}, {word.before}, 'i dag innen klokken 15', {DEPARTMENT},
    case when {open_} then {word.after} else {word.before} end, 'registered'
from {word.rows}
""",
        f"""
insert into history (inquiry_id, department, at, event, actor, from_status, to_status, details, version)
select {word.id}, {DEPARTMENT}, {word.before}, 'registered', 'caller', null, 'waiting', '{{}}', 1 from {word.rows}
""",
        f"""
insert into attempts (callback_id, at, agent, outcome, counted, note)
select {word.id}, {word.before}, 'agent-1', 'reached', true, null from {word.rows}
""",
        f"""
insert into outbox (callback_id, kind, key, at, state, changed_at, phone, text, next_at, tries)
select {word.id}, 'receipt', {word.id}, {word.before}, case when n % 1000 = 0 then 'queued' else 'sent' end,
    {word.before}, case when n % 1000 = 0 then {word.sealed} end, case when n % 1000 = 0 then {word.sealed} end,
    {word.before}, 1
from {word.rows}
""",
    ]


async def fill(database: Database, count: int, *, first: int = 1) -> None:
    """Add the callbacks `first` to `first + count - 1`, with what belongs to them, and update the statistics."""
    given = _given(database, first, first + count - 1)
    async with database.begin() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text("set local session_replication_role = replica"))
        for statement in statements(WORDS[database.dialect]):
            await _by_parts(connection, statement, given)
    await _learn(database)


def filled_id(database: Database, n: int) -> CallbackId:
    """The id of callback `n`. The even ones have a person."""
    on_sqlite = f"{n * 2654435761 & 4294967295:08x}{n:024x}"
    return callback_id(on_sqlite if database.dialect == "sqlite" else hashlib.md5(str(n).encode()).hexdigest())


async def waiting(database: Database, count: int) -> None:
    """Add `count` callbacks that wait in `kirurgi`, and nothing else."""
    word = WORDS[database.dialect]
    inquiries = f"""
insert into inquiries (id, kind, department, status, priority, subject_key, promise_policy, promise_from, promise_by,
    promise_spoken, language, created_at, fence, version)
select {word.id}, 'callback', 'kirurgi', 'waiting', 1, {word.phone_key}, 'deadline', {word.before}, {word.after},
    'i dag innen klokken 15', 'nb', {word.before}, 0, 1
from {word.rows}
"""
    callbacks = f"""
insert into callbacks (id, phone, phone_mobile, call_count, attempts_from)
select {word.id}, '+47' || (20000000 + n), false, 1, {word.before} from {word.rows}
"""
    async with database.begin() as connection:
        for statement in (inquiries, callbacks):
            await _by_parts(connection, statement, _given(database, 1, count))
    await _learn(database)


async def _learn(database: Database) -> None:
    """Update the engine's statistics and vacuum, as years of normal operation would have done."""
    if database.dialect == "postgresql":
        async with database.listener() as connection:
            for statement in ("vacuum analyze", "checkpoint"):
                await connection.execute(statement, timeout=PATIENCE_SECONDS)
        return
    async with database.begin() as connection:
        await connection.execute(text("analyze"))


def _given(database: Database, first: int, last: int) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "first": first,
        "last": last,
        "now": now if database.dialect == "postgresql" else now.strftime("%Y-%m-%d %H:%M:%S"),
    }


async def _by_parts(connection: Connection, statement: str, given: dict[str, object]) -> None:
    """A million rows take longer than the time limit of a statement, so they are added in parts."""
    first, last = given["first"], given["last"]
    assert isinstance(first, int) and isinstance(last, int)
    for start in range(first, last + 1, 50_000):
        await connection.execute(text(statement), {**given, "first": start, "last": min(start + 49_999, last)})
