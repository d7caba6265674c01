"""The audit: rows that are added and never changed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHEN = sa.DateTime(timezone=True)
GUARDED = ("audit", "audit_callbacks")
OF_PATIENT = sa.text("patient_index is not null")
THROUGH = sa.text("through is not null")

# Too old is what a row of the audit itself says so of. On PostgreSQL only the tables' owner may delete even that.
POSTGRESQL_STAYS = """
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
SQLITE_STAYS = {
    "update": "create trigger {table}_update before update on {table} begin {refuse} end",
    "delete": (
        "create trigger {table}_delete before delete on {table} "
        "when not exists (select 1 from audit where through >= old.seq) begin {refuse} end"
    ),
    # «insert or replace» would delete without a trigger being asked
    "replace": (
        "create trigger {table}_replace before insert on {table} "
        "when exists (select 1 from {table} where {same}) begin {refuse} end"
    ),
}
REFUSE = "select raise(abort, 'the audit is only ever added to');"
SAME = {"audit": "seq = new.seq", "audit_callbacks": "seq = new.seq and callback_id = new.callback_id"}


def upgrade() -> None:
    make_audit()
    make_callbacks()
    op.create_table(
        "audit_patients",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("patient_index", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_patients")),
        sa.UniqueConstraint("patient_index", name=op.f("uq_audit_patients_patient_index")),
    )
    guard()


def downgrade() -> None:
    for table in ("audit_patients", "audit_callbacks", "audit"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function audit_stays()")


def make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", SEQ, autoincrement=False, nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("who", sa.String(length=128), nullable=True),
        sa.Column("role", sa.String(length=128), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=True),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("session", sa.String(length=64), nullable=True),
        sa.Column("emergency", sa.Boolean(), nullable=False),
        sa.Column("through", SEQ, nullable=True),
        sa.Column("through_hash", sa.LargeBinary(), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
    op.create_index(op.f("ix_audit_who_seq"), "audit", ["who", "seq"])
    op.create_index(op.f("ix_audit_department_seq"), "audit", ["department", "seq"])
    some("ix_audit_patient", "audit", ["patient_index", "seq"], OF_PATIENT)
    some("ix_audit_through", "audit", ["through"], THROUGH)


def make_callbacks() -> None:
    op.create_table(
        "audit_callbacks",
        sa.Column("seq", SEQ, autoincrement=False, nullable=False),
        sa.Column("callback_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("patient_index", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("seq", "callback_id", name=op.f("pk_audit_callbacks")),
    )
    op.create_index(op.f("ix_audit_callbacks_callback_id_seq"), "audit_callbacks", ["callback_id", "seq"])
    some("ix_audit_callbacks_patient", "audit_callbacks", ["patient_index", "seq"], OF_PATIENT)


def some(name: str, table: str, columns: list[str], condition: sa.TextClause) -> None:
    op.create_index(name, table, columns, postgresql_where=condition, sqlite_where=condition)


def guard() -> None:
    """Changing and deleting is refused by the database itself, whoever asks."""
    if op.get_bind().dialect.name != "postgresql":
        for table in GUARDED:
            for trigger in SQLITE_STAYS.values():
                op.execute(trigger.format(table=table, refuse=REFUSE, same=SAME[table]))
        return
    op.execute(POSTGRESQL_STAYS)
    for table in GUARDED:
        row = "for each row execute function audit_stays()"
        op.execute(f"create trigger {table}_stays before update or delete on {table} {row}")
        whole = "for each statement execute function audit_stays()"
        op.execute(f"create trigger {table}_stays_whole before truncate on {table} {whole}")
