"""Write commands that read personal data or change access to the audit, like requests."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from desk.access.actor import Actor
from desk.access.permissions import EVERYTHING
from desk.audit.actions import AuditAction
from desk.audit.audit import Audit, AuditEntry, AuditOutcome
from desk.clock import Clock, SystemClock
from desk.database.engine import Database
from desk.errors import DeskError
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from ops.commands.terminal import unlocked_database


@dataclass(frozen=True)
class AuditedCommand:
    """What a command works with. Its row in the audit names what is on the actor's trail."""

    database: Database
    vault: Vault
    audit: Audit
    clock: Clock
    actor: Actor


@asynccontextmanager
async def audited(
    settings: Settings,
    action: AuditAction,
    *,
    by: str | None = None,
    why: str | None = None,
    patient: str | None = None,
) -> AsyncIterator[AuditedCommand]:
    """Write an audit row when the block ends, in every outcome. Print nothing before that.

    `by` is the person who runs the command, by default the operating system's user. The row's source always has the
    operating system's user. Raises SettingsError, and StorageUnavailable when the row cannot be written.
    """
    user = operating_user()
    clock = SystemClock()
    async with unlocked_database(settings) as (database, vault):
        audit = Audit(database=database, vault=vault, clock=clock)
        actor = Actor(by or user, EVERYTHING)
        if patient is not None:
            actor.trail.revealed(patient)
        outcome = AuditOutcome.FAILED
        problem = None
        try:
            yield AuditedCommand(database, vault, audit, clock, actor)
            outcome = AuditOutcome.DONE
        except DeskError as error:
            outcome, problem = AuditOutcome.REFUSED, error.id
            raise
        finally:
            callbacks, numbers = actor.trail.take()
            entry = AuditEntry(
                who=actor.name,
                action=action,
                why=why,
                callbacks=callbacks,
                outcome=outcome,
                problem=problem,
                source=f"cli:{user}",
            )
            await audit.record_shown(entry, numbers)


def operating_user() -> str:
    """Return the name of the operating system's user."""
    try:
        return getpass.getuser()[:60]
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
