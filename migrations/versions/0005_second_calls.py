"""Second calls are found by phone; why an incomplete call ended."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OPEN = sa.text("status <> 'closed'")


def upgrade() -> None:
    op.add_column("calls", sa.Column("why", sa.String(length=16), nullable=True))
    op.create_index(
        "ix_callbacks_open_phone", "callbacks", ["department", "phone"], postgresql_where=OPEN, sqlite_where=OPEN
    )


def downgrade() -> None:
    op.drop_index("ix_callbacks_open_phone", "callbacks")
    op.drop_column("calls", "why")
