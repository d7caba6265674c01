"""The tables of the audit. Rows are only ever added: triggers of the migration refuse all else, on both engines.

No foreign keys: a row of the audit outlives what it is about, and the chain shows a row that was added.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Uuid, text

from desk.database.instant import Instant
from desk.database.metadata import metadata, where

_SEQ = BigInteger().with_variant(Integer, "sqlite")

audit = Table(
    "audit",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),  # without gaps: given out under a lock
    Column("at", Instant, nullable=False),
    Column("who", String(128)),
    Column("role", String(128)),
    Column("action", String(64), nullable=False),
    Column("department", String(64)),
    Column("patient_index", LargeBinary),  # whose identity number was shown or asked for
    Column("why", String(200)),
    Column("outcome", String(8), nullable=False),
    Column("status", SmallInteger),  # of the answer; null where there was none
    Column("problem", String(64)),  # the id of the problem document
    Column("source", String(64), nullable=False),
    Column("request_id", String(64)),
    Column("session", String(64)),
    Column("emergency", Boolean, nullable=False),
    Column("through", _SEQ),  # rows up to this one were deleted as too old
    Column("through_hash", LargeBinary),
    Column("key_version", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("again", Integer),  # callbacks also shown, which an earlier read of the same list names
    Column("named_until", Instant),  # those named here aren't named again by such a read before then
    Index(None, "at"),
    Index(None, "who", "seq"),
    Index(None, "department", "seq"),
)
Index("ix_audit_patient", audit.c.patient_index, audit.c.seq, **where(text("patient_index is not null")))
Index(
    "ix_audit_named",
    *(audit.c.session, audit.c.action, audit.c.named_until),
    **where(text("named_until is not null")),
)
Index("ix_audit_through", audit.c.through, **where(text("through is not null")))

audit_callbacks = Table(
    "audit_callbacks",
    metadata,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("callback_id", Uuid(as_uuid=False), primary_key=True),
    Column("department", String(64), primary_key=True),  # a callback that was moved is named in both
    Column("patient_index", LargeBinary),
    Index(None, "callback_id", "seq"),
)
Index(
    "ix_audit_callbacks_patient",
    audit_callbacks.c.patient_index,
    audit_callbacks.c.seq,
    **where(text("patient_index is not null")),
)

audit_patients = Table(
    "audit_patients",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("patient_index", LargeBinary, nullable=False, unique=True),
    Column("number", LargeBinary, nullable=False),
)
