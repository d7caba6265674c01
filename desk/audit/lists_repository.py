"""What an entry of the audit is about: its callbacks as they are now, and what its list has named lately."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, bindparam, select, text

from desk.audit.repository import AuditSubject, optional_bytes
from desk.database.unit_of_work import Unit
from desk.schema.audit_tables import audit, audit_callbacks
from desk.schema.scope import one_of
from desk.schema.tables import inquiries

MOST_NAMED: Final = 1000
"""How many callbacks of one list are remembered. A longer list names some of them again, which does no harm."""
_i = inquiries.c
_SUBJECTS: Final = (
    text("select id, department, patient_index from inquiries where id = any(:ids)")
    .bindparams(bindparam("ids", type_=ARRAY(_i.id.type)))
    .columns(_i.id, _i.department, _i.patient_index)
)
"""For PostgreSQL: as text, because every request for a list runs it."""


@dataclass(frozen=True)
class ListView:
    """A kind of list, and its reader: a person, by one session or token."""

    who: str
    session: str
    action: str


@dataclass(frozen=True)
class Naming:
    """When a callback was named in the row of a list, and until when it need not be named again."""

    at: datetime
    until: datetime


Namings = Mapping[AuditSubject, Naming]
"""What one list has named."""


async def subjects(unit: Unit, ids: Collection[str]) -> dict[str, AuditSubject]:
    """Return those of these ids that are callbacks."""
    if not ids:
        return {}
    if unit.connection.dialect.name == "postgresql":
        found = await unit.connection.execute(_SUBJECTS, {"ids": sorted(ids)})
    else:
        query = select(_i.id, _i.department, _i.patient_index)
        found = await unit.connection.execute(query.where(_i.id.in_(sorted(ids))))
    return {row.id: AuditSubject(row.id, row.department, optional_bytes(row.patient_index)) for row in found}


async def named_lately(unit: Unit, views: Collection[ListView], since: datetime) -> dict[ListView, Namings]:
    """By list, the callbacks that its rows since then name and need not name again yet."""
    c = audit.c
    query = (
        select(c.who, c.session, c.action, c.at, c.named_until, audit_callbacks)
        .join(audit_callbacks, audit_callbacks.c.seq == c.seq)
        .where(
            c.named_until > unit.now,
            c.at >= since,
            one_of(unit, c.session, sorted({view.session for view in views})),
            one_of(unit, c.action, sorted({view.action for view in views})),
        )
    )
    named: dict[ListView, dict[AuditSubject, Naming]] = {view: {} for view in views}
    for row in await unit.connection.execute(query.order_by(c.named_until.desc()).limit(MOST_NAMED * len(views))):
        seen = AuditSubject(row.callback_id, row.department, optional_bytes(row.patient_index))
        of_list = named.setdefault(ListView(row.who, row.session, row.action), {})
        of_list.setdefault(seen, Naming(row.at, row.named_until))
    return {**named}
