"""Tables of the processes that serve people. Part of the tables in desk/schema/tables.py."""

from sqlalchemy import JSON, Column, Integer, SmallInteger, String, Table

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

doors = Table(  # processes, and what each holds of the operators' files
    "doors",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("host", String(128), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),  # the last report
    Column("files", JSON, nullable=False),  # name, since when, why, and the last refusal of each
)
