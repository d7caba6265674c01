"""Write commands that read personal data or change access to the audit, like requests."""

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
class AuditedCommand:
    """The database, vault and audit of a command. `callbacks` are the ids for its row in the audit."""

    database: Database
    vault: Vault
    audit: Audit
    callbacks: set[str] = field(default_factory=set)


@asynccontextmanager
async def on_record(
    settings: Settings, action: str, *, by: str | None = None, why: str | None = None, patient: str | None = None
) -> AsyncIterator[AuditedCommand]:
    """Write an audit row when the block ends, in every outcome. Print nothing before that.

    `by` is the person who runs the command, by default the operating system's user. The row's source always has the
    operating system's user. Raises SettingsError, and StorageUnavailable when the row cannot be written.
    """
    user = operating_user()
    async with unlocked_database(settings) as (database, vault):
        work = AuditedCommand(database, vault, Audit(database=database, vault=vault, clock=SystemClock()))
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
    """Return the name of the operating system's user."""
    try:
        return getpass.getuser()[:60]
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
