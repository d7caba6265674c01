"""Queues closed for a time, and how much is promised for when."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "closures",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.String(length=32), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("from_at < until_at", name=op.f("ck_closures_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closures")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_closures_department_until_at"), "closures", ["department", "until_at"])
    op.create_index(op.f("ix_callbacks_department_promise_by"), "callbacks", ["department", "promise_by"])


def downgrade() -> None:
    op.drop_index(op.f("ix_callbacks_department_promise_by"), "callbacks")
    op.drop_table("closures")
