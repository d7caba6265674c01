"""Render the console's pages: one shell, one `<main>`, words in the reader's language, everything escaped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.access import Access, PersonalAccess
from api.auth import access as auth
from api.console import moments
from api.console.assets import assets
from api.console.parts import detail_in
from api.console.words import Wording, language_of, words_of
from api.web.middleware.security_headers import nonce_of
from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts.sessions.model import Session, csrf_of

TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class LoggedIn:
    """The person who is logged in, as the shell shows them. `idle_seconds`: how long the session lasts without use."""

    agent: Agent
    csrf: str
    idle_seconds: int
    seconds_left: int

    @classmethod
    def of(cls, access: Access | PersonalAccess) -> "LoggedIn":
        """The person behind a page's access."""
        session, secret = _session(access)
        limits = access.services.settings.login.session_limits
        left = int((session.ends_at - access.services.clock.now()).total_seconds())
        return cls(access.agent, csrf_of(secret), int(limits.idle.total_seconds()), max(left, 0))

    def may(self, permission: str) -> bool:
        """Whether any of the person's roles gives that permission."""
        return self.agent.may(Permission(permission))


@dataclass(frozen=True)
class NavigationItem:
    """A link in the head of every page."""

    address: str
    word: str
    permission: Permission


NAVIGATION: Final[Sequence[NavigationItem]] = (
    NavigationItem("/queue", "shell.queue", Permission.READ),
    NavigationItem("/monday", "shell.monday", Permission.READ),
    NavigationItem("/incomplete", "shell.incomplete", Permission.WORK),
    NavigationItem("/search", "shell.search", Permission.WORK),
    NavigationItem("/desk", "shell.desk", Permission.CLOSE),
    NavigationItem("/figures", "shell.figures", Permission.READ),
    NavigationItem("/audit", "shell.audit", Permission.AUDIT),
    NavigationItem("/operate", "shell.operate", Permission.OPERATE),
    NavigationItem("/settings", "shell.settings", Permission.SIGN_IN),
)


@cache
def environment() -> Environment:
    """The templates. A name that is not defined is an error, not an empty text."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"exact": moments.exact, "clock_time": moments.clock_time}
    made.globals |= {"asset": assets().address, "iso": lambda moment: moment.isoformat(), "detail_in": detail_in}
    return made


def macro(template: str, name: str) -> Callable[..., str]:
    """A macro of a template, to be called with all that it shows."""
    found: Callable[..., str] = vars(environment().get_template(template).module)[name]
    return found


def render(
    request: Request,
    template: str,
    access: Access | PersonalAccess | None = None,
    *,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """Render a page for the person behind `access`; None before a log-in."""
    words = words_of(language_of(request))
    person = LoggedIn.of(access) if access is not None else None
    context = {
        "t": words,
        "lang": words.language,
        "nonce": nonce_of(request),
        "path": request.url.path,
        "person": person,
        "navigation": [item for item in NAVIGATION if person and person.agent.may(item.permission)],
        "request_id": str(request.scope.get("request_id", "")),
    }
    return HTMLResponse(environment().get_template(template).render(context | values), status_code=status)


def words_for(request: Request) -> Wording:
    """The words in the reader's language."""
    return words_of(language_of(request))


def _session(access: Access | PersonalAccess) -> tuple[Session, str]:
    if isinstance(access, auth.PersonalAccess):
        return access.session, access.secret
    assert access.credential.session is not None, "a page is shown to a person who is logged in"
    return access.credential.session, access.credential.secret
