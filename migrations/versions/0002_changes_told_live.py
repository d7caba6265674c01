"""Changes told live: each history row names the callback's version, and PostgreSQL tells of new rows.

The trigger runs before a row's id is drawn. See desk/history/feed_repository.py for what the lock is for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LOCK = 0x1AA1_21D7

FUNCTION = f"""
create function history_is_written() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared({LOCK});
    perform pg_notify('innringing_history', '');
    return null;
end
$$
"""
TRIGGER = """
create trigger history_is_written before insert on history for each statement execute function history_is_written()
"""


def upgrade() -> None:
    op.add_column("history", sa.Column("version", sa.Integer(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION)
        op.execute(TRIGGER)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop trigger history_is_written on history")
        op.execute("drop function history_is_written()")
    op.drop_column("history", "version")
