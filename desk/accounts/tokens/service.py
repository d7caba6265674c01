"""Tokens for machines: 256 random bits, shown once and kept as their hash; narrower than their agent, ended at once."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from desk.access.agent import Agent
from desk.access.permissions import Grant, Permission, Role
from desk.accounts import repository as agent_rows
from desk.accounts.errors import AgentNotFound, ProvidersPerson, TokenNotFound, TooManyTokens
from desk.accounts.repository import AgentRow
from desk.accounts.tokens import repository as rows
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Connection, Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import UnitsOfWork

TOKEN_PREFIX = "inn_"
TOKEN_BYTES = 32
NOTED_EVERY = timedelta(minutes=1)
"""How old a token's last use may be told: it is not written down at each request."""
MOST_TOKENS = 50
"""For one agent."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TokenScope:
    """What a token is narrowed to: departments, permissions; None is all that its agent has, now and later."""

    departments: frozenset[str] | None = None
    permissions: frozenset[Permission] | None = None


WHOLE = TokenScope()


@dataclass(frozen=True)
class Token:
    """A token as it may be shown. `last_used_at` is right to a minute."""

    id: int
    agent: str
    label: str
    scope: TokenScope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None = None


@dataclass(frozen=True)
class Issued:
    """A new token; `secret` is never to be had again."""

    token: Token
    secret: str


class Tokens(UnitsOfWork):
    """The tokens of one database."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        super().__init__(database)
        self._clock = clock
        self._asked: Batcher[bytes, Agent | None] = Batcher(self._of_hashes)

    async def verify(self, secret: str) -> Agent | None:
        """Who holds it, with no more than its scope; None: unknown, malformed, expired or revoked."""
        return await self.verify_hash(hashed(secret)) if secret.startswith(TOKEN_PREFIX) else None

    async def verify_hash(self, hash: bytes) -> Agent | None:
        """As `verify`, for who kept only the hash of a token it was shown before."""
        return await self._asked.ask(hash)

    async def issue(
        self, agent: str, label: str, *, scope: TokenScope = WHOLE, expires_at: datetime | None = None
    ) -> Issued:
        """A new token of that agent. Raises AgentNotFound, ProvidersPerson, TooManyTokens."""
        return await self._write(
            lambda connection: self.issue_in(connection, agent, label, scope=scope, expires_at=expires_at)
        )

    async def issue_in(
        self,
        connection: Connection,
        agent: str,
        label: str,
        *,
        scope: TokenScope = WHOLE,
        expires_at: datetime | None = None,
        given_by: int | None = None,
    ) -> Issued:
        """The same as a part of a unit of work. `given_by`: the token it is made with, and ends with."""
        now = self._clock.now()
        owner = await agent_rows.by_name(connection, agent)
        if owner is None:
            raise AgentNotFound
        if await agent_rows.is_providers(connection, owner.id):
            raise ProvidersPerson
        if await rows.count(connection, owner.id, now) >= MOST_TOKENS:
            raise TooManyTokens
        secret = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        id = await rows.insert_token(
            connection,
            owner.id,
            label=label,
            hash=hashed(secret),
            scope=_written(scope),
            created_at=now,
            expires_at=expires_at,
            given_by=given_by,
        )
        return Issued(Token(id, agent, label, scope, now, expires_at, None), secret)

    async def list(self, agent: str | None = None) -> Sequence[Token]:
        """The tokens that work: one agent's, or everybody's."""
        names = None if agent is None else {agent}
        found = await self._read(lambda connection: rows.of_agents(connection, names, self._clock.now()))
        return [token_of(row) for row in found]

    async def get(self, id: int) -> Token:
        """A token that works. Raises TokenNotFound."""
        row = await self._read(lambda connection: rows.one(connection, id, self._clock.now()))
        if row is None:
            raise TokenNotFound
        return token_of(row)

    async def revoke(self, id: int) -> None:
        """It opens nothing from now on, nor does what was made with it. Raises TokenNotFound."""
        if not await self._write(lambda connection: rows.revoke(connection, id, self._clock.now())):
            raise TokenNotFound

    async def _of_hashes(self, hashes: Sequence[bytes]) -> Sequence[Agent | None]:
        now = self._clock.now()
        async with self._database.read() as connection:
            found = await rows.by_hashes(connection, set(hashes), now)
        stale = {
            opened.id
            for opened in found.values()
            if opened.last_used_at is None or opened.last_used_at <= now - NOTED_EVERY
        }
        if stale:
            await self._note(stale, now)
        return [_agent(found[hash]) if hash in found else None for hash in hashes]

    async def _note(self, ids: set[int], now: datetime) -> None:
        """Nobody is turned away because the note could not be written."""
        try:
            await self._write(lambda connection: rows.used(connection, ids, now))
        except StorageUnavailable:
            log.warning("use of tokens not noted")


def hashed(secret: str) -> bytes:
    """What is kept of a token. It is 256 random bits, so a plain hash can't be guessed back."""
    return hashlib.sha256(secret.encode()).digest()


def agent_of(row: AgentRow) -> Agent:
    """The agent of a row."""
    grants = frozenset(Grant(Role(role), department) for role, department in row.grants)
    return Agent(row.name, grants, row.phone, opened=row.opened)


def in_words(scope: TokenScope) -> str:
    """What a token of that scope opens."""
    what = "all its agent may" if scope.permissions is None else ", ".join(sorted(scope.permissions))
    return what if scope.departments is None else f"{what} in {', '.join(sorted(scope.departments))}"


def _agent(opened: rows.Opened) -> Agent:
    scope = _scope(opened.scope)
    return agent_of(opened.agent).narrowed(scope.departments, scope.permissions)


def token_of(row: rows.TokenRow) -> Token:
    """The token of a row."""
    ends = (row.expires_at, row.last_used_at, row.revoked_at)
    return Token(row.id, row.agent, row.label, _scope(row.scope), row.created_at, *ends)


def _written(scope: TokenScope) -> dict[str, Any] | None:
    limits = {"departments": scope.departments, "permissions": scope.permissions}
    return {name: sorted(values) for name, values in limits.items() if values is not None} or None


def _scope(written: dict[str, Any]) -> TokenScope:
    departments, permissions = written.get("departments"), written.get("permissions")
    return TokenScope(
        None if departments is None else frozenset(departments),
        None if permissions is None else frozenset(map(Permission, permissions)),
    )
