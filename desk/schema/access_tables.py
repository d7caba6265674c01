"""The tables of who may use the web door. Part of the tables in desk/schema/tables.py."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from desk.database.instant import Instant
from desk.database.metadata import metadata, serial, where


def _agent(**more: Any) -> Column[Any]:
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("agent_id", kind, ForeignKey("agents.id"), nullable=False, **more)


agents = Table(
    "agents",
    metadata,
    serial(),
    Column("name", String(128), nullable=False),
    Column("phone", String(32)),  # the endpoint of the agent's phone
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("disabled_at", Instant),
    Column("password", String(200)),  # argon2id, with its parameters and salt
    Column("change_password_by", Instant),  # a first password: opens until then, to be changed
    Column("issuer", String(255)),  # the provider the agent is known at, and as whom
    Column("subject", String(255)),
    sqlite_autoincrement=True,
)
_working = text("revoked_at is null")
Index("uq_agents_working_name", agents.c.name, unique=True, **where(_working))
Index("uq_agents_working_subject", agents.c.issuer, agents.c.subject, unique=True, **where(_working))

grants = Table(
    "grants",
    metadata,
    _agent(primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("department", String(64), primary_key=True),  # a slug, or * for all
)

tokens = Table(
    "tokens",
    metadata,
    serial(),
    _agent(index=True),
    Column("label", String(64), nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scope", JSON(none_as_null=True)),  # departments and permissions it is narrowed to
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("given_by", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("tokens.id"), index=True),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    serial(),
    _agent(index=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("source", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("issuer", String(255)),  # of a log-in at a provider, with what is below
    Column("subject", String(255)),
    Column("sid", String(255)),
    Column("check_by", Instant),
    Index(None, "issuer", "subject"),
    sqlite_autoincrement=True,
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("id", String(36), primary_key=True),
    _agent(index=True),
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),  # from then on it is asked for; until then it is being set up
    Column("last_step", BigInteger),  # of the newest code taken: none of that step or before is taken again
)
_active = text("confirmed_at is not null")
Index("uq_second_factors_active", second_factors.c.agent_id, unique=True, **where(_active))

recovery_codes = Table(
    "recovery_codes",
    metadata,
    serial(),
    _agent(index=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

emergency_access = Table(
    "emergency_access",
    metadata,
    serial(),
    _agent(),
    Column("department", String(64), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("ended_at", Instant),  # before its time
    Column("ended_by", String(128)),
    Index(None, "department", "id"),
    Index(None, "agent_id", "until"),
    sqlite_autoincrement=True,
)

devices = Table(
    "devices",
    metadata,
    serial(),
    _agent(),
    Column("hash", LargeBinary, nullable=False),  # one browser may be several agents'
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    UniqueConstraint("agent_id", "hash"),
    sqlite_autoincrement=True,
)

login_tries = Table(
    "login_tries",
    metadata,
    Column("key", String(64), primary_key=True),  # an HMAC of whose tries: an account's, a device's, an address'
    Column("failures", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Index(None, "last_at"),
)

request_buckets = Table(  # what all processes together have spent of a log-in's or token's requests
    "request_buckets",
    metadata,
    Column("key", String(64), primary_key=True),  # a hash of the hash of its secret
    Column("full_at", Instant, nullable=False),
)

shares = Table(  # how much is left of what is limited by agent or by phone
    "shares",
    metadata,
    Column("who", String(128), primary_key=True),  # an agent's name, or an HMAC of a phone number
    Column("what", String(16), primary_key=True),
    Column("full_at", Instant, nullable=False),
    Column("notified_at", Instant),  # when a department was notified that the share was used up
    Index(None, "full_at"),
)
