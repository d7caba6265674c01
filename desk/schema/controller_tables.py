"""Tables of the phone door's processes. Part of the tables in desk/schema/tables.py."""

from sqlalchemy import Column, Integer, SmallInteger, String, Table

from desk.database.instant import Instant
from desk.database.metadata import metadata

controllers = Table(
    "controllers",
    metadata,
    Column("asterisk_id", String(128), primary_key=True),
    Column("controller", String(64), nullable=False),  # the process that may connect to this Asterisk
    Column("fence", Integer, nullable=False),  # grows when another process takes over
    Column("taken_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),  # the last heartbeat
    Column("lease_until", Instant, nullable=False),
    Column("calls", Integer, nullable=False),  # on the line at the last heartbeat
    Column("spooled", Integer, nullable=False),  # files in its spool that are not in the database yet
    Column("damaged", Integer, nullable=False),  # files in its spool that were set aside
)

write_probes = Table(
    "write_probes",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),  # when readiness last wrote here, to see if the database takes writes
)
