"""The tables of the figures. No person is in them, so they outlive the callbacks' data."""

from sqlalchemy import JSON, BigInteger, Column, Date, ForeignKey, Integer, SmallInteger, String, Table, Uuid

from desk.database.instant import Instant
from desk.database.metadata import metadata

tallies = Table(
    "tallies",
    metadata,
    Column("grain", String(8), primary_key=True),
    Column("department", String(64), primary_key=True),
    Column("period", Date, primary_key=True),  # the day, or the first of the month
    Column("calls", Integer, nullable=False),  # these six are sums of what is in `counts`
    Column("incomplete", Integer, nullable=False),
    Column("registered", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("broken", Integer, nullable=False),
    Column("counts", JSON, nullable=False),  # by measure and detail
    sqlite_with_rowid=False,
)

tallied = Table(
    "tallied",
    metadata,
    Column("inquiry_id", Uuid(as_uuid=False), ForeignKey("inquiries.id"), primary_key=True),
    Column("counts", JSON, nullable=False),  # what the tallies have of it
)

tally_progress = Table(
    "tally_progress",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("history_id", BigInteger, nullable=False),  # the history is counted up to and including this row
    Column("due_upto", Instant, nullable=False),  # and promises that were due by then
)
