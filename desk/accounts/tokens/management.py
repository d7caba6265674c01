"""Tokens as their holders make, see and end them; and leaders of access those of agents within their departments.

At each request a token is limited to its agent's grants of that moment (service.py). This module refuses tokens that
would be wider or last longer than the credential they are made with: see docs/security.md, «Tokens».
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts import repository as agent_rows
from desk.accounts.errors import AgentNotFound, NarrowedToken, TokenNotFound, TokenOutlives, TokenTooWide
from desk.accounts.tokens import repository as rows
from desk.accounts.tokens.service import WHOLE, Issued, Token, Tokens, TokenScope, hashed, token_of
from desk.clock import Clock
from desk.database import cursors
from desk.database.engine import Connection, Database
from desk.database.pages import Page
from desk.database.unit_of_work import UnitsOfWork

USUAL: Final = timedelta(days=90)
LONGEST: Final = timedelta(days=365)


class Issuance(UnitsOfWork):
    """What agents do with tokens of their own, on one database."""

    def __init__(self, *, database: Database, tokens: Tokens, clock: Clock) -> None:
        super().__init__(database)
        self._tokens = tokens
        self._clock = clock

    async def issue(
        self,
        agent: Agent,
        label: str,
        *,
        scope: TokenScope = WHOLE,
        lasting: timedelta | None = None,
        by: str | None = None,
    ) -> Issued:
        """A new token of the agent's own. `by`: the token it is asked for with; None is a log-in.

        Without `lasting` 90 days, or as long as the token `by` where that ends sooner. Raises DepartmentNotAllowed,
        TokenTooWide, NarrowedToken, TokenOutlives, ProvidersPerson, TooManyTokens.
        """
        check_scope(agent, scope)

        async def work(connection: Connection) -> Issued:
            giver = await self._giver(connection, by)
            expires_at = self._clock.now() + min(lasting or USUAL, LONGEST)
            if giver is not None and giver.expires_at is not None and giver.expires_at < expires_at:
                if lasting is not None:
                    raise TokenOutlives
                expires_at = giver.expires_at
            given_by = giver.id if giver else None
            return await self._tokens.issue_in(
                connection, agent.name, label, scope=scope, expires_at=expires_at, given_by=given_by
            )

        return await self._write(work)

    async def page(
        self, reader: Agent, *, agent: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Token]:
        """The reader's own, and those of agents within the departments where the reader has MANAGE; newest first.

        Also those that have ended. `agent`: only that one's. Raises BadCursor, and AgentNotFound for an agent who is
        not there or not within.
        """
        before = cursors.token_place(cursor) if cursor is not None else None
        scope = reader.scope(Permission.MANAGE)

        async def look(connection: Connection) -> list[rows.TokenRow]:
            if agent not in (None, reader.name) and not await agent_rows.is_within(connection, str(agent), scope):
                raise AgentNotFound
            return await rows.page(
                connection, scope=scope, or_of=reader.name, agent=agent, before=before, limit=limit + 1
            )

        found = [token_of(row) for row in await self._read(look)]
        return Page(found[:limit], cursors.after_token(found[limit - 1].id) if len(found) > limit else None)

    async def revoke(self, id: int, ended_by: Agent, *, by: str | None = None) -> Token:
        """End a token of one's own, or as `page` shows them; what was made with it ends too. `by` as in `issue`.

        Raises TokenNotFound, also for one that is not the agent's to end, or ended already; NarrowedToken.
        """

        async def work(connection: Connection) -> Token:
            await self._giver(connection, by)
            scope = ended_by.scope(Permission.MANAGE)
            found = await rows.seen(connection, id, scope=scope, or_of=ended_by.name)
            if found is None or not await rows.revoke(connection, id, self._clock.now()):
                raise TokenNotFound
            return token_of(found)

        return await self._write(work)

    async def _giver(self, connection: Connection, by: str | None) -> Token | None:
        if by is None:
            return None
        row = await rows.of_hash(connection, hashed(by), self._clock.now())
        if row is None:  # ended since the request was let in
            raise TokenNotFound
        giver = token_of(row)
        if giver.scope != WHOLE:
            raise NarrowedToken
        return giver


def check_scope(agent: Agent, scope: TokenScope) -> None:
    """Raises DepartmentNotAllowed and TokenTooWide for what the agent's own grants don't give.

    An emergency access doesn't count: it is over before the token is.
    """
    own = replace(agent, opened=frozenset())
    departments = scope.departments or frozenset()
    for department in departments:
        own.scope(Permission.SIGN_IN).require(department)
    for permission in scope.permissions or frozenset():
        where = own.scope(permission)
        if not own.may(permission) or not all(map(where.covers, departments)):
            raise TokenTooWide
