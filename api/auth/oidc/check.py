"""Whether somebody who is logged in still has their roles at the provider: asked again when it is due.

The first request after that waits for the answer; those of the same person at the same moment share it, and of
several processes one asks. A provider that says no ends all the person's sessions. One that says nothing ends none,
for a while.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from api.auth.oidc.errors import GroupsNotTold, LoginError, NoRole, ProviderUnavailable
from api.auth.oidc.login import Login, Person
from api.web.errors import NotSignedIn
from desk.access.agent import Agent
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentDisabled, AgentNameTaken, AgentNotFound
from desk.accounts.oidc.identities import Known, ProviderPeople
from desk.accounts.sessions.service import ProviderLogin, Session, Sessions
from desk.clock import Clock
from desk.database.batching import SingleFlight

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = 0.1
LOOKS: Final = 150
"""So often, in seconds, and so many times is looked whether another process has its answer."""


class RoleCheck:
    """Asks one provider again about those who are logged in by it.

    `every`: how long an answer holds. `unreachable`: how much longer while the provider can't be asked.
    """

    def __init__(
        self,
        *,
        login: Login,
        people: ProviderPeople,
        sessions: Sessions,
        agents: Agents,
        clock: Clock,
        every: timedelta,
        unreachable: timedelta,
    ) -> None:
        self._login = login
        self._people = people
        self._sessions = sessions
        self._agents = agents
        self._clock = clock
        self._every = every
        self._unreachable = unreachable
        self._asked: SingleFlight[tuple[str, str], datetime | None] = SingleFlight()

    async def still(self, session: Session) -> Agent:
        """The session's agent, with the roles the provider gives now. Raises NotSignedIn: the session is over."""
        at = session.login
        if at is None or self._clock.now() < at.check_by:
            return session.agent
        check_by = await self._asked.look((at.issuer, at.subject), lambda: self._due(at, session.agent.name))
        if check_by is None:
            raise NotSignedIn
        await self._sessions.checked(session, check_by)
        try:
            agent = await self._agents.get(session.agent.name)
            return replace(agent, opened=session.agent.opened)  # an emergency access goes on
        except AgentNotFound:
            raise NotSignedIn from None

    async def admit(self, person: Person) -> tuple[Agent, datetime]:
        """The agent that person is here, and when to ask about them again. Raises AgentDisabled, AgentNameTaken."""
        try:
            agent = await self._agents.from_provider(person.issuer, person.subject, person.name, person.grants)
        except AgentNameTaken:
            if person.other_name is None:
                raise
            # two of the same name: history must tell them apart
            name = f"{person.name} ({person.other_name})"
            agent = await self._agents.from_provider(person.issuer, person.subject, name, person.grants)
        check_by = self._clock.now() + self._every
        await self._people.looked_at(person.issuer, person.subject, person.refresh_token, check_by)
        return agent, check_by

    async def _due(self, at: ProviderLogin, agent: str) -> datetime | None:
        """When to ask again; None when the person may not go on."""
        for _ in range(LOOKS):
            known = await self._people.find(at.issuer, at.subject)
            now = self._clock.now()
            if known is None:
                await self._over(at, "not-known-any-more")
                return None
            if now < known.check_by:
                return known.check_by
            if known.refresh_token is None:
                await self._over(at, "nothing-to-ask-by")
                return None
            if known.retry_at is not None and now < known.retry_at:
                return await self._unasked(at, known)
            if await self._people.take(at.issuer, at.subject):
                return await self._ask(at, agent, known, known.refresh_token)
            await asyncio.sleep(LOOK_EVERY)
        return None  # whoever asks has come to no end: it is asked again when the person logs in

    async def _ask(self, at: ProviderLogin, agent: str, known: Known, refresh_token: str) -> datetime | None:
        try:
            person = await self._login.again(refresh_token, at.subject)
            kept = person.refresh_token or refresh_token  # a provider need not give a new one
            _, check_by = await self.admit(replace(person, refresh_token=kept))
        except ProviderUnavailable as away:
            log.warning("a role could not be checked", reason=away.reason)
            await self._people.not_reached(at.issuer, at.subject)
            return await self._unasked(at, known)
        except (NoRole, GroupsNotTold) as refused:
            with suppress(AgentDisabled):
                await self._agents.from_provider(at.issuer, at.subject, agent, ())  # its tokens lose the roles too
            await self._over(at, refused.reason)
            return None
        except (LoginError, AgentDisabled, AgentNameTaken) as refused:
            await self._over(at, getattr(refused, "reason", refused.id))
            return None
        return check_by

    async def _unasked(self, at: ProviderLogin, known: Known) -> datetime | None:
        """The provider says nothing: on they go, for as long as that is allowed."""
        if self._clock.now() < known.check_by + self._unreachable:
            return known.check_by
        await self._over(at, "unreachable-for-too-long")
        return None

    async def _over(self, at: ProviderLogin, reason: str) -> None:
        ended = await self._sessions.end_of_provider(at.issuer, at.subject)
        await self._people.forget(at.issuer, at.subject)
        log.info("the provider's word ended sessions", reason=reason, sessions=ended)
