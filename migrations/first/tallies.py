"""Tables of the figures."""

import sqlalchemy as sa
from alembic import op

INSTANT = sa.DateTime(timezone=True)

TABLES = ("tallies", "tallied", "tally_progress")


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("grain", sa.String(length=8), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("incomplete", sa.Integer(), nullable=False),
        sa.Column("registered", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("broken", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("grain", "department", "period", name=op.f("pk_tallies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tallied",
        sa.Column("inquiry_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["inquiry_id"], ["inquiries.id"], name=op.f("fk_tallied_inquiry_id_inquiries")),
        sa.PrimaryKeyConstraint("inquiry_id", name=op.f("pk_tallied")),
    )
    op.create_table(
        "tally_progress",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("history_id", sa.BigInteger(), nullable=False),
        sa.Column("due_upto", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_progress")),
    )
