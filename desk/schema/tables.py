"""The tables. Alembic's migrations make them; a test keeps the two equal on both engines.

Tables of inquiries: inquiry_tables.py. Tables of agents and their access: access_tables.py. Tables of the audit:
audit_tables.py.

Instants are aware UTC on both engines. Codes (status, outcome …) are text: the rules that read them are in desk/.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)

from desk.database.instant import Instant
from desk.database.metadata import metadata as metadata
from desk.database.metadata import serial, where
from desk.schema.access_tables import agents as agents
from desk.schema.access_tables import devices as devices
from desk.schema.access_tables import emergency_access as emergency_access
from desk.schema.access_tables import grants as grants
from desk.schema.access_tables import login_tries as login_tries
from desk.schema.access_tables import recovery_codes as recovery_codes
from desk.schema.access_tables import request_buckets as request_buckets
from desk.schema.access_tables import second_factors as second_factors
from desk.schema.access_tables import sessions as sessions
from desk.schema.access_tables import shares as shares
from desk.schema.access_tables import tokens as tokens
from desk.schema.audit_tables import audit as audit
from desk.schema.audit_tables import audit_callbacks as audit_callbacks
from desk.schema.audit_tables import audit_patients as audit_patients
from desk.schema.controller_tables import controllers as controllers
from desk.schema.controller_tables import doors as doors
from desk.schema.controller_tables import write_probes as write_probes
from desk.schema.inquiry_tables import history as history
from desk.schema.inquiry_tables import inquiries as inquiries
from desk.schema.inquiry_tables import promises as promises
from desk.schema.inquiry_tables import warnings as warnings
from desk.schema.provider_tables import external_identities as external_identities
from desk.schema.provider_tables import used_nonces as used_nonces
from desk.schema.tally_tables import tallied as tallied
from desk.schema.tally_tables import tallies as tallies
from desk.schema.tally_tables import tally_progress as tally_progress


def _callback() -> Column[Any]:
    return Column("callback_id", Uuid(as_uuid=False), ForeignKey("callbacks.id"), nullable=False)


callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Uuid(as_uuid=False), ForeignKey("inquiries.id"), primary_key=True),
    Column("phone", String(20), nullable=False),
    Column("phone_mobile", Boolean, nullable=False),
    Column("added_phone", String(20)),  # given from another phone; an agent decides whether to use it
    Column("identity_doubtful", Boolean, nullable=False, server_default=false()),  # its keys could mean someone else
    Column("call_count", Integer, nullable=False),
    Column("attempts_from", Instant, nullable=False),  # earlier attempts belong to a round of tries that is over
    Column("sms", String(16)),  # the state of the newest text to the patient
    Column("others_on_phone", Integer, nullable=False, server_default=text("0")),  # open when this one was added
    Column("has_recording", Boolean, nullable=False, server_default=false()),
)
Index("ix_callbacks_phone", callbacks.c.phone, **where(text("phone <> ''")))  # empty: the person is forgotten

attempts = Table(
    "attempts",
    metadata,
    serial(),
    _callback(),
    Column("at", Instant, nullable=False),
    Column("agent", String(128), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("note", Text),
    Index(None, "callback_id", "id"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    serial(),
    _callback(),
    Column("promise_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("promises.id")),
    Column("kind", String(16), nullable=False),
    Column("key", Uuid(as_uuid=False), nullable=False, unique=True),  # what the gateway knows it by, however often sent
    Column("at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("phone", LargeBinary),  # sealed by the vault, as the text is; both are forgotten once it has left
    Column("text", LargeBinary),
    Column("next_at", Instant, nullable=False),  # not taken by a sender before this
    Column("tries", Integer, nullable=False),
    Column("reference", String(128)),  # the gateway's own
    Column("reason", String(32)),
    Column("parts", JSON),  # what was reported of each part
    CheckConstraint("(state = 'queued') = (phone is not null)", name="phone"),
    CheckConstraint("(state = 'queued') = (text is not null)", name="text"),
    Index(None, "callback_id", "id"),
    Index(None, "promise_id"),
    sqlite_autoincrement=True,
)
_queued = text("state = 'queued'")
Index("ix_outbox_queued", outbox.c.next_at, outbox.c.id, postgresql_where=_queued, sqlite_where=_queued)

answers = Table(
    "answers",
    metadata,
    serial(),
    Column("agent", String(128), nullable=False),
    Column("key", String(200), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),  # of the request, under the vault's index key
    Column("answer", LargeBinary),  # sealed by the vault; none while the request is worked on
    Column("at", Instant, nullable=False),
    UniqueConstraint("agent", "key"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

recordings = Table(
    "recordings",
    metadata,
    Column("callback_id", Uuid(as_uuid=False), ForeignKey("callbacks.id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("key", LargeBinary, nullable=False),  # the sound's own, sealed by the vault
    Column("sound", LargeBinary, nullable=False),  # A-law, sealed with that key
)

closures = Table(
    "closures",
    metadata,
    serial(),
    Column("department", String(64), nullable=False),
    Column("agent", String(128), nullable=False),
    Column("at", Instant, nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("text", String(32), nullable=False),  # the prompt that says so
    Column("replaced_at", Instant),  # a later one took its place
    CheckConstraint("from_at < until_at", name="order"),
    Index(None, "department", "until_at"),
    sqlite_autoincrement=True,
)

calls = Table(
    "calls",
    metadata,
    serial(),
    Column("asterisk_id", String(128), nullable=False),
    Column("channel_id", String(128), nullable=False),
    Column("department", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("phone", String(20)),
    Column("phone_mobile", Boolean),
    Column("patient_kind", String(16)),  # of an incomplete call in which an identity number was keyed
    Column("patient_masked", String(11)),
    Column("patient_number", LargeBinary),  # sealed by the vault
    Column("patient_index", LargeBinary),  # finds it without opening it
    Column("step", String(16)),
    Column("why", String(16)),
    Column("incomplete", Boolean, nullable=False),
    Column("callback_id", Uuid(as_uuid=False), ForeignKey("callbacks.id")),
    Column("follow_up", String(16)),  # how an agent dealt with an incomplete call
    Column("led_to", Uuid(as_uuid=False), ForeignKey("callbacks.id")),  # the callback made of an incomplete call
    Column("forgotten_at", Instant),
    Column("prompts", String(16)),  # the version of the prompts that the caller heard
    Column("followed", Boolean, nullable=False, server_default=false()),  # by a call from the number soon after
    Column("to_tally", Boolean, nullable=False, server_default=true()),  # changed since it was counted
    Column("tallied", JSON(none_as_null=True)),  # what the tallies have of it
    UniqueConstraint("asterisk_id", "channel_id"),
    CheckConstraint("incomplete = (callback_id is null)", name="incomplete"),
    sqlite_autoincrement=True,
)
_kept = text("forgotten_at is null")
Index("ix_calls_kept_incomplete", *(calls.c[name] for name in ("department", "incomplete", "id")), **where(_kept))
Index("ix_calls_kept", calls.c.department, calls.c.id, **where(_kept))
Index("ix_calls_on_line", calls.c.asterisk_id, **where(text("incomplete and why is null")))
Index("ix_calls_patient_index", calls.c.patient_index, **where(text("patient_index is not null")))
Index("ix_calls_to_forget", calls.c.at, **where(text("incomplete and forgotten_at is null")))
Index("ix_calls_to_tally", calls.c.id, **where(text("to_tally")))
Index("ix_calls_phone", calls.c.phone, calls.c.at, **where(text("phone is not null")))
Index("ix_calls_callback_id", calls.c.callback_id, **where(text("callback_id is not null and forgotten_at is null")))

dials = Table(
    "dials",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    _callback(),
    Column("department", String(64), nullable=False),
    Column("agent", String(128), nullable=False),
    Column("agent_phone", String(32), nullable=False),  # the endpoint rung first
    Column("phone", String(20), nullable=False),  # the patient's
    Column("phone_mobile", Boolean, nullable=False),
    Column("fence", Integer, nullable=False),  # of the claim it was asked for under
    Column("state", String(16), nullable=False),
    Column("reason", String(24)),
    Column("requested_at", Instant, nullable=False),
    Column("taken_by", String(128)),  # Asterisk's id, a slash, the controller's own
    Column("seen_at", Instant),  # when its controller last said that it lives
    Column("cancel_at", Instant),  # when somebody asked for its end
    Column("rung_at", Instant),  # when the patient was first rung
    Column("bridged_at", Instant),
    Column("ended_at", Instant),
    CheckConstraint("(state = 'ended') = (reason is not null)", name="reason"),
    CheckConstraint("(state = 'ended') = (ended_at is not null)", name="ended_at"),
    Index(None, "callback_id", "requested_at"),
    Index(None, "phone", "rung_at"),
    Index(None, "rung_at"),
    Index(None, "ended_at"),
)

_active = text("state <> 'ended'")
Index("uq_dials_active_callback", dials.c.callback_id, unique=True, postgresql_where=_active, sqlite_where=_active)
Index("uq_dials_active_agent", dials.c.agent, unique=True, postgresql_where=_active, sqlite_where=_active)
Index("ix_dials_agent_requested_at", dials.c.agent, dials.c.requested_at)
_requested = text("state = 'requested'")
Index("ix_dials_requested", dials.c.requested_at, postgresql_where=_requested, sqlite_where=_requested)

vault_keys = Table(
    "vault_keys",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("canary", LargeBinary, nullable=False),  # what only this key can have made
    Column("made_at", Instant, nullable=False),
    Column("retired_at", Instant),  # nothing sealed with it was left
)

retention_runs = Table(
    "retention_runs",
    metadata,
    Column("night", Date, primary_key=True),
    Column("runner", String(128), nullable=False),
    Column("fence", Integer, nullable=False),  # grows when another takes over
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),  # when its runner last did something
    Column("finished_at", Instant),
    Column("deleted", JSON, nullable=False),  # how many, by kind
)
