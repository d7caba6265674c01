"""The tables of single sign-on. Part of the tables in desk/schema/tables.py."""

from sqlalchemy import Column, Index, LargeBinary, String, Table

from desk.database.instant import Instant
from desk.database.metadata import metadata

external_identities = Table(
    "external_identities",
    metadata,
    Column("id", String(64), primary_key=True),  # SHA-256 of issuer and subject, in hex
    Column("refresh_token", LargeBinary),  # sealed; none where the provider gave none
    Column("check_by", Instant, nullable=False),
    Column("asked_until", Instant),  # somebody asks the provider now
    Column("retry_at", Instant),  # the provider could not be asked
)

used_nonces = Table(
    "used_nonces",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("until", Instant, nullable=False),
)
Index("ix_used_nonces_until", used_nonces.c.until)
