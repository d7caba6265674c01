"""Tables of keys, of nightly deletion, and of answers kept for requests that may be repeated."""

import sqlalchemy as sa
from alembic import op

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only in INTEGER columns
INSTANT = sa.DateTime(timezone=True)

TABLES = ("answers", "retention_runs", "vault_keys")


def upgrade() -> None:
    make_answers()
    make_retention_runs()
    make_vault_keys()


def make_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answers")),
        sa.UniqueConstraint("agent", "key", name=op.f("uq_answers_agent_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_answers_at"), "answers", ["at"], unique=False)


def make_retention_runs() -> None:
    op.create_table(
        "retention_runs",
        sa.Column("night", sa.Date(), nullable=False),
        sa.Column("runner", sa.String(length=128), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("deleted", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("night", name=op.f("pk_retention_runs")),
    )


def make_vault_keys() -> None:
    op.create_table(
        "vault_keys",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("canary", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("pk_vault_keys")),
    )
