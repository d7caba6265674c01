"""People who log in at an identity provider: when to check their groups again, and with which refresh token."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from desk.accounts.oidc import repository as rows
from desk.accounts.sessions import repository as sessions
from desk.accounts.sessions.limits import SessionLimits
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.vault.vault import Vault

ASKING: Final = timedelta(seconds=15)
"""A process that asks the provider has its answer by then, or has died."""
BETWEEN_TRIES: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class OidcIdentity:
    """A person to be checked at the provider by `check_by`, but not again before `retry_at`."""

    check_by: datetime
    retry_at: datetime | None
    refresh_token: str | None = field(repr=False)


class OidcIdentities(Service):
    """The people of one database who log in at an identity provider, by its issuer and subject."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    @unit_of_work
    async def put(self, unit: Unit, issuer: str, subject: str, refresh_token: str | None, check_by: datetime) -> None:
        """Store the provider's newest answer about a person: check again at `check_by`, with this token."""
        id = _id(issuer, subject)
        sealed = self._vault.seal(refresh_token, rows.REFRESH_TOKEN, id) if refresh_token is not None else None
        await rows.put(unit, id, sealed, check_by)

    @reading
    async def find(self, unit: Unit, issuer: str, subject: str) -> OidcIdentity | None:
        """The person; None for somebody who never logged in, or was deleted."""
        row = await rows.find(unit, _id(issuer, subject))
        if row is None:
            return None
        token = self._vault.open(row.refresh_token, rows.REFRESH_TOKEN, row.id) if row.refresh_token else None
        return OidcIdentity(row.check_by, row.retry_at, token)

    @unit_of_work
    async def reserve(self, unit: Unit, issuer: str, subject: str) -> bool:
        """Reserve the check for the caller. False if it isn't due, or another process is doing it."""
        return await rows.reserve(unit, _id(issuer, subject), unit.now + ASKING)

    @unit_of_work
    async def postpone(self, unit: Unit, issuer: str, subject: str) -> None:
        """Postpone the check for a while, because the provider could not be reached."""
        await rows.postpone(unit, _id(issuer, subject), unit.now + BETWEEN_TRIES)

    @unit_of_work
    async def check_now(self, unit: Unit, issuer: str, subject: str) -> None:
        """Make the person due for a check."""
        await rows.check_now(unit, _id(issuer, subject))

    @unit_of_work
    async def forget(self, unit: Unit, issuer: str, subject: str) -> None:
        """Delete what the provider sent about the person."""
        await rows.remove(unit, _id(issuer, subject))

    @unit_of_work
    async def forget_absent(self, unit: Unit, limits: SessionLimits) -> int:
        """Delete the people who no longer have a session. Returns how many. `limits`: of sessions.

        People whose check isn't due are left alone: one who has just come back will have a session in a moment.
        """
        due = await rows.due(unit)
        logged_in = await sessions.provider_logins(unit, limits.cutoff(unit.now)) if due else set()
        return await rows.remove_due(unit, due - {_id(*login) for login in logged_in})

    @unit_of_work
    async def use_once(self, unit: Unit, nonce: str, for_: timedelta) -> bool:
        """True the first time, then False for this long. Only a hash is stored."""
        return await rows.use_nonce(unit, hashlib.sha256(nonce.encode()).digest(), unit.now + for_)


def _id(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
