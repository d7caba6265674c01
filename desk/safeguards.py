"""Build what guards personal data: passwords, the audit, nightly deletion.

Not part of desk/wire.py, because the phone door needs none of it and should not load it.
"""

from datetime import timedelta

from desk.accounts.passwords.hashing import Passwords
from desk.accounts.passwords.leaked_passwords import LeakedPasswords
from desk.audit.anchors import AnchorFile
from desk.audit.audit import Audit
from desk.audit.fallback import KIND, AuditFallback
from desk.audit.retention import AuditRetention
from desk.clock import Clock
from desk.clock_check.clock_check import ClockCheck
from desk.database.engine import Database
from desk.privacy.retention import Retention, RetentionRules
from desk.settings.login import LoginSettings
from desk.settings.retention import AuditSettings, RetentionSettings
from desk.spool.drainer import Drainer
from desk.spool.spool import Spool
from desk.vault.vault import Vault


def make_passwords(settings: LoginSettings) -> Passwords:
    """Build what stores passwords and checks new ones.

    Raises LeakedPasswordsFault if the list of leaked passwords is missing or is no such list.
    """
    if settings.leaked_passwords is None:
        return Passwords()
    leaked = LeakedPasswords(settings.leaked_passwords)
    leaked.check()
    return Passwords(leaked=leaked)


def make_retention(database: Database, settings: RetentionSettings, clock: Clock, check: ClockCheck) -> Retention:
    """Build the nightly deletion."""
    rules = RetentionRules(days=settings.days, at=settings.at)
    return Retention(database=database, clock=clock, check=check, rules=rules)


def make_audit(
    settings: AuditSettings, *, database: Database, vault: Vault, clock: Clock
) -> tuple[Audit, AuditFallback]:
    """Build the audit, which stores its anchors in a file, and the folder for rows that the database refuses."""
    fold, anchors = timedelta(minutes=settings.fold_minutes), AnchorFile(settings.anchors_file, vault)
    fallback = AuditFallback(Spool(settings.spool_folder, vault=vault))
    audit = Audit(database=database, vault=vault, clock=clock, fold=fold, anchors=anchors, fallback=fallback)
    return audit, fallback


def make_audit_drainer(audit: Audit, fallback: AuditFallback) -> Drainer:
    """Build what moves rows of the audit from this machine's disk into the database."""
    return Drainer(fallback.spool, {KIND: audit.record_late})


def make_audit_retention(
    database: Database, audit: Audit, settings: AuditSettings, clock: Clock, check: ClockCheck
) -> AuditRetention:
    """Build the deletion of old audit rows."""
    return AuditRetention(database=database, audit=audit, check=check, clock=clock, days=settings.retention_days)
