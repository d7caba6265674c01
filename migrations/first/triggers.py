"""Triggers of the first tables.

The audit: the database itself refuses to change or delete its rows, also for its owner. Only rows that a row of the
audit itself declares too old (`through`) may be deleted, on PostgreSQL only by the owner of the tables.

The history, on PostgreSQL: each statement that adds rows takes a shared lock before the rows get their ids. What the
lock is for: desk/history/feed_repository.py.
"""

from alembic import op

GUARDED = ("audit", "audit_callbacks")
HISTORY_LOCK = 0x1AA1_21D7

POSTGRESQL_GUARD = """
create function audit_stays() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE'
        and current_user = (select pg_get_userbyid(relowner) from pg_class where oid = tg_relid)
        and old.seq <= (select max(through) from audit where through is not null)
    then
        return old;
    end if;
    raise exception 'the audit is only ever added to' using errcode = 'insufficient_privilege';
end $$
"""
SQLITE_GUARDS = (
    "create trigger {table}_update before update on {table} begin {refuse} end",
    "create trigger {table}_delete before delete on {table} "
    "when not exists (select 1 from audit where through >= old.seq) begin {refuse} end",
    # «insert or replace» would delete without asking a delete trigger
    "create trigger {table}_replace before insert on {table} "
    "when exists (select 1 from {table} where {same}) begin {refuse} end",
)
REFUSE = "select raise(abort, 'the audit is only ever added to');"
SAME = {
    "audit": "seq = new.seq",
    "audit_callbacks": "seq = new.seq and callback_id = new.callback_id and department = new.department",
}

POSTGRESQL_HISTORY = f"""
create function history_is_written() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared({HISTORY_LOCK});
    return null;
end $$
"""
HISTORY_TRIGGER = """
create trigger history_is_written before insert on history for each statement execute function history_is_written()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        for table in GUARDED:
            for trigger in SQLITE_GUARDS:
                op.execute(trigger.format(table=table, refuse=REFUSE, same=SAME[table]))
        return
    op.execute(POSTGRESQL_GUARD)
    for table in GUARDED:
        row = "for each row execute function audit_stays()"
        op.execute(f"create trigger {table}_stays before update or delete on {table} {row}")
        whole = "for each statement execute function audit_stays()"
        op.execute(f"create trigger {table}_stays_whole before truncate on {table} {whole}")
    op.execute(POSTGRESQL_HISTORY)
    op.execute(HISTORY_TRIGGER)


def downgrade() -> None:
    """Triggers go with their tables; PostgreSQL's functions do not, and need `cascade` while the tables are there."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function audit_stays() cascade")
        op.execute("drop function history_is_written() cascade")
