"""People who logged in at a provider: by which token it is asked for their groups again, and by when."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from desk.accounts.oidc import repository as rows
from desk.accounts.sessions import repository as sessions
from desk.accounts.sessions.limits import Limits
from desk.accounts.sessions.repository import Oldest
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.vault.vault import Vault

ASKING: Final = timedelta(seconds=15)
"""Whoever asks the provider has its answer by then, or has died."""
BETWEEN_TRIES: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Known:
    """Somebody the provider is to be asked about by `check_by`; not again before `retry_at`."""

    check_by: datetime
    retry_at: datetime | None
    refresh_token: str | None = field(repr=False)


class ProviderPeople(UnitsOfWork):
    """The people of one database who logged in at a provider."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock

    async def looked_at(self, issuer: str, subject: str, refresh_token: str | None, check_by: datetime) -> None:
        """The provider has told of somebody: it is asked again at `check_by`, with that token."""
        id = _id(issuer, subject)
        sealed = self._vault.seal(refresh_token, rows.REFRESH_TOKEN, id) if refresh_token is not None else None

        async def work(connection: Connection) -> None:
            await rows.put(connection, id, sealed, check_by)

        await self._write(work)

    async def find(self, issuer: str, subject: str) -> Known | None:
        """Who that is; None for somebody who never logged in, or was forgotten."""
        id = _id(issuer, subject)
        row = await self._read(lambda connection: rows.find(connection, id))
        if row is None:
            return None
        token = self._vault.open(row.refresh_token, rows.REFRESH_TOKEN, id) if row.refresh_token else None
        return Known(row.check_by, row.retry_at, token)

    async def take(self, issuer: str, subject: str) -> bool:
        """Whether it is the caller's to ask the provider: it is due, and nobody else does."""
        now = self._clock.now()
        return await self._write(lambda connection: rows.take(connection, _id(issuer, subject), now, now + ASKING))

    async def not_reached(self, issuer: str, subject: str) -> None:
        """The provider could not be asked: not again at once."""
        at = self._clock.now() + BETWEEN_TRIES
        await self._write(lambda connection: rows.retry(connection, _id(issuer, subject), at))

    async def forget(self, issuer: str, subject: str) -> None:
        """Nothing of the provider's is kept any more."""
        await self._write(lambda connection: rows.remove(connection, _id(issuer, subject)))

    async def forget_absent(self, limits: Limits) -> int:
        """Nothing of the provider's is kept of those who are logged in no more; how many. `limits`: of sessions.

        Only of who is due to be asked about: somebody just come back has a session in a moment.
        """
        now = self._clock.now()
        oldest = Oldest(seen=now - limits.idle, created=now - limits.absolute)

        async def work(connection: Connection) -> int:
            due = await rows.due(connection, now)
            here = {_id(*login) for login in await sessions.logins(connection, oldest)} if due else set()
            return await rows.remove_due(connection, due - here, now)

        return await self._write(work)

    async def take_once(self, what: str, for_: timedelta) -> bool:
        """True the first time, False again and again for so long. Only a hash is kept."""
        hash, now = hashlib.sha256(what.encode()).digest(), self._clock.now()
        return await self._write(lambda connection: rows.take_once(connection, hash, now, now + for_))


def _id(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
