"""The credentials of a request: a bearer token, or the session cookie with protection against other sites.

A request with an Authorization header is judged by that header alone: a cookie never replaces an invalid token. A page
of another site can't send the header, so such a request needs no CSRF token.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.security import HTTPAuthorizationCredentials

from api.auth.cookies import CSRF_HEADER, SESSION
from api.auth.services import AuthServices
from api.web.errors import CrossSite, NotSignedIn, WallNotOpen
from desk.access.actor import Actor
from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts.sessions.model import Session, is_csrf_of
from desk.accounts.tokens.model import hashed

MAX_TOKEN: Final = 200
CSRF_FIELD: Final = "csrf"
FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credential:
    """An authenticated agent. `session` is None for a bearer token; `recheck` authenticates again, later on.

    `history`: the newest position in the history when a token was checked; None if it was not read.
    """

    agent: Agent
    session: Session | None
    secret: str = field(repr=False)
    recheck: Callable[[], Awaitable[Agent | None]] = field(repr=False, compare=False)
    history: int | None = None

    async def still_reads(self, actor: Actor) -> bool:
        """Whether it may still read all that the actor was allowed to read."""
        agent = await self.recheck()
        return agent is not None and all(map(agent.scope(Permission.READ).covers, actor.scope.departments or ()))

    @property
    def name(self) -> str:
        """The credential's name in the audit, which reveals no secret."""
        return f"session:{self.session.id}" if self.session else f"token:{hashed(self.secret).hex()[:12]}"


async def credential_of(
    request: Request, services: AuthServices, credentials: HTTPAuthorizationCredentials | None, *, in_use: bool = True
) -> Credential:
    """Authenticate a request. `in_use` False: a page repaints itself, which does not prolong the session.

    Raises NotSignedIn; CrossSite for a change that another site may have sent; TooManyRequests, before the database is
    read, for a credential that has used up its limit.
    """
    by_token = "authorization" in request.headers
    bearer = credentials.credentials if credentials else ""
    secret = bearer if by_token else services.cookies.read(request, SESSION) or ""
    known = services.limits.take(request, secret)
    try:
        found = await (_by_token(services, secret) if by_token else _by_cookie(services, secret, in_use=in_use))
    except NotSignedIn:
        services.limits.opened_nothing(request)
        raise
    if not known:
        services.limits.opened(secret, who=found.agent.name, name=found.name)
    if found.session is not None and request.method not in SAFE_METHODS:
        check_same_site(request)
        if not is_csrf_of(secret, request.headers.get(CSRF_HEADER) or await _csrf_in_form(request)):
            await request.close()  # a form may have brought a file
            raise CrossSite
    return found


async def wall_credential_of(request: Request, services: AuthServices, secret: str) -> Credential:
    """Authenticate a wall screen by its token. Any other token is refused: a full one must not hang on a wall.

    Raises WallNotOpen; TooManyRequests as `credential_of` does.
    """
    known = services.limits.take(request, secret)
    agent = await services.agents.verify(secret) if 0 < len(secret) <= MAX_TOKEN else None
    if agent is None or not agent.is_wall_screen or not agent.may(Permission.WALL):
        services.limits.opened_nothing(request)
        raise WallNotOpen
    found = Credential(agent, None, secret, lambda: services.agents.verify(secret))
    if not known:
        services.limits.opened(secret, who=agent.name, name=found.name)
    return found


async def _csrf_in_form(request: Request) -> str:
    """The CSRF token in a form that a page of ours sent without a script; empty if there is none."""
    if not request.headers.get("content-type", "").startswith(FORM_TYPES):
        return ""
    given = (await request.form()).get(CSRF_FIELD)
    return given if isinstance(given, str) else ""


def check_same_site(request: Request) -> None:
    """Raises CrossSite if the browser says that a page of another site sent the request."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None and fetched not in ("same-origin", "none"):
        raise CrossSite
    origin = request.headers.get("origin")
    if origin is not None and not _is_own_origin(origin, request):
        raise CrossSite


async def _by_cookie(services: AuthServices, secret: str, *, in_use: bool) -> Credential:
    found = await _by_session(services, secret, in_use=in_use) if secret else None
    if found is None:
        raise NotSignedIn
    session, agent = found

    async def recheck() -> Agent | None:
        found = await _by_session(services, secret, in_use=False)
        return found[1] if found else None

    return Credential(agent, session, secret, recheck)


async def _by_session(services: AuthServices, secret: str, *, in_use: bool = True) -> tuple[Session, Agent] | None:
    """The session and its agent with the grants of now; None if it is over, also because the provider says so.

    A session from a provider is over when single sign-on is off, because its roles can't be checked.
    """
    session = await services.sessions.verify(secret, in_use=in_use)
    if session is None or (session.login is not None and services.single_sign_on is None):
        return None
    if session.login is None or services.single_sign_on is None:
        return session, session.agent
    try:
        return session, await services.single_sign_on.current_agent(session)
    except NotSignedIn:
        return None


async def _by_token(services: AuthServices, secret: str) -> Credential:
    found = await services.agents.tokens.verify(secret) if 0 < len(secret) <= MAX_TOKEN else None
    if found is None or found.agent.is_wall_screen:
        raise NotSignedIn
    return Credential(found.agent, None, secret, lambda: services.agents.verify(secret), found.history)


def _is_own_origin(origin: str, request: Request) -> bool:
    """Whether that origin is the address this request reached; a proxy may have terminated TLS."""
    try:
        page, port = urlsplit(origin), urlsplit(origin).port
    except ValueError:
        return False
    here = request.url
    if page.scheme not in ("https", here.scheme) or page.scheme not in PORTS or page.hostname != here.hostname:
        return False
    own_port = here.port or PORTS.get(page.scheme if ":" not in (request.headers.get("host") or "") else here.scheme)
    return (port or PORTS[page.scheme]) == own_port
