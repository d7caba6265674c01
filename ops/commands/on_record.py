"""Commands that look at personal data or change access leave their row in the audit, as requests do."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.errors import DeskError
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from ops.commands.terminal import unlocked_database


@dataclass(frozen=True)
class OnRecord:
    """The database and vault a command works with, and its audit; `callbacks`: whose ids the row is to name."""

    database: Database
    vault: Vault
    audit: Audit
    callbacks: set[str] = field(default_factory=set)


@asynccontextmanager
async def on_record(
    settings: Settings, action: str, *, by: str | None = None, why: str | None = None, patient: str | None = None
) -> AsyncIterator[OnRecord]:
    """What is done inside the block leaves a row when it ends, however it ends; print nothing before that.

    `by`: who says to do it; without one, whoever the operating system says it is, which the row's source tells anyway.
    Raises SettingsError, and StorageUnavailable when the row can't be written.
    """
    user = operating_user()
    async with unlocked_database(settings) as (database, vault):
        work = OnRecord(database, vault, Audit(database=database, vault=vault, clock=SystemClock()))
        outcome = AuditOutcome.FAILED
        problem = None
        try:
            yield work
            outcome = AuditOutcome.DONE
        except DeskError as error:
            outcome, problem = AuditOutcome.REFUSED, error.id
            raise
        finally:
            await work.audit.record(
                AuditEntry(
                    who=by or user,
                    action=action,
                    why=why,
                    patient=patient,
                    callbacks=frozenset(work.callbacks),
                    outcome=outcome,
                    problem=problem,
                    source=f"cli:{user}",
                )
            )


def operating_user() -> str:
    """Who the operating system says it is."""
    try:
        return getpass.getuser()[:60]
    except (KeyError, OSError):  # a container's user need not have a name
        return "unknown"
