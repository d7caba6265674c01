"""The tables of who may use the web door. Part of the tables in desk/storage/tables.py."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, text

from desk.storage.instant import Instant
from desk.storage.metadata import metadata, serial, where


def _agent(**more: Any) -> Column[Any]:
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("agent_id", kind, ForeignKey("agents.id"), nullable=False, **more)


agents = Table(
    "agents",
    metadata,
    serial(),
    Column("name", String(128), nullable=False),
    Column("phone", String(32)),  # the endpoint the agent is rung at
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    sqlite_autoincrement=True,
)
Index("uq_agents_working_name", agents.c.name, unique=True, **where(text("revoked_at is null")))

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
    sqlite_autoincrement=True,
)
