"""A list looked at again and again: callbacks named shortly before are counted, not written down once more."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

NAMED = sa.text("named_until is not null")


def upgrade() -> None:
    """Rows there stay as they are: with nothing in the new columns they have the hash they had."""
    op.add_column("audit", sa.Column("again", sa.Integer(), nullable=True))
    op.add_column("audit", sa.Column("named_until", sa.DateTime(timezone=True), nullable=True))
    columns = ["session", "action", "named_until"]
    op.create_index("ix_audit_named", "audit", columns, postgresql_where=NAMED, sqlite_where=NAMED)


def downgrade() -> None:
    """Looks at lists written meanwhile can't be verified afterwards: what was counted is part of their hash."""
    op.drop_index("ix_audit_named", "audit")
    op.drop_column("audit", "named_until")
    op.drop_column("audit", "again")
