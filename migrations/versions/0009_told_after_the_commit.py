"""The trigger on history only takes the lock: who writes tells others after its commit (desk/database/notify.py)."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LOCK = 0x1AA1_21D7

FUNCTION = """
create or replace function history_is_written() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared({lock});
    {tell}
    return null;
end
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION.format(lock=LOCK, tell=""))


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION.format(lock=LOCK, tell="perform pg_notify('innringing_history', '');"))
