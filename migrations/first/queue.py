"""Tables of inquiries and what belongs to them."""

import sqlalchemy as sa
from alembic import op

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only in INTEGER columns
INSTANT = sa.DateTime(timezone=True)

TABLES = ("inquiries", "callbacks", "closures", "attempts", "history", "promises", "warnings")


def upgrade() -> None:
    make_inquiries()
    make_callbacks()
    make_closures()
    make_attempts()
    make_history()
    make_promises()
    make_warnings()


def make_inquiries() -> None:
    op.create_table(
        "inquiries",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(), nullable=True),
        sa.Column("patient_kind", sa.String(length=16), nullable=True),
        sa.Column("patient_masked", sa.String(length=11), nullable=True),
        sa.Column("patient_number", sa.LargeBinary(), nullable=True),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.Column("promise_policy", sa.String(length=16), nullable=False),
        sa.Column("promise_from", INSTANT, nullable=False),
        sa.Column("promise_by", INSTANT, nullable=False),
        sa.Column("promise_spoken", sa.Text(), nullable=False),
        sa.Column("not_before", INSTANT, nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("claimed_by", sa.String(length=128), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("closed_reason", sa.String(length=32), nullable=True),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("first_time", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("suspected", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("forgotten_at", INSTANT, nullable=True),
        sa.Column("legal_hold", sa.String(length=64), nullable=True),
        sa.CheckConstraint("(status = 'claimed') = (claimed_by is not null)", name=op.f("ck_inquiries_claimed_by")),
        sa.CheckConstraint("(status = 'claimed') = (lease_until is not null)", name=op.f("ck_inquiries_lease_until")),
        sa.CheckConstraint(
            "(status = 'closed') = (closed_reason is not null)", name=op.f("ck_inquiries_closed_reason")
        ),
        sa.CheckConstraint("kind in ('callback')", name=op.f("ck_inquiries_kind")),
        sa.CheckConstraint("status = 'closed' or subject_key is not null", name=op.f("ck_inquiries_subject_key")),
        sa.CheckConstraint(
            "status in ('waiting', 'claimed', 'unreachable', 'closed')", name=op.f("ck_inquiries_status")
        ),
        sa.CheckConstraint("(patient_index is null) = (patient_number is null)", name=op.f("ck_inquiries_patient")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inquiries")),
    )
    op.create_index(
        "ix_inquiries_claim_order",
        "inquiries",
        ["department", "status", "priority", "promise_by", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_inquiries_claimed_by",
        "inquiries",
        ["claimed_by"],
        unique=False,
        postgresql_where=sa.text("claimed_by is not null"),
        sqlite_where=sa.text("claimed_by is not null"),
    )
    op.create_index(
        "ix_inquiries_patient_index",
        "inquiries",
        ["patient_index"],
        unique=False,
        postgresql_where=sa.text("patient_index is not null"),
        sqlite_where=sa.text("patient_index is not null"),
    )
    op.create_index(op.f("ix_inquiries_department_promise_by"), "inquiries", ["department", "promise_by"], unique=False)
    op.create_index(
        "ix_inquiries_kept_created_at",
        "inquiries",
        ["department", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("forgotten_at is null"),
        sqlite_where=sa.text("forgotten_at is null"),
    )
    op.create_index(
        "ix_inquiries_kept_status_created_at",
        "inquiries",
        ["department", "status", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("forgotten_at is null"),
        sqlite_where=sa.text("forgotten_at is null"),
    )
    op.create_index(
        "ix_inquiries_suspected",
        "inquiries",
        ["department"],
        unique=False,
        postgresql_where=sa.text("suspected and status = 'waiting'"),
        sqlite_where=sa.text("suspected and status = 'waiting'"),
    )
    op.create_index(
        "ix_inquiries_lease_until",
        "inquiries",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("lease_until is not null"),
        sqlite_where=sa.text("lease_until is not null"),
    )
    op.create_index(
        "ix_inquiries_to_forget",
        "inquiries",
        ["closed_at"],
        unique=False,
        postgresql_where=sa.text("closed_at is not null and forgotten_at is null"),
        sqlite_where=sa.text("closed_at is not null and forgotten_at is null"),
    )
    op.create_index(
        "uq_inquiries_open",
        "inquiries",
        ["department", "kind", "subject_key"],
        unique=True,
        postgresql_where=sa.text("status <> 'closed'"),
        sqlite_where=sa.text("status <> 'closed'"),
    )


def make_callbacks() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("phone_mobile", sa.Boolean(), nullable=False),
        sa.Column("added_phone", sa.String(length=20), nullable=True),
        sa.Column("identity_doubtful", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("call_count", sa.Integer(), nullable=False),
        sa.Column("attempts_from", INSTANT, nullable=False),
        sa.Column("sms", sa.String(length=16), nullable=True),
        sa.Column("others_on_phone", sa.Integer(), server_default="0", nullable=False),
        sa.Column("has_recording", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["inquiries.id"], name=op.f("fk_callbacks_id_inquiries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
    )
    op.create_index(
        "ix_callbacks_phone",
        "callbacks",
        ["phone"],
        unique=False,
        postgresql_where=sa.text("phone <> ''"),
        sqlite_where=sa.text("phone <> ''"),
    )


def make_closures() -> None:
    op.create_table(
        "closures",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("from_at", INSTANT, nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.Column("text", sa.String(length=32), nullable=False),
        sa.Column("replaced_at", INSTANT, nullable=True),
        sa.CheckConstraint("from_at < until_at", name=op.f("ck_closures_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closures")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_closures_department_until_at"), "closures", ["department", "until_at"], unique=False)


def make_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_attempts_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_attempts_callback_id_id"), "attempts", ["callback_id", "id"], unique=False)


def make_history() -> None:
    op.create_table(
        "history",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("inquiry_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("from_status", sa.String(length=16), nullable=True),
        sa.Column("to_status", sa.String(length=16), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["inquiry_id"], ["inquiries.id"], name=op.f("fk_history_inquiry_id_inquiries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_history_attempts",
        "history",
        ["actor", "at"],
        unique=False,
        sqlite_where=sa.text("event = 'attempt'"),
        postgresql_where=sa.text("event = 'attempt'"),
    )
    op.create_index(op.f("ix_history_department_id"), "history", ["department", "id"], unique=False)
    op.create_index(op.f("ix_history_inquiry_id_id"), "history", ["inquiry_id", "id"], unique=False)


def make_promises() -> None:
    op.create_table(
        "promises",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("inquiry_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("promise_policy", sa.String(length=16), nullable=False),
        sa.Column("promise_from", INSTANT, nullable=False),
        sa.Column("promise_by", INSTANT, nullable=False),
        sa.Column("promise_spoken", sa.Text(), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("due", INSTANT, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["inquiry_id"], ["inquiries.id"], name=op.f("fk_promises_inquiry_id_inquiries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promises")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_promises_due"), "promises", ["due"], unique=False)
    op.create_index(op.f("ix_promises_department_due"), "promises", ["department", "due"], unique=False)
    op.create_index(op.f("ix_promises_inquiry_id_id"), "promises", ["inquiry_id", "id"], unique=False)


def make_warnings() -> None:
    op.create_table(
        "warnings",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("promise_id", SERIAL, nullable=False),
        sa.Column("inquiry_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("due", INSTANT, nullable=False),
        sa.Column("predicted_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["inquiry_id"], ["inquiries.id"], name=op.f("fk_warnings_inquiry_id_inquiries")),
        sa.ForeignKeyConstraint(["promise_id"], ["promises.id"], name=op.f("fk_warnings_promise_id_promises")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warnings")),
        sa.UniqueConstraint("promise_id", name=op.f("uq_warnings_promise_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_warnings_department_id"), "warnings", ["department", "id"], unique=False)
