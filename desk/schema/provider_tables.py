"""The tables of single sign-on. Part of the tables in desk/schema/tables.py."""

from sqlalchemy import Column, Index, LargeBinary, String, Table

from desk.database.instant import Instant
from desk.database.metadata import metadata

people_of_providers = Table(
    "people_of_providers",
    metadata,
    Column("id", String(64), primary_key=True),  # SHA-256 of issuer and subject, in hex
    Column("refresh_token", LargeBinary),  # sealed; none where the provider gave none
    Column("check_by", Instant, nullable=False),
    Column("asked_until", Instant),  # somebody asks the provider now
    Column("retry_at", Instant),  # the provider could not be asked
)

taken_once = Table(
    "taken_once",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("until", Instant, nullable=False),
)
Index("ix_taken_once_until", taken_once.c.until)
