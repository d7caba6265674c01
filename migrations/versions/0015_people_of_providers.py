"""Who logged in at a provider is asked about again, and some things are taken once."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "people_of_providers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("check_by", WHEN, nullable=False),
        sa.Column("asked_until", WHEN, nullable=True),
        sa.Column("retry_at", WHEN, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_of_providers")),
    )
    op.create_table(
        "taken_once",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("until", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_taken_once")),
    )
    op.create_index("ix_taken_once_until", "taken_once", ["until"])


def downgrade() -> None:
    op.drop_table("taken_once")
    op.drop_table("people_of_providers")
