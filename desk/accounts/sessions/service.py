"""Sessions: stored on the server, known by a secret only the browser has, ended at any time for all processes.

Only the SHA-256 of the secret is stored (it is 256 random bits).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from desk.access.actor import SYSTEM
from desk.accounts import repository as agents
from desk.accounts.errors import AgentNotFound, LogInAgain, SessionNotFound
from desk.accounts.repository import AgentRow, agent_of
from desk.accounts.second_factor.totp import SecondFactorPolicy
from desk.accounts.sessions import repository as rows
from desk.accounts.sessions.limits import SessionLimits
from desk.accounts.sessions.model import (
    SESSION_PREFIX,
    LoginSource,
    NewSession,
    ProviderLogin,
    Session,
    SessionSummary,
    csrf_of,
    new_secret,
)
from desk.accounts.sessions.repository import SessionListRow, SessionRow
from desk.accounts.tokens.model import MOST_VERIFIED, hashed
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work

NOTED_EVERY: Final = timedelta(minutes=1)
"""A session's last request is recorded this often."""
RECENT: Final = timedelta(minutes=10)
"""How old a log-in may be for actions that someone at an abandoned screen must not be able to take."""
MOST_LISTED: Final = 200

log = structlog.get_logger(__name__)

Summaries = list[SessionSummary]


class Sessions(Service):
    """The sessions of one database."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        limits: SessionLimits | None = None,
        policy: SecondFactorPolicy = SecondFactorPolicy.OFF,
    ) -> None:
        """`policy`: which agents need a second factor when they log in with a password."""
        super().__init__(database=database, clock=clock)
        self._limits = limits or SessionLimits()
        self._policy = policy
        self._verified: Batcher[tuple[bytes, bool], Session | None] = Batcher(self._verify, most=MOST_VERIFIED)

    @unit_of_work
    async def open(
        self, unit: Unit, agent: str, *, source: LoginSource, login: ProviderLogin | None = None
    ) -> NewSession:
        """Open a session of that agent, with a new secret whatever the browser held before.

        Raises AgentNotFound when there is no such agent or its account is closed.
        """
        row = await agents.get(unit, agent)
        if row.disabled:
            raise AgentNotFound
        await rows.clear(unit, self._limits.cutoff(unit.now))
        token = new_secret()
        id = await rows.insert_session(unit, row.id, hash=hashed(token), source=source, login=login)
        session = self._session(SessionRow(id, row, source, unit.now, unit.now, login))
        return NewSession(token, csrf_of(token), session)

    async def verify(self, token: str, *, in_use: bool = True) -> Session | None:
        """The session with that secret and the agent's present grants; None if there is none or it has ended.

        `in_use`: a request is made with it. False for a stream that is only open, which doesn't prolong the session.
        """
        return await self._verified.ask((hashed(token), in_use)) if token.startswith(SESSION_PREFIX) else None

    async def rotate(self, token: str) -> NewSession | None:
        """Give the session a new secret; the old one is no longer valid. None if there is no such session."""
        session = await self.verify(token)
        new = new_secret()
        if session is None or not await self._replace(SYSTEM, token, new):
            return None
        return NewSession(new, csrf_of(new), session)

    @unit_of_work
    async def checked(self, unit: Unit, session: Session, check_by: datetime) -> None:
        """Record that the identity provider still gives the person access, and when to ask again."""
        await rows.set_check_by(unit, session.id, check_by)

    @unit_of_work
    async def end(self, unit: Unit, token: str) -> bool:
        """Log out. False if there was no such session."""
        return await rows.end(unit, hashed(token))

    @unit_of_work
    async def end_all(self, unit: Unit, agent: str, *, excluding: str | None = None) -> int:
        """End all sessions of the agent, perhaps excluding the one with that secret. Returns how many.

        Raises AgentNotFound.
        """
        row = await agents.get(unit, agent)
        return await rows.end_of_agent(unit, row.id, excluding=hashed(excluding) if excluding else None)

    @reading
    async def list(self, unit: Unit, agent: str | None = None) -> Summaries:
        """The newest active sessions of the actor, or of an agent within the actor's scope.

        Raises AgentNotFound for an agent that doesn't exist or isn't within the scope.
        """
        name = agent or unit.actor.name
        if name != unit.actor.name:
            await agents.require_within(unit, name, unit.scope)
        found = await rows.of_agent(unit, name, self._limits.cutoff(unit.now), MOST_LISTED)
        return [self._summary(row) for row in found]

    @unit_of_work
    async def end_one(self, unit: Unit, id: int) -> None:
        """End one of the sessions that `list` shows the actor. Raises SessionNotFound."""
        if not await rows.end_one(unit, id, scope=unit.scope, or_of=unit.actor.name):
            raise SessionNotFound

    def require_recent(self, session: Session) -> None:
        """Raises LogInAgain for a log-in too old to be sure that the same person is at the screen."""
        if session.created_at <= self._clock.now() - RECENT:
            raise LogInAgain

    @unit_of_work
    async def end_of_provider(self, unit: Unit, issuer: str, subject: str | None = None, sid: str | None = None) -> int:
        """End the sessions an identity provider names by person, by its own session, or by both. Returns how many."""
        return await rows.end_of_provider(unit, issuer, subject=subject, sid=sid)

    @unit_of_work
    async def check_of_provider(self, unit: Unit, issuer: str, subject: str) -> None:
        """Have the identity provider asked about the person before the next request of each of their sessions."""
        await rows.check_of_provider(unit, issuer, subject)

    async def _verify(self, asked: Sequence[tuple[bytes, bool]]) -> Sequence[Session | None]:
        found = await self._find(SYSTEM, {hash for hash, _ in asked})
        used = [found[hash] for hash, in_use in asked if in_use and hash in found]
        unrecorded = {row.id for row in used if row.seen_at <= self._clock.now() - NOTED_EVERY}
        if unrecorded:
            await self._record_use(unrecorded)
        return [self._session(found[hash]) if hash in found else None for hash, _ in asked]

    @reading
    async def _find(self, unit: Unit, hashes: set[bytes]) -> dict[bytes, SessionRow]:
        return await rows.by_hashes(unit, hashes, self._limits.cutoff(unit.now))

    async def _record_use(self, ids: set[int]) -> None:
        """Record the requests. When the database can't be written, they are served all the same."""
        try:
            await self._set_seen(SYSTEM, ids)
        except StorageUnavailable:
            log.warning("last requests of sessions not recorded")

    @unit_of_work
    async def _set_seen(self, unit: Unit, ids: set[int]) -> None:
        await rows.set_seen(unit, ids)

    @unit_of_work
    async def _replace(self, unit: Unit, token: str, new: str) -> bool:
        return await rows.replace_hash(unit, hashed(token), hashed(new))

    def _summary(self, row: SessionListRow) -> SessionSummary:
        return SessionSummary(
            id=row.id,
            agent=row.agent,
            source=LoginSource(row.source),
            created_at=row.created_at,
            seen_at=row.seen_at,
            ends_at=row.created_at + self._limits.absolute,
        )

    def _session(self, row: SessionRow) -> Session:
        by_password = row.source is LoginSource.PASSWORD  # a provider looks after passwords and second factors itself
        return Session(
            id=row.id,
            agent=agent_of(row.agent),
            source=row.source,
            created_at=row.created_at,
            seen_at=row.seen_at,
            ends_at=row.created_at + self._limits.absolute,
            login=row.login,
            password_to_change=by_password and row.agent.change_password_by is not None,
            second_factor_to_add=by_password and self._lacks_second_factor(row.agent),
        )

    def _lacks_second_factor(self, row: AgentRow) -> bool:
        return not row.second_factor and self._policy.asks(agent_of(row).grants)
