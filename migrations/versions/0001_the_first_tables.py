"""The first tables: callbacks with attempts, promises and history, calls, agents."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only in INTEGER columns
OPEN_PATIENT = sa.text("status <> 'closed' and patient_index is not null")
OPEN_PHONE = sa.text("status <> 'closed' and patient_index is null")
WORKING = sa.text("revoked_at is null")


def upgrade() -> None:
    make_agents()
    make_callbacks()
    make_attempts()
    make_calls()
    make_history()
    make_promises()


def downgrade() -> None:
    for table in ("promises", "history", "calls", "attempts", "callbacks", "agents"):
        op.drop_table(table)


def make_agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("departments", sa.JSON(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_agents_token_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_agents_working_name", "agents", ["name"], unique=True, postgresql_where=WORKING, sqlite_where=WORKING
    )


def make_callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("phone_mobile", sa.Boolean(), nullable=False),
        sa.Column("patient_kind", sa.String(length=16), nullable=True),
        sa.Column("patient_masked", sa.String(length=11), nullable=True),
        sa.Column("patient_number", sa.LargeBinary(), nullable=True),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.Column("promise_policy", sa.String(length=16), nullable=False),
        sa.Column("promise_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promise_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promise_spoken", sa.Text(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("call_count", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("closed_reason", sa.String(length=32), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("(status = 'claimed') = (claimed_by is not null)", name=op.f("ck_callbacks_claimed_by")),
        sa.CheckConstraint("(status = 'claimed') = (lease_until is not null)", name=op.f("ck_callbacks_lease_until")),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_reason is not null)", name=op.f("ck_callbacks_closed_reason")
        ),
        sa.CheckConstraint(
            "status in ('waiting', 'claimed', 'unreachable', 'closed')", name=op.f("ck_callbacks_status")
        ),
        sa.CheckConstraint("(patient_index is null) = (patient_number is null)", name=op.f("ck_callbacks_patient")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
    )
    op.create_index(
        "ix_callbacks_claim_order",
        "callbacks",
        ["department", "status", "priority", "promise_by", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_callbacks_department_created_at_id"), "callbacks", ["department", "created_at", "id"], unique=False
    )
    op.create_index(
        "uq_callbacks_open_patient",
        "callbacks",
        ["department", "patient_index"],
        unique=True,
        postgresql_where=OPEN_PATIENT,
        sqlite_where=OPEN_PATIENT,
    )
    op.create_index(
        "uq_callbacks_open_phone",
        "callbacks",
        ["department", "phone"],
        unique=True,
        postgresql_where=OPEN_PHONE,
        sqlite_where=OPEN_PHONE,
    )


def make_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_attempts_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_attempts_callback_id_id"), "attempts", ["callback_id", "id"], unique=False)


def make_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("asterisk_id", sa.String(length=128), nullable=False),
        sa.Column("channel_id", sa.String(length=128), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("phone_mobile", sa.Boolean(), nullable=True),
        sa.Column("step", sa.String(length=16), nullable=True),
        sa.Column("incomplete", sa.Boolean(), nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint("incomplete = (callback_id is null)", name=op.f("ck_calls_incomplete")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_calls_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("asterisk_id", "channel_id", name=op.f("uq_calls_asterisk_id_channel_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_calls_department_id"), "calls", ["department", "id"], unique=False)
    op.create_index(
        op.f("ix_calls_department_incomplete_id"), "calls", ["department", "incomplete", "id"], unique=False
    )


def make_history() -> None:
    op.create_table(
        "history",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("from_status", sa.String(length=16), nullable=True),
        sa.Column("to_status", sa.String(length=16), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_history_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_history_callback_id_id"), "history", ["callback_id", "id"], unique=False)


def make_promises() -> None:
    op.create_table(
        "promises",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promise_policy", sa.String(length=16), nullable=False),
        sa.Column("promise_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promise_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promise_spoken", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_promises_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promises")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_promises_callback_id_id"), "promises", ["callback_id", "id"], unique=False)
