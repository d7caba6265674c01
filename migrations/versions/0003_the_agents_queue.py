"""The agents' queue: whose a promise is and until when, warnings, answers kept for repeated requests, the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
HELD = sa.text("claimed_by is not null")
UNSENT = sa.text("sent_at is null")


def upgrade() -> None:
    op.create_index(
        op.f("ix_callbacks_department_status_created_at_id"), "callbacks", ["department", "status", "created_at", "id"]
    )
    op.create_index("ix_callbacks_claimed_by", "callbacks", ["claimed_by"], postgresql_where=HELD, sqlite_where=HELD)
    op.create_index(op.f("ix_history_department_id"), "history", ["department", "id"])
    widen_promises()
    make_warnings()
    make_outbox()
    make_answers()


def downgrade() -> None:
    for table in ("answers", "outbox", "warnings"):
        op.drop_table(table)
    op.drop_index(op.f("ix_promises_department_due"), "promises")
    with op.batch_alter_table("promises", table_kwargs={"sqlite_autoincrement": True}) as batch:
        for column in ("reason", "due", "department"):
            batch.drop_column(column)
    op.drop_index(op.f("ix_history_department_id"), "history")
    op.drop_index("ix_callbacks_claimed_by", "callbacks")
    op.drop_index(op.f("ix_callbacks_department_status_created_at_id"), "callbacks")


def widen_promises() -> None:
    """Promises already given are their callback's department's, due at the promised moment."""
    op.add_column("promises", sa.Column("department", sa.String(length=64), nullable=True))
    op.add_column("promises", sa.Column("due", sa.DateTime(timezone=True), nullable=True))
    op.add_column("promises", sa.Column("reason", sa.String(length=16), nullable=True))
    op.execute(
        "update promises set due = promise_by, reason = 'registered', department = "
        "(select department from callbacks where callbacks.id = promises.callback_id)"
    )
    with op.batch_alter_table("promises", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("department", existing_type=sa.String(length=64), nullable=False)
        batch.alter_column("due", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch.alter_column("reason", existing_type=sa.String(length=16), nullable=False)
    op.create_index(op.f("ix_promises_department_due"), "promises", ["department", "due"])


def make_warnings() -> None:
    op.create_table(
        "warnings",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("promise_id", SERIAL, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("predicted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_warnings_callback_id_callbacks")),
        sa.ForeignKeyConstraint(["promise_id"], ["promises.id"], name=op.f("fk_warnings_promise_id_promises")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warnings")),
        sa.UniqueConstraint("promise_id", name=op.f("uq_warnings_promise_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_warnings_department_id"), "warnings", ["department", "id"])


def make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["callback_id"], ["callbacks.id"], name=op.f("fk_outbox_callback_id_callbacks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_unsent", "outbox", ["id"], postgresql_where=UNSENT, sqlite_where=UNSENT)


def make_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint("agent", "key", name=op.f("uq_answers_agent_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_answers_at"), "answers", ["at"])
