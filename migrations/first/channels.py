"""Tables of the ways to and from patients: calls, dials, recordings, texts."""

import sqlalchemy as sa
from alembic import op

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only in INTEGER columns
INSTANT = sa.DateTime(timezone=True)

TABLES = ("calls", "dials", "recordings", "outbox")


def upgrade() -> None:
    make_calls()
    make_dials()
    make_recordings()
    make_outbox()


def make_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("asterisk_id", sa.String(length=128), nullable=False),
        sa.Column("channel_id", sa.String(length=128), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("phone_mobile", sa.Boolean(), nullable=True),
        sa.Column("patient_kind", sa.String(length=16), nullable=True),
        sa.Column("patient_masked", sa.String(length=11), nullable=True),
        sa.Column("patient_number", sa.LargeBinary(), nullable=True),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.Column("step", sa.String(length=16), nullable=True),
        sa.Column("why", sa.String(length=16), nullable=True),
        sa.Column("incomplete", sa.Boolean(), nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("follow_up", sa.String(length=16), nullable=True),
        sa.Column("led_to", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("forgotten_at", INSTANT, nullable=True),
        sa.Column("prompts", sa.String(length=16), nullable=True),
        sa.Column("followed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("to_tally", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("tallied", sa.JSON(), nullable=True),
        sa.CheckConstraint("incomplete = (callback_id is null)", name=op.f("ck_calls_incomplete")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_calls_callback_id_callbacks")),
        sa.ForeignKeyConstraint(["led_to"], ["callbacks.id"], name=op.f("fk_calls_led_to_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        sa.UniqueConstraint("asterisk_id", "channel_id", name=op.f("uq_calls_asterisk_id_channel_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_calls_callback_id",
        "calls",
        ["callback_id"],
        unique=False,
        postgresql_where=sa.text("callback_id is not null and forgotten_at is null"),
        sqlite_where=sa.text("callback_id is not null and forgotten_at is null"),
    )
    op.create_index(
        "ix_calls_kept",
        "calls",
        ["department", "id"],
        unique=False,
        postgresql_where=sa.text("forgotten_at is null"),
        sqlite_where=sa.text("forgotten_at is null"),
    )
    op.create_index(
        "ix_calls_kept_incomplete",
        "calls",
        ["department", "incomplete", "id"],
        unique=False,
        postgresql_where=sa.text("forgotten_at is null"),
        sqlite_where=sa.text("forgotten_at is null"),
    )
    op.create_index(
        "ix_calls_on_line",
        "calls",
        ["asterisk_id"],
        unique=False,
        postgresql_where=sa.text("incomplete and why is null"),
        sqlite_where=sa.text("incomplete and why is null"),
    )
    op.create_index(
        "ix_calls_to_tally",
        "calls",
        ["id"],
        unique=False,
        postgresql_where=sa.text("to_tally"),
        sqlite_where=sa.text("to_tally"),
    )
    op.create_index(
        "ix_calls_phone",
        "calls",
        ["phone", "at"],
        unique=False,
        postgresql_where=sa.text("phone is not null"),
        sqlite_where=sa.text("phone is not null"),
    )
    op.create_index(
        "ix_calls_patient_index",
        "calls",
        ["patient_index"],
        unique=False,
        postgresql_where=sa.text("patient_index is not null"),
        sqlite_where=sa.text("patient_index is not null"),
    )
    op.create_index(
        "ix_calls_to_forget",
        "calls",
        ["at"],
        unique=False,
        postgresql_where=sa.text("incomplete and forgotten_at is null"),
        sqlite_where=sa.text("incomplete and forgotten_at is null"),
    )


def make_dials() -> None:
    op.create_table(
        "dials",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("agent_phone", sa.String(length=32), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("phone_mobile", sa.Boolean(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("taken_by", sa.String(length=128), nullable=True),
        sa.Column("seen_at", INSTANT, nullable=True),
        sa.Column("cancel_at", INSTANT, nullable=True),
        sa.Column("rung_at", INSTANT, nullable=True),
        sa.Column("bridged_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.CheckConstraint("(state = 'ended') = (ended_at is not null)", name=op.f("ck_dials_ended_at")),
        sa.CheckConstraint("(state = 'ended') = (reason is not null)", name=op.f("ck_dials_reason")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_dials_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dials")),
    )
    op.create_index("ix_dials_agent_requested_at", "dials", ["agent", "requested_at"], unique=False)
    op.create_index(op.f("ix_dials_callback_id_requested_at"), "dials", ["callback_id", "requested_at"], unique=False)
    op.create_index(op.f("ix_dials_phone_rung_at"), "dials", ["phone", "rung_at"], unique=False)
    op.create_index(op.f("ix_dials_rung_at"), "dials", ["rung_at"], unique=False)
    op.create_index(op.f("ix_dials_ended_at"), "dials", ["ended_at"], unique=False)
    op.create_index(
        "ix_dials_requested",
        "dials",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state = 'requested'"),
        sqlite_where=sa.text("state = 'requested'"),
    )
    op.create_index(
        "uq_dials_active_agent",
        "dials",
        ["agent"],
        unique=True,
        postgresql_where=sa.text("state <> 'ended'"),
        sqlite_where=sa.text("state <> 'ended'"),
    )
    op.create_index(
        "uq_dials_active_callback",
        "dials",
        ["callback_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'ended'"),
        sqlite_where=sa.text("state <> 'ended'"),
    )


def make_recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("sound", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_recordings_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("callback_id", name=op.f("pk_recordings")),
    )


def make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("promise_id", SERIAL, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=True),
        sa.CheckConstraint("(state = 'queued') = (phone is not null)", name=op.f("ck_outbox_phone")),
        sa.CheckConstraint("(state = 'queued') = (text is not null)", name=op.f("ck_outbox_text")),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_outbox_callback_id_callbacks")),
        sa.ForeignKeyConstraint(["promise_id"], ["promises.id"], name=op.f("fk_outbox_promise_id_promises")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_callback_id_id"), "outbox", ["callback_id", "id"], unique=False)
    op.create_index(op.f("ix_outbox_promise_id"), "outbox", ["promise_id"], unique=False)
    op.create_index(
        "ix_outbox_queued",
        "outbox",
        ["next_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
        sqlite_where=sa.text("state = 'queued'"),
    )
