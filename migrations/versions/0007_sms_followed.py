"""Texts to patients: sealed, taken by one sender at a time, and followed until they have arrived."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNSENT = sa.text("sent_at is null")
OLD = sa.table(
    "outbox",
    sa.column("id", sa.Integer()),
    sa.column("callback_id", sa.Uuid(as_uuid=False)),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("sent_at", sa.DateTime(timezone=True)),
)
QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    """Texts written so far could not be sent by anything: they are told as expired, and their words not kept."""
    op.add_column("callbacks", sa.Column("sms", sa.String(length=16), nullable=True))
    rows = [
        {
            **{"callback_id": row.callback_id, "kind": "new_promise", "key": str(uuid4())},
            **{"at": row.at, "changed_at": row.at, "next_at": row.at, "tries": 0},
            "state": "expired" if row.sent_at is None else "sent",
        }
        for row in op.get_bind().execute(sa.select(OLD).order_by(OLD.c.id))
    ]
    op.drop_table("outbox")
    made = make_outbox()
    if rows:
        op.get_bind().execute(sa.insert(made), rows)


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_column("callbacks", "sms")
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


def make_outbox() -> sa.Table:
    made = op.create_table(
        "outbox",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("promise_id", SERIAL, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
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
    op.create_index(op.f("ix_outbox_callback_id_id"), "outbox", ["callback_id", "id"])
    op.create_index(op.f("ix_outbox_promise_id"), "outbox", ["promise_id"])
    op.create_index("ix_outbox_queued", "outbox", ["next_at", "id"], postgresql_where=QUEUED, sqlite_where=QUEUED)
    return made
