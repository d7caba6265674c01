"""How a request shows who sends it: a bearer token, or the cookie of a log-in with what keeps other sites out.

A request with an Authorization header is judged by that alone, whatever cookies came with it: a bad token is never
made up for by a cookie, and a page of another site can't send the header. So no CSRF token is asked for there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.security import HTTPAuthorizationCredentials

from api.auth import cookies
from api.services import Services
from api.web.errors import CrossSite, NotSignedIn
from desk.access.agent import Agent
from desk.accounts.sessions.service import Session, is_csrf_of
from desk.accounts.tokens.service import hashed

MAX_TOKEN: Final = 200
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credential:
    """Who signed in, and by what. `session` is None for a bearer token; `still` asks again, later on."""

    agent: Agent
    session: Session | None
    secret: str = field(repr=False)
    still: Callable[[], Awaitable[Agent | None]] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What the audit knows it by: nothing that opens."""
        return f"session:{self.session.id}" if self.session else f"token:{hashed(self.secret).hex()[:12]}"


async def credential_of(
    request: Request, services: Services, credentials: HTTPAuthorizationCredentials | None
) -> Credential:
    """Raises NotSignedIn, and CrossSite for a change that another site may have made the browser ask for.

    Raises TooManyRequests, to who has used up what one credential may ask before anything is looked up.
    """
    by_token = "authorization" in request.headers
    given = credentials.credentials if credentials else ""
    secret = given if by_token else cookies.read(request, services.settings, cookies.SESSION) or ""
    known = services.limits.take(request, secret)
    try:
        found = await (_by_token(services, secret) if by_token else _by_cookie(services, secret))
    except NotSignedIn:
        services.limits.opened_nothing(request)
        raise
    if not known:
        services.limits.opened(secret, who=found.agent.name, name=found.name)
    if found.session is not None and request.method not in SAFE_METHODS:
        check_same_site(request)
        if not is_csrf_of(secret, request.headers.get(cookies.CSRF_HEADER, "")):
            raise CrossSite
    return found


def check_same_site(request: Request) -> None:
    """Raises CrossSite if the browser says that another site's page sent this. What it doesn't say is no proof."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None and fetched not in ("same-origin", "none"):
        raise CrossSite
    origin = request.headers.get("origin")
    if origin is not None and not _is_ours(origin, request):
        raise CrossSite


async def _by_cookie(services: Services, secret: str) -> Credential:
    found = await _by_session(services, secret) if secret else None
    if found is None:
        raise NotSignedIn
    session, agent = found

    async def still() -> Agent | None:
        found = await _by_session(services, secret, in_use=False)
        return found[1] if found else None

    return Credential(agent, session, secret, still)


async def _by_session(services: Services, secret: str, *, in_use: bool = True) -> tuple[Session, Agent] | None:
    """The session and whose it is now; None: it is over, also by the word of the provider it was begun at.

    So is one begun at a provider while there is none: nobody can say whether its roles still hold.
    """
    session = await services.sessions.verify(secret, in_use=in_use)
    if session is None or (session.login is not None and services.single_sign_on is None):
        return None
    if session.login is None or services.single_sign_on is None:
        return session, session.agent
    try:
        return session, await services.single_sign_on.still(session)
    except NotSignedIn:
        return None


async def _by_token(services: Services, secret: str) -> Credential:
    agent = await services.agents.verify(secret) if 0 < len(secret) <= MAX_TOKEN else None
    if agent is None:
        raise NotSignedIn
    return Credential(agent, None, secret, lambda: services.agents.verify(secret))


def _is_ours(origin: str, request: Request) -> bool:
    """Whether that page stands at the address this request reached; TLS may have ended at a proxy before us."""
    try:
        page, port = urlsplit(origin), urlsplit(origin).port
    except ValueError:
        return False
    here = request.url
    if page.scheme not in ("https", here.scheme) or page.scheme not in PORTS or page.hostname != here.hostname:
        return False
    ours = here.port or PORTS.get(page.scheme if ":" not in (request.headers.get("host") or "") else here.scheme)
    return (port or PORTS[page.scheme]) == ours
