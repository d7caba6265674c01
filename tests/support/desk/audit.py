"""Shared by the tests of the audit: an audit, entries to write, and the current rows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from desk.access.actor import SYSTEM
from desk.audit import repository as rows
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.audit.chain import Anchor
from desk.audit.repository import AuditRow
from desk.audit.verify import AuditVerifier, Fault
from desk.clock import Clock, SystemClock
from desk.database.engine import Database
from desk.database.unit_of_work import Unit
from desk.vault.vault import Vault
from tests.support.desk.desk import KEYS

VAULT = Vault(**KEYS)


def make_audit(database: Database, clock: Clock, vault: Vault = VAULT, *, fold: timedelta = timedelta(0)) -> Audit:
    return Audit(database=database, vault=vault, clock=clock, fold=fold)


def entry(action: AuditAction = AuditAction.GET_CALLBACK, **more: Any) -> AuditEntry:
    given: dict[str, Any] = {
        "who": "kari",
        "role": "agent",
        "outcome": AuditOutcome.DONE,
        "source": "127.0.0.1",
        "status": 200,
    }
    return AuditEntry(action=action, **{**given, **more})


async def everything(database: Database) -> list[AuditRow]:
    """All rows, the oldest first."""
    async with database.read() as connection:
        return await rows.after(Unit(connection, SystemClock(), SYSTEM), -(2**63), 1_000_000)


async def faults(database: Database, *anchors: Anchor, vault: Vault = VAULT, step: int = 1000) -> Sequence[Fault]:
    """The faults that verification finds."""
    verifier = AuditVerifier(database=database, vault=vault, clock=SystemClock(), rows_a_step=step)
    return (await verifier.verify(anchors)).faults


async def unguarded(database: Database, *statements: str, **values: Any) -> None:
    """Run SQL as an owner of the database would: with the triggers switched off, which stay off."""
    async with database.begin() as connection:
        for table in ("audit", "audit_callbacks"):
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"alter table {table} disable trigger user"))
                continue
            for kind in ("update", "delete", "replace"):
                await connection.execute(text(f"drop trigger if exists {table}_{kind}"))
        for statement in statements:
            await connection.execute(text(statement), values)
