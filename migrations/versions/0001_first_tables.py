"""The first tables, with the triggers that keep the audit's rows and lock the history while it is written to."""

from alembic import op

from migrations.first import access, audit, channels, controllers, queue, tallies, triggers, upkeep

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PARTS = (access, queue, channels, controllers, upkeep, audit, tallies)
"""In this order: a table comes after those that it refers to."""


def upgrade() -> None:
    for part in PARTS:
        part.upgrade()
    triggers.upgrade()


def downgrade() -> None:
    triggers.downgrade()
    for part in reversed(PARTS):
        for table in reversed(part.TABLES):
            op.drop_table(table)
