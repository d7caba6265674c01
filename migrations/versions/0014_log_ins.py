"""People log in: passwords and providers' subjects, sessions, known devices, failed tries."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHEN = sa.DateTime(timezone=True)
WORKING = sa.text("revoked_at is null")
ADDED = {"disabled_at": WHEN, "password": sa.String(200), "issuer": sa.String(255), "subject": sa.String(255)}


def upgrade() -> None:
    for name, kind in ADDED.items():
        op.add_column("agents", sa.Column(name, kind, nullable=True))
    op.create_index(
        "uq_agents_working_subject",
        "agents",
        ["issuer", "subject"],
        unique=True,
        postgresql_where=WORKING,
        sqlite_where=WORKING,
    )
    make_sessions()
    make_devices()
    op.create_table(
        "login_tries",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", WHEN, nullable=False),
        sa.Column("last_at", WHEN, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_tries")),
    )
    op.create_index(op.f("ix_login_tries_last_at"), "login_tries", ["last_at"])


def downgrade() -> None:
    for table in ("login_tries", "devices", "sessions"):
        op.drop_table(table)
    op.drop_index("uq_agents_working_subject", "agents")
    for name in reversed(ADDED):
        op.drop_column("agents", name)


def make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("seen_at", WHEN, nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("sid", sa.String(length=255), nullable=True),
        sa.Column("check_by", WHEN, nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_sessions_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_agent_id"), "sessions", ["agent_id"])
    op.create_index(op.f("ix_sessions_issuer_subject"), "sessions", ["issuer", "subject"])


def make_devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("seen_at", WHEN, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_devices_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("agent_id", "hash", name=op.f("uq_devices_agent_id_hash")),
        sqlite_autoincrement=True,
    )
