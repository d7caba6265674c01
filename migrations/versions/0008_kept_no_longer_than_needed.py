"""Keys the database knows, nights of deleting, what has been deleted and what may not be."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEPT = "forgotten_at is null"
LISTS = (  # the old index of each list, the new one over what is kept, and their columns
    ("callbacks", "ix_callbacks_department_created_at_id", "ix_callbacks_kept_created_at"),
    ("callbacks", "ix_callbacks_department_status_created_at_id", "ix_callbacks_kept_status_created_at"),
    ("calls", "ix_calls_department_incomplete_id", "ix_calls_kept_incomplete"),
    ("calls", "ix_calls_department_id", "ix_calls_kept"),
)
COLUMNS = (
    ["department", "created_at", "id"],
    ["department", "status", "created_at", "id"],
    ["department", "incomplete", "id"],
    ["department", "id"],
)


def upgrade() -> None:
    op.add_column("callbacks", sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("callbacks", sa.Column("legal_hold", sa.String(length=64), nullable=True))
    op.add_column("calls", sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))
    for (table, old, new), columns in zip(LISTS, COLUMNS, strict=True):
        partial(new, table, columns, KEPT)
        op.drop_index(old, table)
    partial("ix_callbacks_to_forget", "callbacks", ["closed_at"], f"closed_at is not null and {KEPT}")
    partial("ix_calls_to_forget", "calls", ["at"], f"incomplete and {KEPT}")
    partial("ix_calls_callback_id", "calls", ["callback_id"], f"callback_id is not null and {KEPT}")
    op.create_table(
        "vault_keys",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("canary", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("pk_vault_keys")),
    )
    op.create_table(
        "retention_runs",
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("runner", sa.String(length=128), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("night", name=op.f("pk_retention_runs")),
    )


def downgrade() -> None:
    op.drop_table("retention_runs")
    op.drop_table("vault_keys")
    for index in ("ix_calls_callback_id", "ix_calls_to_forget"):
        op.drop_index(index, "calls")
    op.drop_index("ix_callbacks_to_forget", "callbacks")
    for (table, old, new), columns in zip(LISTS, COLUMNS, strict=True):
        op.create_index(old, table, columns)
        op.drop_index(new, table)
    op.drop_column("calls", "forgotten_at")
    op.drop_column("callbacks", "legal_hold")
    op.drop_column("callbacks", "forgotten_at")


def partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
