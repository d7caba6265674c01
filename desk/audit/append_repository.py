"""The next rows of the chain in one statement, for the process that wrote the row before. PostgreSQL only.

desk/audit/audit.py takes the usual way (lock, newest row, insert) whenever this one adds nothing. What makes it safe:

* It adds nothing unless the row that the process wrote last is the newest. So a chain that was cut or replaced is gone
  on with from what is in the table, as the usual way does.
* It takes the same lock without waiting for it, so it never disturbs those who wait. A row that someone has committed
  since the statement began is not seen, but has the next number: the primary key fails the whole statement.
* It adds nothing unless each callback that the rows are about has the department and the patient that the process
  remembers. So a list that is read again is about the callbacks as they are now, without reading them first.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import BigInteger, LargeBinary, TextClause, bindparam, text

from desk.audit.repository import CHAIN, COLUMNS, AuditRow, AuditSubject, named_by
from desk.database.unit_of_work import Unit
from desk.schema.audit_tables import audit_callbacks


class Appended(Enum):
    """What became of rows: added; not added, as another row is the newest, or a callback is not as it was."""

    ADDED = 1
    ELSEWHERE = 2
    CHANGED = 3


def _statement() -> TextClause:
    """Rows come as JSON, so that the statement is the same for any number of them.

    Each condition is a subquery that names no row, so it is evaluated once: all rows are added or none. The lock is
    asked for last: a statement that adds nothing because of a callback must not hold it.
    """
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    seen = ", ".join(f'"{each.name}"' for each in audit_callbacks.c)
    return text(
        "with known as materialized (select not exists (select 1 from unnest(cast(:ids as uuid[]), "
        "cast(:departments as text[]), cast(:patients as bytea[])) as was (id, department, patient_index) "
        "left join inquiries on inquiries.id = was.id where inquiries.department is distinct from was.department "
        "or inquiries.patient_index is distinct from was.patient_index) as same), "
        f"made as (insert into audit ({columns}) select {columns} "
        "from json_populate_recordset(cast(null as audit), cast(:rows as json)) where case "
        "when (select same from known) then (select pg_try_advisory_xact_lock(:chain)) and "
        "(select newest.seq = :seq and newest.hash = :hash "
        "from (select seq, hash from audit order by seq desc limit 1) as newest) end returning seq), "
        f"named as (insert into audit_callbacks ({seen}) select {seen} "
        "from json_populate_recordset(cast(null as audit_callbacks), cast(:seen as json)) "
        "where exists (select 1 from made)) select same, exists (select 1 from made) as added from known"
    ).bindparams(
        bindparam("chain", type_=BigInteger), bindparam("seq", type_=BigInteger), bindparam("hash", type_=LargeBinary)
    )


_APPEND: Final = _statement()


async def append_after(
    unit: Unit, seq: int, hash: bytes, rows: Sequence[AuditRow], about: Collection[AuditSubject]
) -> Appended:
    """Add these rows, which are about those callbacks, after the row of that number and hash.

    ELSEWHERE if another row is the newest or someone else extends the chain now. Raises Conflict if someone else has
    extended it at the same moment.
    """
    values = {
        "ids": [each.callback_id for each in about],
        "departments": [each.department for each in about],
        "patients": [each.patient_index for each in about],
        "rows": json.dumps([{name: _plain(getattr(row, name)) for name in COLUMNS} for row in rows]),
        "seen": json.dumps([{name: _plain(value) for name, value in each.items()} for each in named_by(rows)]),
    }
    found = await unit.connection.execute(_APPEND, {**values, "chain": CHAIN, "seq": seq, "hash": hash})
    row = found.one()
    if not row.same:
        return Appended.CHANGED
    return Appended.ADDED if row.added else Appended.ELSEWHERE


def _plain(value: Any) -> Any:
    """A value as PostgreSQL reads it from JSON."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return value.isoformat() if isinstance(value, datetime) else value
