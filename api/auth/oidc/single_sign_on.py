"""Single sign-on for the web door: start a log-in, finish it, check a session, log out."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from api.auth.oidc.check import RoleCheck
from api.auth.oidc.client import OidcClient
from api.auth.oidc.errors import LoginNotValid, LogoutTokenNotValid
from api.auth.oidc.login_flow import LASTS, AuthorizationRequest, AuthorizationResponse, LoginFlow
from api.auth.oidc.provider import Provider
from api.auth.oidc.tokens import OLDEST, TokenVerifier
from api.auth.oidc.transport import ProviderTransport
from api.web.errors import NotSignedIn
from desk.access.actor import SYSTEM
from desk.access.agent import Agent
from desk.accounts.agents import Agents
from desk.accounts.oidc.groups_file import AccessFile
from desk.accounts.oidc.identities import OidcIdentities
from desk.accounts.sessions.model import LoginSource, NewSession, ProviderLogin, Session
from desk.accounts.sessions.service import Sessions
from desk.clock import Clock
from desk.connections.health import Component
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.settings.oidc import OidcSettings
from desk.settings.settings import Settings
from desk.vault.vault import Vault

REMEMBERED: Final = OLDEST + timedelta(minutes=5)
"""An older logout token is refused by its age, so it need not be remembered."""


@dataclass(frozen=True)
class SingleSignOnResult:
    """Somebody is logged in. `after`: where their browser goes now."""

    session: NewSession
    after: str


class SingleSignOn(Service):
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
        """Raises SettingsError for a client key that can't be used. No request is made to the provider yet."""
        super().__init__(database=database, clock=clock)
        self._issuer = settings.issuer
        self.groups_file = groups
        self._transport = ProviderTransport(settings.issuer, authority=settings.ca)
        provider = Provider(settings.issuer, self._transport)
        client = OidcClient(settings, provider=provider, transport=self._transport, clock=clock)
        self._verifier = TokenVerifier(provider=provider, client_id=client.id, clock=clock, skew=settings.clock_skew)
        self._flow = LoginFlow(
            settings,
            provider=provider,
            client=client,
            verifier=self._verifier,
            vault=vault,
            groups=groups,
            clock=clock,
        )
        self._identities = OidcIdentities(database=database, vault=vault, clock=clock)
        self._sessions = sessions
        self._check = RoleCheck(
            flow=self._flow,
            identities=self._identities,
            sessions=sessions,
            agents=agents,
            clock=clock,
            every=settings.check_every,
            unreachable=settings.unreachable_for,
        )

    async def start(self, after: str | None, before: str | None) -> AuthorizationRequest:
        """Send the browser to the provider. `before`: the secret of its present session. Raises LoginError."""
        return await self._flow.start(after, before)

    async def finish(self, response: AuthorizationResponse, cookie: str | None) -> SingleSignOnResult:
        """Open a session for the person who came back. Raises LoginError, AgentDisabled, AgentNameTaken."""
        pending = self._flow.pending(response, cookie)
        if not await self._identities.use_once(SYSTEM, f"log-in {pending.state}", LASTS):
            raise LoginNotValid("finished-before")
        person = await self._flow.finish(response, pending)
        agent, check_by = await self._check.admit(person)
        login = ProviderLogin(person.issuer, person.subject, person.sid, check_by)
        session = await self._sessions.open(SYSTEM, agent.name, source=LoginSource.OIDC, login=login)
        if pending.before is not None:
            await self._sessions.end(SYSTEM, pending.before)
        return SingleSignOnResult(session, pending.after)

    async def current_agent(self, session: Session) -> Agent:
        """The session's agent, with the roles of now. Raises NotSignedIn when the provider ended the session.

        So does a session from another provider than the one in the settings.
        """
        if session.login is not None and session.login.issuer != self._issuer:
            raise NotSignedIn
        return await self._check.current_agent(session)

    async def logged_out(self, token: str) -> int:
        """End the sessions a logout token names. Returns how many. Raises LogoutTokenNotValid, ProviderUnavailable."""
        claims = await self._verifier.logout(token)
        return await self._end_sessions(SYSTEM, claims["jti"], claims.get("sub"), claims.get("sid"))

    @unit_of_work
    async def _end_sessions(self, unit: Unit, jti: str, subject: str | None, sid: str | None) -> int:
        """In one unit of work: if ending the sessions fails, the token must be valid when it is sent again."""
        if not await self._identities.use_once(unit, f"log-out {self._issuer} {jti}", REMEMBERED):
            raise LogoutTokenNotValid("used-before")
        ended = await self._sessions.end_of_provider(unit, self._issuer, subject=subject, sid=sid)
        if subject and sid:
            # Keycloak names one session also when it has ended all of the person's: ask it about the others at once.
            await self._identities.check_now(unit, self._issuer, subject)
            await self._sessions.check_of_provider(unit, self._issuer, subject)
        elif subject:
            await self._identities.forget(unit, self._issuer, subject)
        return ended

    async def groups(self) -> Component:
        """Whether the file of groups and roles on disk is the one in use."""
        await self.groups_file.settled()
        fault = self.groups_file.fault
        if fault is None:
            return Component(True, "in use as on disk")
        place = Path(fault.file).name + (f":{fault.line}" if fault.line is not None else "")
        return Component(False, f"{place}: {fault.reason}; the last valid file stays in use")

    async def close(self) -> None:
        await self._transport.close()


def single_sign_on(
    settings: Settings, *, database: Database, vault: Vault, sessions: Sessions, agents: Agents, clock: Clock
) -> SingleSignOn | None:
    """Single sign-on by the settings; None if it is off."""
    if not settings.oidc.enabled:
        return None
    groups = AccessFile(settings.files.access)
    return SingleSignOn(
        settings.oidc, database=database, vault=vault, sessions=sessions, agents=agents, groups=groups, clock=clock
    )
