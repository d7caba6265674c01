"""Until when a password that somebody else chose opens, and only to be changed; those there are stay as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("agents", sa.Column("change_password_by", WHEN, nullable=True))


def downgrade() -> None:
    """A first password that was not changed opens nothing afterwards: it would last for good."""
    op.execute("update agents set password = null where change_password_by is not null")
    op.drop_column("agents", "change_password_by")
