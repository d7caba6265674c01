"""Log-ins of people: kept at the server, known by a secret only the browser has, ended at any time for all processes.

Of the secret only its SHA-256 is stored (it is 256 random bits). The CSRF token is made from the secret, so it is bound
to the session and changes with it, and needs no column.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts import repository as agent_rows
from desk.accounts.errors import AgentNotFound, LogInAgain, SessionNotFound
from desk.accounts.repository import AgentRow
from desk.accounts.second_factor.totp import SecondFactorPolicy
from desk.accounts.sessions import repository as rows
from desk.accounts.sessions.limits import Limits
from desk.accounts.sessions.repository import Oldest, ProviderRow, SessionRow
from desk.accounts.tokens.service import TOKEN_BYTES, agent_of, hashed
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Connection, Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import UnitsOfWork

SESSION_PREFIX: Final = "inn_s_"
"""Begins as a token does: the log hides both by that."""
NOTED_EVERY: Final = timedelta(minutes=1)

RECENT: Final = timedelta(minutes=10)
"""How old a log-in may be for what a session left open must not be used for."""
MOST_LISTED: Final = 200

log = structlog.get_logger(__name__)


class LoginSource(StrEnum):
    """How somebody showed who they are."""

    PASSWORD = "password"
    OIDC = "oidc"


@dataclass(frozen=True)
class ProviderLogin:
    """A log-in at a provider. `sid`: the provider's own session; `check_by`: when to ask it about the person again.

    `check_by` ends nothing by itself: whoever can ask the provider decides (`Sessions.checked`, `Sessions.end`).
    """

    issuer: str
    subject: str
    sid: str | None
    check_by: datetime


@dataclass(frozen=True)
class Session:
    """A session that goes on. `seen_at` is right to a minute; `ends_at` is the latest it can last.

    `password_to_change`: it was begun with a password somebody else chose, and is for choosing another.
    `second_factor_to_add`: it was begun with a password alone by somebody of whom more is asked, and is for adding it.
    """

    id: int
    agent: Agent
    source: LoginSource
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    login: ProviderLogin | None = None
    password_to_change: bool = False
    second_factor_to_add: bool = False


@dataclass(frozen=True)
class Listed:
    """A session as its holder may see it. `seen_at` is right to a minute; `ends_at` is the latest it can last."""

    id: int
    agent: str
    source: LoginSource
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Opened:
    """A new session: `token` for the cookie, `csrf` for the header of requests that change something."""

    token: str
    csrf: str
    session: Session


class Sessions(UnitsOfWork):
    """The sessions of one database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        limits: Limits | None = None,
        policy: SecondFactorPolicy = SecondFactorPolicy.OFF,
    ) -> None:
        """`policy`: whose log-in with a password must have a second factor."""
        super().__init__(database)
        self._clock = clock
        self._limits = limits or Limits()
        self._policy = policy
        self._asked: Batcher[tuple[bytes, bool], Session | None] = Batcher(self._of_hashes)

    async def open(self, agent: str, *, source: LoginSource, login: ProviderLogin | None = None) -> Opened:
        """A new session of that agent, with a secret of its own whatever the browser held before.

        Raises AgentNotFound: there is none of that name, or its access is stopped.
        """
        return await self._write(lambda connection: self.open_in(connection, agent, source=source, login=login))

    async def open_in(
        self, connection: Connection, agent: str, *, source: LoginSource, login: ProviderLogin | None = None
    ) -> Opened:
        """The same as a part of a unit of work."""
        now = self._clock.now()
        row = await agent_rows.by_name(connection, agent)
        if row is None or row.disabled:
            raise AgentNotFound
        await rows.clear(connection, self._oldest(now))
        token = new_secret()
        provider = ProviderRow(login.issuer, login.subject, login.sid, login.check_by) if login else None
        id = await rows.insert_session(
            connection, row.id, hash=hashed(token), source=source.value, now=now, provider=provider
        )
        ends_at = now + self._limits.absolute
        session = Session(id, agent_of(row), source, now, now, ends_at, login, *self._unfinished(source, row))
        return Opened(token, csrf_of(token), session)

    async def verify(self, token: str, *, in_use: bool = True) -> Session | None:
        """Whose session it is, with the grants of this moment; None: unknown, ended, too old or idle for too long.

        `in_use`: a request is made with it. False, for a stream that is only open: that keeps no session from ending.
        """
        return await self._asked.ask((hashed(token), in_use)) if token.startswith(SESSION_PREFIX) else None

    async def rotate(self, token: str) -> Opened | None:
        """The same session under a new secret; the old one opens nothing from now on. None: no such session."""
        session = await self.verify(token)
        anew = new_secret()
        if session is None:
            return None
        if not await self._write(lambda connection: rows.exchange(connection, hashed(token), hashed(anew))):
            return None
        return Opened(anew, csrf_of(anew), session)

    async def checked(self, session: Session, check_by: datetime) -> None:
        """The provider was asked, and the person still has access there."""
        await self._write(lambda connection: rows.checked(connection, session.id, check_by))

    async def end(self, token: str) -> bool:
        """Log out. Whether there was such a session."""
        return await self._write(lambda connection: rows.end(connection, hashed(token)))

    async def end_all(self, agent: str, *, excluding: str | None = None) -> int:
        """Log out everywhere, perhaps but for the session of that token. How many sessions. Raises AgentNotFound."""

        async def work(connection: Connection) -> int:
            row = await agent_rows.by_name(connection, agent)
            if row is None:
                raise AgentNotFound
            return await rows.end_of_agent(connection, row.id, excluding=hashed(excluding) if excluding else None)

        return await self._write(work)

    async def list(self, reader: Agent, agent: str | None = None) -> Sequence[Listed]:
        """The newest sessions that go on: the reader's own, or of an agent within where the reader has MANAGE.

        Raises AgentNotFound for one who is not there or not within.
        """
        name, scope = agent or reader.name, reader.scope(Permission.MANAGE)

        async def look(connection: Connection) -> list[rows.ListedRow]:
            if name != reader.name and not await agent_rows.is_within(connection, name, scope):
                raise AgentNotFound
            return await rows.of_agent(connection, name, self._oldest(self._clock.now()), MOST_LISTED)

        found = await self._read(look)
        return [
            Listed(
                *(row.id, row.agent, LoginSource(row.source)),
                *(row.created_at, row.seen_at, row.created_at + self._limits.absolute),
            )
            for row in found
        ]

    async def end_one(self, id: int, by: Agent) -> None:
        """End that one, of those `list` shows `by`. Raises SessionNotFound."""
        scope = by.scope(Permission.MANAGE)
        if not await self._write(lambda connection: rows.end_one(connection, id, scope=scope, or_of=by.name)):
            raise SessionNotFound

    def require_recent(self, session: Session) -> None:
        """Raises LogInAgain for a log-in too old to say that it is still the same person who asks."""
        if session.created_at <= self._clock.now() - RECENT:
            raise LogInAgain

    async def end_of_provider(self, issuer: str, subject: str | None = None, sid: str | None = None) -> int:
        """Log out whom the provider says: by person, by its session, or both. How many sessions; none if none named."""
        return await self._write(lambda connection: rows.end_of_provider(connection, issuer, subject=subject, sid=sid))

    async def _of_hashes(self, asked: Sequence[tuple[bytes, bool]]) -> Sequence[Session | None]:
        now = self._clock.now()
        async with self._database.read() as connection:
            found = await rows.by_hashes(connection, {hash for hash, _ in asked}, self._oldest(now), now)
        used = [found[hash] for hash, in_use in asked if in_use and hash in found]
        stale = {row.id for row in used if row.seen_at <= now - NOTED_EVERY}
        if stale:
            await self._note(stale, now)
        return [self._session(found[hash]) if hash in found else None for hash, _ in asked]

    async def _note(self, ids: set[int], now: datetime) -> None:
        """Nobody is turned away because the note could not be written."""
        try:
            await self._write(lambda connection: rows.seen(connection, ids, now))
        except StorageUnavailable:
            log.warning("requests of sessions not noted")

    def _oldest(self, now: datetime) -> Oldest:
        return Oldest(seen=now - self._limits.idle, created=now - self._limits.absolute)

    def _session(self, row: SessionRow) -> Session:
        at = row.provider
        login = ProviderLogin(at.issuer, at.subject, at.sid, at.check_by) if at else None
        ends_at = row.created_at + self._limits.absolute
        source = LoginSource(row.source)
        unfinished = self._unfinished(source, row.agent)
        return Session(row.id, agent_of(row.agent), source, row.created_at, row.seen_at, ends_at, login, *unfinished)

    def _unfinished(self, source: LoginSource, row: AgentRow) -> tuple[bool, bool]:
        """Whether the password is to be changed, and a second factor to be added; a provider sees to both by itself."""
        if source is not LoginSource.PASSWORD:
            return False, False
        lacking = not row.second_factor and self._policy.asks(agent_of(row).grants)
        return row.change_password_by is not None, lacking


def new_secret() -> str:
    """What the browser holds: 256 random bits."""
    return SESSION_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def csrf_of(token: str) -> str:
    """The CSRF token of the session with that secret. Who sees it learns nothing of the secret."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()


def is_csrf_of(token: str, given: str) -> bool:
    """Whether `given` is the session's CSRF token, compared in constant time."""
    return hmac.compare_digest(csrf_of(token).encode(), given.encode())
