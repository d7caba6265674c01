"""Single sign-on as the web door uses it: begin, finish, still here, logged out elsewhere."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from api.auth.oidc.check import RoleCheck
from api.auth.oidc.client import Client
from api.auth.oidc.errors import LoginNotValid, LogoutTokenNotValid
from api.auth.oidc.login import LASTS, Answer, Begun, Login
from api.auth.oidc.provider import Provider
from api.auth.oidc.tokens import OLDEST, Tokens
from api.auth.oidc.wire import Wire
from api.web.errors import NotSignedIn
from desk.access.agent import Agent
from desk.accounts.agents import Agents
from desk.accounts.oidc.groups_file import AccessFile
from desk.accounts.oidc.identities import ProviderPeople
from desk.accounts.sessions.service import LoginSource, Opened, ProviderLogin, Session, Sessions
from desk.clock import Clock
from desk.database.engine import Database
from desk.health import Component
from desk.settings.oidc import OidcSettings
from desk.settings.settings import Settings
from desk.vault.vault import Vault

REMEMBERED: Final = OLDEST + timedelta(minutes=5)
"""A logout token older than that is refused by its age, and need not be remembered."""


@dataclass(frozen=True)
class Finished:
    """Somebody is logged in. `after`: where their browser goes now."""

    opened: Opened
    after: str


class SingleSignOn:
    """Log-ins at the provider of the settings. Close it at the end."""

    def __init__(
        self,
        settings: OidcSettings,
        *,
        database: Database,
        vault: Vault,
        sessions: Sessions,
        agents: Agents,
        groups: AccessFile,
        clock: Clock,
    ) -> None:
        """Raises SettingsError for a client key that can't be used. The provider is not asked before somebody comes."""
        self._issuer = settings.issuer
        self._groups = groups
        self._wire = Wire(settings.issuer, authority=settings.ca)
        provider = Provider(settings.issuer, self._wire)
        client = Client(settings, provider=provider, wire=self._wire, clock=clock)
        self._tokens = Tokens(provider=provider, client_id=client.id, clock=clock, skew=settings.clock_skew)
        self._login = Login(
            settings, provider=provider, client=client, tokens=self._tokens, vault=vault, groups=groups, clock=clock
        )
        self._people = ProviderPeople(database=database, vault=vault, clock=clock)
        self._sessions = sessions
        self._check = RoleCheck(
            login=self._login,
            people=self._people,
            sessions=sessions,
            agents=agents,
            clock=clock,
            every=settings.check_every,
            unreachable=settings.unreachable_for,
        )

    async def begin(self, after: str | None, before: str | None) -> Begun:
        """The way to the provider. `before`: the session's secret the browser has now. Raises oidc_errors."""
        return await self._login.begin(after, before)

    async def finish(self, answer: Answer, cookie: str | None) -> Finished:
        """A session for who came back. Raises the errors of oidc_errors, AgentDisabled, AgentNameTaken."""
        under_way = self._login.under_way(answer, cookie)
        if not await self._people.take_once(f"log-in {under_way.state}", LASTS):
            raise LoginNotValid("finished-before")
        person = await self._login.finish(answer, under_way)
        agent, check_by = await self._check.admit(person)
        login = ProviderLogin(person.issuer, person.subject, person.sid, check_by)
        opened = await self._sessions.open(agent.name, source=LoginSource.OIDC, login=login)
        if under_way.before is not None:
            await self._sessions.end(under_way.before)
        return Finished(opened, under_way.after)

    async def still(self, session: Session) -> Agent:
        """The agent of a session, with the roles of now. Raises NotSignedIn: the provider says no more.

        Also for one begun at another provider than today's, who is not shown what that one gave.
        """
        if session.login is not None and session.login.issuer != self._issuer:
            raise NotSignedIn
        return await self._check.still(session)

    async def logged_out(self, token: str) -> int:
        """Ends the sessions a logout token names; how many. Raises LogoutTokenNotValid, ProviderUnavailable."""
        claims = await self._tokens.logout(token)
        subject, sid = claims.get("sub"), claims.get("sid")

        async def work(_connection: object) -> int:
            """One unit of work: a token that was taken and has ended nothing would be refused when it comes again."""
            if not await self._people.take_once(f"log-out {self._issuer} {claims['jti']}", REMEMBERED):
                raise LogoutTokenNotValid("used-before")
            if subject and not sid:
                await self._people.forget(self._issuer, subject)
            return await self._sessions.end_of_provider(self._issuer, subject=subject, sid=sid)

        return await self._people.together(work)

    def groups(self) -> Component:
        """Whether the file of groups and roles, as it is on disk now, is the one in use."""
        self._groups()  # looks at the file
        fault = self._groups.fault
        if fault is None:
            return Component(True, "in use as on disk")
        place = Path(fault.file).name + (f":{fault.line}" if fault.line is not None else "")
        return Component(False, f"{place}: {fault.reason}; the last good file goes on")

    async def close(self) -> None:
        await self._wire.close()


def single_sign_on(
    settings: Settings, *, database: Database, vault: Vault, sessions: Sessions, agents: Agents, clock: Clock
) -> SingleSignOn | None:
    """Single sign-on by the settings; None where it is off."""
    if not settings.oidc.enabled:
        return None
    groups = AccessFile(settings.files.access)
    return SingleSignOn(
        settings.oidc, database=database, vault=vault, sessions=sessions, agents=agents, groups=groups, clock=clock
    )
