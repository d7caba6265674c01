"""Checks at intervals that people who are logged in still have their roles at the provider.

The first request after the interval waits for the answer. Requests of the same person at that moment share it, and only
one process asks. If the provider says no, all the person's sessions end. If it can't be reached, sessions go on for a
while.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from api.auth.oidc.errors import LoginError, NoRole, ProviderUnavailable, TooManyGroups
from api.auth.oidc.login_flow import LoginFlow, Person
from api.web.errors import NotSignedIn
from desk.access.actor import SYSTEM
from desk.access.agent import Agent
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentDisabled, AgentNameTaken, AgentNotFound
from desk.accounts.oidc.identities import OidcIdentities, OidcIdentity
from desk.accounts.sessions.model import ProviderLogin, Session
from desk.accounts.sessions.service import Sessions
from desk.clock import Clock
from desk.database.batching import SingleFlight

log = structlog.get_logger(__name__)

POLL_EVERY: Final = 0.1
POLLS: Final = 150
"""How often, in seconds, and how many times to look for the answer another process is waiting for."""


class RoleCheck:
    """Checks the people of one provider.

    `every`: how long an answer is valid. `unreachable`: how much longer while the provider can't be reached.
    """

    def __init__(
        self,
        *,
        flow: LoginFlow,
        identities: OidcIdentities,
        sessions: Sessions,
        agents: Agents,
        clock: Clock,
        every: timedelta,
        unreachable: timedelta,
    ) -> None:
        self._flow = flow
        self._identities = identities
        self._sessions = sessions
        self._agents = agents
        self._clock = clock
        self._every = every
        self._unreachable = unreachable
        self._checks: SingleFlight[tuple[str, str], datetime | None] = SingleFlight()

    async def current_agent(self, session: Session) -> Agent:
        """The session's agent, with the roles the provider gives now. Raises NotSignedIn if the session is over."""
        login = session.login
        if login is None or self._clock.now() < login.check_by:
            return session.agent
        key = (login.issuer, login.subject)
        check_by = await self._checks.run(key, lambda: self._check(login, session.agent.name))
        if check_by is None:
            raise NotSignedIn
        await self._sessions.checked(SYSTEM, session, check_by)
        try:
            agent = await self._agents.get(SYSTEM, session.agent.name)
            return replace(agent, opened=session.agent.opened)  # an emergency access goes on
        except AgentNotFound:
            raise NotSignedIn from None

    async def admit(self, person: Person) -> tuple[Agent, datetime]:
        """The agent of that person, and when to check them next. Raises AgentDisabled, AgentNameTaken."""
        who = (person.issuer, person.subject)
        try:
            agent = await self._agents.from_provider(SYSTEM, *who, person.name, person.grants)
        except AgentNameTaken:
            if person.other_name is None:
                raise
            name = f"{person.name} ({person.other_name})"  # the history must distinguish people of the same name
            agent = await self._agents.from_provider(SYSTEM, *who, name, person.grants)
        check_by = self._clock.now() + self._every
        await self._identities.put(SYSTEM, *who, person.refresh_token, check_by)
        return agent, check_by

    async def _check(self, login: ProviderLogin, agent: str) -> datetime | None:
        """When to check next; None when the session is over."""
        for _ in range(POLLS):
            identity = await self._identities.find(SYSTEM, login.issuer, login.subject)
            now = self._clock.now()
            if identity is None:
                await self._end(login, "not-known-any-more")
                return None
            if now < identity.check_by:
                return identity.check_by
            if identity.refresh_token is None:
                await self._end(login, "no-refresh-token")
                return None
            if identity.retry_at is not None and now < identity.retry_at:
                return await self._tolerate(login, identity)
            if await self._identities.reserve(SYSTEM, login.issuer, login.subject):
                return await self._ask(login, agent, identity, identity.refresh_token)
            await asyncio.sleep(POLL_EVERY)
        return None  # the process that asks never finished: the person must log in again

    async def _ask(
        self, login: ProviderLogin, agent: str, identity: OidcIdentity, refresh_token: str
    ) -> datetime | None:
        try:
            person = await self._flow.refresh(refresh_token, login.subject)
            latest = person.refresh_token or refresh_token  # a provider need not give a new one
            _, check_by = await self.admit(replace(person, refresh_token=latest))
        except ProviderUnavailable as unavailable:
            log.warning("roles could not be checked", reason=unavailable.reason)
            await self._identities.postpone(SYSTEM, login.issuer, login.subject)
            return await self._tolerate(login, identity)
        except (NoRole, TooManyGroups) as refused:
            with suppress(AgentDisabled):  # its tokens lose the roles too
                await self._agents.from_provider(SYSTEM, login.issuer, login.subject, agent, ())
            await self._end(login, refused.reason)
            return None
        except (LoginError, AgentDisabled, AgentNameTaken) as refused:
            await self._end(login, getattr(refused, "reason", refused.id))
            return None
        return check_by

    async def _tolerate(self, login: ProviderLogin, identity: OidcIdentity) -> datetime | None:
        """Let the session go on without an answer, for as long as that is allowed."""
        if self._clock.now() < identity.check_by + self._unreachable:
            return identity.check_by
        await self._end(login, "unreachable-for-too-long")
        return None

    async def _end(self, login: ProviderLogin, reason: str) -> None:
        ended = await self._sessions.end_of_provider(SYSTEM, login.issuer, login.subject)
        await self._identities.forget(SYSTEM, login.issuer, login.subject)
        log.info("sessions of a provider ended", reason=reason, sessions=ended)
