"""Leases that have run out are found by an index of the claimed ones alone."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

HELD = sa.text("lease_until is not null")


def upgrade() -> None:
    op.create_index("ix_callbacks_lease_until", "callbacks", ["lease_until"], postgresql_where=HELD, sqlite_where=HELD)


def downgrade() -> None:
    op.drop_index("ix_callbacks_lease_until", "callbacks")
