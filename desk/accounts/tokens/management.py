"""Agents make, list and revoke tokens of their own; managers those of agents within their departments.

At each request a token is limited to its agent's grants of that moment (service.py). This module refuses tokens that
would be wider or last longer than the credential they are made with: see docs/security.md, «Tokens».
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts import repository as agents
from desk.accounts.errors import NarrowedToken, TokenNotFound, TokenOutlives, TokenTooWide
from desk.accounts.tokens import repository as rows
from desk.accounts.tokens.model import UNLIMITED, NewToken, Token, TokenScope, hashed
from desk.accounts.tokens.service import Tokens
from desk.clock import Clock
from desk.database import cursors
from desk.database.engine import Database
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work

USUAL: Final = timedelta(days=90)
LONGEST: Final = timedelta(days=365)


class TokenManagement(Service):
    """What agents do with tokens, on one database. `by` is the token a request was sent with; None for a session."""

    def __init__(self, *, database: Database, tokens: Tokens, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._tokens = tokens

    @unit_of_work
    async def issue(
        self,
        unit: Unit,
        agent: Agent,
        label: str,
        *,
        scope: TokenScope = UNLIMITED,
        lasting: timedelta | None = None,
        by: str | None = None,
    ) -> NewToken:
        """Make a token of the agent's own.

        Without `lasting` it is valid for 90 days, or until the token `by` expires if that is sooner. Raises
        DepartmentNotAllowed, TokenTooWide, NarrowedToken, TokenOutlives, AgentAtProvider, TooManyTokens.
        """
        check_scope(agent, scope)
        giver = await self._giver(unit, by)
        expires_at = unit.now + min(lasting or USUAL, LONGEST)
        if giver is not None and giver.expires_at is not None and giver.expires_at < expires_at:
            if lasting is not None:
                raise TokenOutlives
            expires_at = giver.expires_at
        given_by = giver.id if giver else None
        return await self._tokens.issue(unit, agent.name, label, scope=scope, expires_at=expires_at, given_by=given_by)

    @reading
    async def page(
        self, unit: Unit, *, agent: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Token]:
        """Tokens of the actor and of agents within the actor's scope, newest first, also those that have ended.

        `agent`: only of that agent. Raises BadCursor; AgentNotFound for an agent that doesn't exist or isn't within
        the scope.
        """
        before = cursors.TOKENS.key(cursor)[0] if cursor is not None else None
        own = unit.actor.name
        if agent is not None and agent != own:
            await agents.require_within(unit, agent, unit.scope)
        found = await rows.page(unit, scope=unit.scope, or_of=own, agent=agent, before=before, limit=limit + 1)
        return Page.cut(found, limit, lambda last: cursors.TOKENS.after(last.id))

    @unit_of_work
    async def revoke(self, unit: Unit, id: int, *, by: str | None = None) -> Token:
        """Revoke one of the tokens that `page` shows the actor, and those made with it.

        Raises TokenNotFound, also when it has ended already; NarrowedToken.
        """
        await self._giver(unit, by)
        found = await rows.find_within(unit, id, scope=unit.scope, or_of=unit.actor.name)
        if found is None or not await rows.revoke(unit, id):
            raise TokenNotFound
        return found

    async def _giver(self, unit: Unit, by: str | None) -> Token | None:
        if by is None:
            return None
        giver = await rows.locked_by_hash(unit, hashed(by))
        if giver is None:  # it has ended since the request was authenticated
            raise TokenNotFound
        if giver.scope != UNLIMITED:
            raise NarrowedToken
        return giver


def check_scope(agent: Agent, scope: TokenScope) -> None:
    """Raises DepartmentNotAllowed or TokenTooWide for more than the agent's own grants give.

    An emergency access doesn't count, because it ends before the token does.
    """
    own = replace(agent, opened=frozenset())
    departments = scope.departments or frozenset()
    for department in departments:
        own.scope(Permission.SIGN_IN).require(department)
    for permission in scope.permissions or frozenset():
        where = own.scope(permission)
        if not own.may(permission) or not all(map(where.covers, departments)):
            raise TokenTooWide
