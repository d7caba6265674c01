"""Tables of who may use the web door."""

import sqlalchemy as sa
from alembic import op

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only in INTEGER columns
INSTANT = sa.DateTime(timezone=True)

TABLES = (
    "agents",
    "external_identities",
    "login_tries",
    "request_buckets",
    "shares",
    "used_nonces",
    "devices",
    "emergency_access",
    "grants",
    "recovery_codes",
    "second_factors",
    "sessions",
    "tokens",
)


def upgrade() -> None:
    make_agents()
    make_external_identities()
    make_login_tries()
    make_request_buckets()
    make_shares()
    make_used_nonces()
    make_devices()
    make_emergency_access()
    make_grants()
    make_recovery_codes()
    make_second_factors()
    make_sessions()
    make_tokens()


def make_agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("disabled_at", INSTANT, nullable=True),
        sa.Column("password", sa.String(length=200), nullable=True),
        sa.Column("change_password_by", INSTANT, nullable=True),
        sa.Column("issuer", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_agents_working_name",
        "agents",
        ["name"],
        unique=True,
        postgresql_where=sa.text("revoked_at is null"),
        sqlite_where=sa.text("revoked_at is null"),
    )
    op.create_index(
        "uq_agents_working_subject",
        "agents",
        ["issuer", "subject"],
        unique=True,
        postgresql_where=sa.text("revoked_at is null"),
        sqlite_where=sa.text("revoked_at is null"),
    )


def make_external_identities() -> None:
    op.create_table(
        "external_identities",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("refresh_token", sa.LargeBinary(), nullable=True),
        sa.Column("check_by", INSTANT, nullable=False),
        sa.Column("asked_until", INSTANT, nullable=True),
        sa.Column("retry_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identities")),
    )


def make_login_tries() -> None:
    op.create_table(
        "login_tries",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_tries")),
    )
    op.create_index(op.f("ix_login_tries_last_at"), "login_tries", ["last_at"], unique=False)


def make_request_buckets() -> None:
    op.create_table(
        "request_buckets",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("full_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_request_buckets")),
    )


def make_shares() -> None:
    op.create_table(
        "shares",
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("full_at", INSTANT, nullable=False),
        sa.Column("notified_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("who", "what", name=op.f("pk_shares")),
    )
    op.create_index(op.f("ix_shares_full_at"), "shares", ["full_at"], unique=False)


def make_used_nonces() -> None:
    op.create_table(
        "used_nonces",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_used_nonces")),
    )
    op.create_index("ix_used_nonces_until", "used_nonces", ["until"], unique=False)


def make_devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_devices_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("agent_id", "hash", name=op.f("uq_devices_agent_id_hash")),
        sqlite_autoincrement=True,
    )


def make_emergency_access() -> None:
    op.create_table(
        "emergency_access",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_by", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_emergency_access_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency_access")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_emergency_access_agent_id_until"), "emergency_access", ["agent_id", "until"], unique=False)
    op.create_index(op.f("ix_emergency_access_department_id"), "emergency_access", ["department", "id"], unique=False)


def make_grants() -> None:
    op.create_table(
        "grants",
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_grants_agent_id_agents")),
        sa.PrimaryKeyConstraint("agent_id", "role", "department", name=op.f("pk_grants")),
    )


def make_recovery_codes() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_recovery_codes_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("hash", name=op.f("uq_recovery_codes_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_recovery_codes_agent_id"), "recovery_codes", ["agent_id"], unique=False)


def make_second_factors() -> None:
    op.create_table(
        "second_factors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_second_factors_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
    )
    op.create_index(op.f("ix_second_factors_agent_id"), "second_factors", ["agent_id"], unique=False)
    op.create_index(
        "uq_second_factors_active",
        "second_factors",
        ["agent_id"],
        unique=True,
        postgresql_where=sa.text("confirmed_at is not null"),
        sqlite_where=sa.text("confirmed_at is not null"),
    )


def make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=True),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("sid", sa.String(length=255), nullable=True),
        sa.Column("check_by", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_sessions_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_agent_id"), "sessions", ["agent_id"], unique=False)
    op.create_index(op.f("ix_sessions_issuer_subject"), "sessions", ["issuer", "subject"], unique=False)


def make_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("agent_id", SERIAL, nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("last_used_at", INSTANT, nullable=True),
        sa.Column("given_by", SERIAL, nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_tokens_agent_id_agents")),
        sa.ForeignKeyConstraint(["given_by"], ["tokens.id"], name=op.f("fk_tokens_given_by_tokens")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_agent_id"), "tokens", ["agent_id"], unique=False)
    op.create_index(op.f("ix_tokens_given_by"), "tokens", ["given_by"], unique=False)
