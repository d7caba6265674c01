"""Tokens of programs: limited to what their agent may do at each moment, or less, and revoked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from desk.access.actor import SYSTEM
from desk.access.agent import Agent
from desk.accounts import repository as agents
from desk.accounts.errors import AgentAtProvider, TokenNotFound, TooManyTokens
from desk.accounts.repository import agent_of
from desk.accounts.tokens import repository as rows
from desk.accounts.tokens.model import (
    MOST_VERIFIED,
    TOKEN_PREFIX,
    UNLIMITED,
    NewToken,
    Token,
    TokenScope,
    hashed,
    new_token_secret,
)
from desk.accounts.tokens.repository import ActiveToken
from desk.clock import Clock
from desk.database.batching import Batcher
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work

NOTED_EVERY: Final = timedelta(minutes=1)
"""A token's last use is recorded this often."""
MOST_TOKENS: Final = 50
"""For one agent."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class VerifiedToken:
    """The agent of a valid token, and the newest position in the history when it was read, in the same round trip."""

    agent: Agent
    history: int


class Tokens(Service):
    """The tokens of one database."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._verified: Batcher[bytes, VerifiedToken | None] = Batcher(self._verify, most=MOST_VERIFIED)

    async def verify(self, secret: str) -> VerifiedToken | None:
        """The token's agent, limited to the token's scope; None if it is unknown, malformed, expired or revoked."""
        return await self._verified.ask(hashed(secret)) if secret.startswith(TOKEN_PREFIX) else None

    @unit_of_work
    async def issue(
        self,
        unit: Unit,
        agent: str,
        label: str,
        *,
        scope: TokenScope = UNLIMITED,
        expires_at: datetime | None = None,
        given_by: int | None = None,
    ) -> NewToken:
        """Make a token for that agent. `given_by`: the token it is made with, and revoked with.

        Raises AgentNotFound, AgentAtProvider, TooManyTokens.
        """
        owner = await agents.get(unit, agent)
        if await agents.is_from_provider(unit, owner.id):
            raise AgentAtProvider
        if await rows.count(unit, owner.id) >= MOST_TOKENS:
            raise TooManyTokens
        secret = new_token_secret()
        id = await rows.insert_token(
            unit, owner.id, label=label, hash=hashed(secret), scope=scope, expires_at=expires_at, given_by=given_by
        )
        return NewToken(Token(id, agent, label, scope, unit.now, expires_at, None), secret)

    @reading
    async def list(self, unit: Unit, agent: str | None = None) -> Sequence[Token]:
        """The active tokens of one agent, or of all."""
        return await rows.of_agents(unit, None if agent is None else {agent})

    @reading
    async def get(self, unit: Unit, id: int) -> Token:
        """An active token. Raises TokenNotFound."""
        token = await rows.find(unit, id)
        if token is None:
            raise TokenNotFound
        return token

    @reading
    async def of_secret(self, unit: Unit, secret: str) -> Token:
        """The active token with that secret. Raises TokenNotFound."""
        token = await rows.by_hash(unit, hashed(secret))
        if token is None:
            raise TokenNotFound
        return token

    @unit_of_work
    async def revoke(self, unit: Unit, id: int) -> None:
        """Revoke the token and those made with it. Raises TokenNotFound."""
        if not await rows.revoke(unit, id):
            raise TokenNotFound

    async def _verify(self, hashes: Sequence[bytes]) -> Sequence[VerifiedToken | None]:
        found = await self._find(SYSTEM, set(hashes))
        long_ago = self._clock.now() - NOTED_EVERY
        unrecorded = {
            token.id for token in found.values() if token.last_used_at is None or token.last_used_at <= long_ago
        }
        if unrecorded:
            await self._record_use(unrecorded)
        return [_verified(found[hash]) if hash in found else None for hash in hashes]

    @reading
    async def _find(self, unit: Unit, hashes: set[bytes]) -> dict[bytes, ActiveToken]:
        return await rows.by_hashes(unit, hashes)

    async def _record_use(self, ids: set[int]) -> None:
        """Record the uses. When the database can't be written, the requests are served all the same."""
        try:
            await self._set_used(SYSTEM, ids)
        except StorageUnavailable:
            log.warning("uses of tokens not recorded")

    @unit_of_work
    async def _set_used(self, unit: Unit, ids: set[int]) -> None:
        await rows.set_used(unit, ids)


def _verified(token: ActiveToken) -> VerifiedToken:
    agent = agent_of(token.agent).narrowed(token.scope.departments, token.scope.permissions)
    return VerifiedToken(agent, token.history)
