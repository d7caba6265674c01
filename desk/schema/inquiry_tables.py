"""The tables that every channel shares: inquiries, the promises given for them, and their history.

An inquiry is anything that waits for an answer. What only one channel has is in a table of its own, with the inquiry's
id as its primary key.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    false,
    text,
)

from desk.database.instant import Instant
from desk.database.metadata import metadata, serial, where


def _inquiry(*, nullable: bool = False) -> Column[Any]:
    return Column("inquiry_id", Uuid(as_uuid=False), ForeignKey("inquiries.id"), nullable=nullable)


def _promise() -> list[Column[Any]]:
    return [
        Column("promise_policy", String(16), nullable=False),
        Column("promise_from", Instant, nullable=False),
        Column("promise_by", Instant, nullable=False),
        Column("promise_spoken", Text, nullable=False),
    ]


inquiries = Table(
    "inquiries",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("department", String(64), nullable=False),
    Column("topic", String(64)),
    Column("status", String(16), nullable=False),
    Column("priority", SmallInteger, nullable=False),  # 0 urgent, 1 normal: ascending is the claim order
    Column("subject_key", LargeBinary),  # at most one is open with it; its channel decides what it is
    Column("patient_kind", String(16)),
    Column("patient_masked", String(11)),
    Column("patient_number", LargeBinary),  # sealed by the vault
    Column("patient_index", LargeBinary),
    *_promise(),
    Column("not_before", Instant),  # not handed out by claim before this: rung in vain, promised again
    Column("language", String(8), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("claimed_by", String(128)),
    Column("lease_until", Instant),
    Column("fence", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("closed_reason", String(32)),
    Column("closed_at", Instant),
    Column("note", Text),
    Column("first_time", Boolean, nullable=False, server_default=false()),  # neither person nor phone was known before
    Column("suspected", Boolean, nullable=False, server_default=false()),  # part of a flood: takes no place of others
    Column("forgotten_at", Instant),  # when the person's data were deleted: what is left are counts
    Column("legal_hold", String(64)),  # the case that keeps them from being deleted
    CheckConstraint("kind in ('callback')", name="kind"),
    CheckConstraint("status in ('waiting', 'claimed', 'unreachable', 'closed')", name="status"),
    CheckConstraint("status = 'closed' or subject_key is not null", name="subject_key"),
    CheckConstraint("(status = 'claimed') = (claimed_by is not null)", name="claimed_by"),
    CheckConstraint("(status = 'claimed') = (lease_until is not null)", name="lease_until"),
    CheckConstraint("(status = 'closed') = (closed_reason is not null)", name="closed_reason"),
    CheckConstraint("(patient_index is null) = (patient_number is null)", name="patient"),
)

_c = inquiries.c
Index(
    "uq_inquiries_open",
    *(_c.department, _c.kind, _c.subject_key),
    unique=True,
    **where(text("status <> 'closed'")),
)
Index(
    "ix_inquiries_claim_order",
    *(_c.department, _c.status, _c.priority, _c.promise_by, _c.created_at, _c.id),
)
_kept = where(text("forgotten_at is null"))
Index("ix_inquiries_kept_created_at", _c.department, _c.created_at, _c.id, **_kept)
Index("ix_inquiries_kept_status_created_at", _c.department, _c.status, _c.created_at, _c.id, **_kept)
Index("ix_inquiries_to_forget", _c.closed_at, **where(text("closed_at is not null and forgotten_at is null")))
Index("ix_inquiries_claimed_by", _c.claimed_by, **where(text("claimed_by is not null")))
Index("ix_inquiries_patient_index", _c.patient_index, **where(text("patient_index is not null")))
Index("ix_inquiries_suspected", _c.department, **where(text("suspected and status = 'waiting'")))
Index("ix_inquiries_lease_until", _c.lease_until, **where(text("lease_until is not null")))
Index(None, _c.department, _c.promise_by)

promises = Table(
    "promises",
    metadata,
    serial(),
    _inquiry(),
    Column("at", Instant, nullable=False),
    *_promise(),
    Column("department", String(64), nullable=False),  # that gave it, also after a transfer
    Column("due", Instant, nullable=False),  # rung by then, the promise is kept
    Column("reason", String(16), nullable=False),
    Index(None, "inquiry_id", "id"),
    Index(None, "department", "due"),
    Index(None, "due"),
    sqlite_autoincrement=True,
)

warnings = Table(
    "warnings",
    metadata,
    serial(),
    Column(
        "promise_id",
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("promises.id"),
        nullable=False,
        unique=True,
    ),
    _inquiry(),
    Column("department", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("due", Instant, nullable=False),
    Column("predicted_at", Instant),  # none: no agent was on duty
    Index(None, "department", "id"),
    sqlite_autoincrement=True,
)

history = Table(
    "history",
    metadata,
    serial(),
    _inquiry(nullable=True),  # none: something of the department as a whole
    Column("department", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("event", String(32), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("from_status", String(16)),
    Column("to_status", String(16)),
    Column("details", JSON, nullable=False),
    Column("version", Integer),  # the inquiry's, at that moment
    Column("note", Text),  # older lines of the inquiry's note, which no longer fit there
    Index(None, "inquiry_id", "id"),
    Index(None, "department", "id"),
    sqlite_autoincrement=True,
)
Index("ix_history_attempts", history.c.actor, history.c.at, **where(text("event = 'attempt'")))
