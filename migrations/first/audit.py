"""Tables of who saw and did what; migrations/first/triggers.py keeps their rows from being changed."""

import sqlalchemy as sa
from alembic import op

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only in INTEGER columns
INSTANT = sa.DateTime(timezone=True)

TABLES = ("audit", "audit_callbacks", "audit_patients")


def upgrade() -> None:
    make_audit()
    make_audit_callbacks()
    make_audit_patients()


def make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", SERIAL, autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.String(length=128), nullable=True),
        sa.Column("role", sa.String(length=128), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=True),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("session", sa.String(length=64), nullable=True),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("through", SERIAL, nullable=True),
        sa.Column("through_hash", sa.LargeBinary(), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("again", sa.Integer(), nullable=True),
        sa.Column("named_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_index(op.f("ix_audit_department_seq"), "audit", ["department", "seq"], unique=False)
    op.create_index(
        "ix_audit_named",
        "audit",
        ["session", "action", "named_until"],
        unique=False,
        postgresql_where=sa.text("named_until is not null"),
        sqlite_where=sa.text("named_until is not null"),
    )
    op.create_index(
        "ix_audit_patient",
        "audit",
        ["patient_index", "seq"],
        unique=False,
        postgresql_where=sa.text("patient_index is not null"),
        sqlite_where=sa.text("patient_index is not null"),
    )
    op.create_index(
        "ix_audit_through",
        "audit",
        ["through"],
        unique=False,
        postgresql_where=sa.text("through is not null"),
        sqlite_where=sa.text("through is not null"),
    )
    op.create_index(op.f("ix_audit_who_seq"), "audit", ["who", "seq"], unique=False)


def make_audit_callbacks() -> None:
    op.create_table(
        "audit_callbacks",
        sa.Column("seq", SERIAL, autoincrement=False, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("seq", "callback_id", "department", name=op.f("pk_audit_callbacks")),
    )
    op.create_index(op.f("ix_audit_callbacks_callback_id_seq"), "audit_callbacks", ["callback_id", "seq"], unique=False)
    op.create_index(
        "ix_audit_callbacks_patient",
        "audit_callbacks",
        ["patient_index", "seq"],
        unique=False,
        postgresql_where=sa.text("patient_index is not null"),
        sqlite_where=sa.text("patient_index is not null"),
    )


def make_audit_patients() -> None:
    op.create_table(
        "audit_patients",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_index", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_patients")),
        sa.UniqueConstraint("patient_index", name=op.f("uq_audit_patients_patient_index")),
    )
