"""A person at a browser without scripts: reads pages and sends their forms, as HTML alone does."""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx

from api.auth.cookies import SESSION
from desk.access.actor import SYSTEM
from desk.accounts.sessions.model import LoginSource
from tests.support.web.api import World

HTML = {"Accept": "text/html"}


@dataclass
class Form:
    """A form of a page: where it goes, its fields with their values, and its buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select: str | None = None
        self._textarea: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
            self._inside = True
        if not self._inside:
            return
        form = self.forms[-1]
        checks = given.get("type") in ("checkbox", "radio")
        if tag == "input" and "name" in given and (not checks or "checked" in given):
            form.fields[given["name"]] = given.get("value", "on" if checks else "")
        elif tag == "button" and "name" in given:
            form.buttons.append((given["name"], given.get("value", "")))
        elif tag == "select":
            self._select = given.get("name")
        elif tag == "option" and self._select and ("selected" in given or self._select not in form.fields):
            form.fields[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._textarea = given.get("name")
            form.fields[self._textarea or ""] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea and self.forms:
            self.forms[-1].fields[self._textarea] += data


@dataclass
class Visitor:
    """Someone at a browser without scripts. `answer` is the page in front of them."""

    client: httpx.AsyncClient
    answer: httpx.Response | None = None

    @property
    def page(self) -> httpx.Response:
        """The page in front of the visitor."""
        assert self.answer is not None
        return self.answer

    @property
    def text(self) -> str:
        """The page's words, without markup."""
        bare = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", self.page.text, flags=re.DOTALL)
        return " ".join(unescape(bare).split())

    def forms(self, action: str) -> list[Form]:
        """The page's forms that go there."""
        parser = _Forms()
        parser.feed(self.page.text)
        return [form for form in parser.forms if re.fullmatch(action, form.action)]

    async def goes_to(self, path: str, **headers: str) -> "Visitor":
        """Open a page, and follow where it leads."""
        self.answer = await self.client.get(path, headers=HTML | headers, follow_redirects=True)
        return self

    async def sends(self, action: str, **fields: str) -> "Visitor":
        """Fill in the page's first form that goes there and send it."""
        form = self.forms(action)[0]
        given = form.fields | fields
        if form.method == "get":
            self.answer = await self.client.get(form.action, params=given, headers=HTML, follow_redirects=True)
        else:
            self.answer = await self.client.post(form.action, data=given, headers=HTML, follow_redirects=True)
        return self


def visitor(world: World) -> Visitor:
    """Someone who is not logged in."""
    transport: Any = httpx.ASGITransport(app=world.witness, raise_app_exceptions=True)
    return Visitor(httpx.AsyncClient(transport=transport, base_url="http://api.test"))


async def logged_in(world: World, agent: str = "kari", source: LoginSource = LoginSource.PASSWORD) -> Visitor:
    """That agent, logged in."""
    await world.token(agent)
    session = await world.services.sessions.open(SYSTEM, agent, source=source)
    someone = visitor(world)
    someone.client.cookies.set(SESSION, session.token)
    return someone
