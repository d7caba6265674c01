"""Permissions: every route of the app, by every role, in its own and in another department, with every credential.

`LINES` is the table. A new route needs a line there; the test names the missing ones.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.auth.cookies import WALL
from desk.access.actor import SYSTEM
from desk.access.agent import WALL_ONLY
from desk.access.permissions import Role
from desk.accounts.sessions.model import LoginSource
from desk.accounts.tokens.model import TokenScope
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world
from tests.support.web.page_roles import A_CALLBACK, page_lines
from tests.support.web.roles import (
    AUDITORS,
    CLOSERS,
    IN_DEPARTMENT,
    NO_DEPARTMENT,
    NO_ROLE,
    NO_SUCH,
    NOT_SIGNED_IN,
    OTHER,
    OWN,
    READERS,
    ROLES,
    SIGNED_IN,
    WORKERS,
    Line,
    of_callback,
)

API = "/api/v1"

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
"""Differences between the engines belong to the desk, and are tested in test_scope.py."""

HOUR = {"from": "2026-11-25T10:00:00Z", "until": "2026-11-25T11:00:00Z"}

LINES: dict[str, Line] = {
    "GET /callbacks": Line(READERS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "POST /callbacks": Line(
        WORKERS, "201", NO_DEPARTMENT, {"department": "{department}", "phone": "{phone}", "note": "bestilt"}
    ),
    "POST /callbacks/claim": Line(WORKERS, "200", NO_DEPARTMENT, {"department": "{department}"}),
    "GET /callbacks/{id}": of_callback(READERS),
    "PATCH /callbacks/{id}": of_callback(WORKERS, "200", {"note": "ny"}, headers={"If-Match": "*"}),
    "POST /callbacks/sort": Line(WORKERS, "200", body={"ids": [A_CALLBACK], "priority": "normal"}),
    "GET /callbacks/{id}/patient": of_callback(WORKERS),
    "GET /calls/{number}/patient": Line(WORKERS, "404 call-not-found"),
    "POST /calls/{number}/dismiss": Line(WORKERS, "404 call-not-found", body={"reason": "other"}),
    "POST /calls/{number}/callback": Line(WORKERS, "404 call-not-found"),
    "GET /callbacks/{id}/history": of_callback(READERS),
    "GET /callbacks/{id}/promises": of_callback(READERS),
    "GET /callbacks/{id}/recording": of_callback(WORKERS, "404 recording-not-found"),
    "POST /callbacks/{id}/claim": of_callback(WORKERS),
    "POST /callbacks/{id}/release": of_callback(WORKERS, "409 claim-lost", {"fence": 0}),
    "POST /callbacks/{id}/extend": of_callback(WORKERS, "409 claim-lost", {"fence": 0}),
    "POST /callbacks/{id}/attempts": of_callback(WORKERS, "409 claim-lost", {"fence": 0, "outcome": "reached"}),
    "POST /callbacks/{id}/close": of_callback(WORKERS, "200", {"reason": "other"}),
    "POST /callbacks/{id}/reopen": of_callback(WORKERS, "409 illegal-move"),
    "POST /callbacks/{id}/transfer": of_callback(WORKERS, "200", {"department": OTHER, "keep_promise": False}),
    "POST /callbacks/{id}/promise": of_callback(WORKERS, "200", {}),
    "POST /callbacks/{id}/dial": of_callback(WORKERS, "409 claim-lost", {"fence": 0}),
    "GET /callbacks/{id}/dial": of_callback(READERS, "404 dial-not-found"),
    "DELETE /callbacks/{id}/dial": of_callback(WORKERS, "404 dial-not-found"),
    "POST /search": Line(WORKERS, body={"text": "{phone}"}),
    "GET /calls": Line(READERS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "GET /departments": Line(SIGNED_IN),
    "POST /departments/{slug}/closures": Line(CLOSERS, "201", NO_DEPARTMENT, HOUR),
    "GET /departments/{slug}/closures": Line(READERS, "200", NO_DEPARTMENT),
    "DELETE /departments/{slug}/closures/{number}": Line(CLOSERS, "404 closure-not-found", NO_DEPARTMENT),
    "POST /departments/{slug}/flood/close": Line(WORKERS, "200", NO_DEPARTMENT),
    "POST /departments/{slug}/flood/keep": Line(WORKERS, "200", NO_DEPARTMENT),
    "GET /departments/{slug}/promises": Line(READERS, "200", NO_DEPARTMENT),
    "GET /departments/{slug}/warnings": Line(READERS, "200", NO_DEPARTMENT),
    "GET /departments/{slug}/intake": Line(READERS, "200", NO_DEPARTMENT),
    "GET /statistics": Line(READERS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "GET /me": Line(SIGNED_IN),
    "POST /emergency-access": Line(
        READERS,
        "409 emergency-not-needed",
        "201",
        {"department": "{department}", "reason": "Ingen på vakt der nå", "minutes": 1},
    ),
    "GET /emergency-access": Line(READERS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "DELETE /emergency-access/{number}": Line(READERS, "404 emergency-not-found"),
    "GET /audit": Line(AUDITORS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "POST /audit/extract": Line(AUDITORS, "200", body={"identity": synthetic_identity(1)}),
    "GET /tokens": Line(SIGNED_IN),
    "POST /tokens": Line(SIGNED_IN, "201", NO_DEPARTMENT, {"label": "veggskjerm", "departments": ["{department}"]}),
    "DELETE /tokens/{number}": Line(SIGNED_IN, "404 token-not-found"),
    "GET /session": Line(ROLES, browser=True),
    "DELETE /session": Line(ROLES, "204", browser=True),
    "DELETE /sessions": Line(ROLES, "204", browser=True),
    "GET /sessions": Line(ROLES, browser=True),
    "DELETE /sessions/{number}": Line(ROLES, "404 session-not-found", browser=True),
    "POST /session/password": Line(
        ROLES, "403 wrong-password", body={"old": "ingen har dette", "new": "en ny og lang setning"}, browser=True
    ),
    "GET /second-factor": Line(ROLES, browser=True),
    "DELETE /second-factor": Line(ROLES, "404 second-factor-not-found", browser=True),
    "POST /second-factor/confirm": Line(
        ROLES, "409 second-factor-not-started", body={"code": "000000"}, browser=True
    ),  # before the line that starts one
    "POST /second-factor": Line(ROLES, "201", browser=True),
    "GET /events": Line(READERS, "200", NO_DEPARTMENT, query={"department": "{department}", "seconds": 0}),
}
"""Routes of /api/v1."""

OUTSIDE: dict[str, Line] = {
    "GET /healthz": Line(None),
    "GET /readyz": Line(None, "503"),
    "GET /metrics": Line(None),
    "POST /sms/reports": Line(None, NOT_SIGNED_IN, body={"resultCode": 0}),
    "POST /api/v1/session": Line(None, "422 invalid-input", body={}),
    "GET /api/v1/login/oidc": Line(None, "404 single-sign-on-off"),
    "GET /api/v1/login/oidc/callback": Line(None, "404 single-sign-on-off"),
    "POST /api/v1/login/oidc/backchannel-logout": Line(None, "404 single-sign-on-off"),
    "GET /api/openapi.json": Line(None),
    "GET /api/docs": Line(None),
    "GET /api/docs/start.js": Line(None),
    "GET /api/docs/swagger-ui-bundle.js": Line(None),
    "GET /api/docs/swagger-ui.css": Line(None),
}
"""Routes that do not depend on an agent's credentials. The one for the SMS gateway needs the gateway's own secret."""

FHIR: dict[str, Line] = {
    "GET /fhir/metadata": Line(None),
    "GET /fhir/Task": Line(READERS, "200", NO_DEPARTMENT, query={"owner": "{department}"}),
    "POST /fhir/Task/_search": Line(READERS, "200", NO_DEPARTMENT, form={"owner": "{department}"}),
    "GET /fhir/Task/{id}": of_callback(READERS),
    "GET /fhir/Communication": Line(READERS),
    "GET /fhir/Communication/{number}": Line(READERS, "404 sms-not-found"),
    "GET /fhir/Organization/{slug}": Line(READERS, "200", "404 organization-not-found"),
}
"""Routes for a record system. A search that names a patient is for workers only: test_fhir_access.py."""

PAGES: dict[str, Line] = page_lines()
"""Pages of the console: only for people who are logged in at a browser."""

CREDENTIALS = ("token", "cookie")
DEAD = ("expired token", "revoked token", "expired cookie", "cookie logged out")
WALL_SCREEN = ("wall token", "wall cookie", "wall token as a session")
COOKIE = "innringing"
"""Its name in the demo, over HTTP on this machine."""


def table() -> dict[str, Line]:
    return {_under_api(name): line for name, line in LINES.items()} | OUTSIDE | FHIR | PAGES


def _under_api(name: str) -> str:
    method, _, path = name.partition(" ")
    return f"{method} {API}{path}"


def routes(app: FastAPI) -> Iterator[str]:
    """Every route of the app, as the table names it."""
    for route in iter_route_contexts(app.routes):
        path = str(route.path).replace(":uuid}", "}").replace(":int}", "}")
        for method in sorted(set(route.methods or ()) - {"HEAD"}):
            yield f"{method} {path}"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


@dataclass
class Asker:
    """Sends requests to each route as some agent."""

    world: World
    name: str
    headers: dict[str, dict[str, str]]
    asked: int = 0
    untouched: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, world: World, role: str) -> "Asker":
        """An agent with that role in one department, and with every kind of credential."""
        agents, name = world.services.agents, f"{role}-in-{OWN}"
        token = await agents.add(
            SYSTEM, name, Role(role if role != "none" else "operator"), [OWN] if role != "none" else []
        )
        expired = await agents.tokens.issue(
            SYSTEM, name, "expired", expires_at=world.clock.now() + timedelta(seconds=1)
        )
        revoked = await agents.tokens.issue(SYSTEM, name, "revoked")
        await agents.tokens.revoke(SYSTEM, revoked.token.id)
        world.clock.advance(timedelta(seconds=2))
        old, over = [await agents_session(world, name) for _ in range(2)]
        await world.services.sessions.end(SYSTEM, over["Cookie"].partition("=")[2])
        world.clock.advance(timedelta(minutes=31))
        wall = (await agents.tokens.issue(SYSTEM, name, "wall", scope=TokenScope(None, WALL_ONLY))).secret
        secrets = {"token": token, "expired token": expired.secret, "revoked token": revoked.secret, "wall token": wall}
        cookies = {"expired cookie": old, "cookie logged out": over}
        cookies["wall cookie"] = {"Cookie": f"{WALL}={wall}"}
        cookies["wall token as a session"] = {"Cookie": f"{COOKIE}={wall}"}
        bearers = {kind: _bearer(secret) for kind, secret in secrets.items()}
        return cls(world, name, {"nothing": {}} | bearers | cookies)

    async def ask(self, route: str, line: Line, department: str, credential: str) -> str:
        """The answer as the table writes it. Each request is about a fresh callback."""
        method, _, path = route.partition(" ")
        if "{id}" in path:
            if department not in self.untouched:
                self.untouched[department] = (await self.world.rings(self.asked, department=department)).id
            path = path.replace("{id}", self.untouched[department])
            if credential in CREDENTIALS:
                del self.untouched[department]
        self.asked += 1
        self.world.clock.advance(timedelta(minutes=1))  # end an emergency access that was opened
        # a new session each time, because logging out is one of the routes
        opened = credential == "cookie"
        headers = await agents_session(self.world, self.name) if opened else self.headers[credential]
        answer = await self.world.client.request(
            method,
            path.replace("{slug}", department)
            .replace("{number}", NO_SUCH)
            .replace("{language}", "nb")
            .replace("{key}", "welcome"),
            headers={**line.headers, **headers},
            params=self._about(line.query, department),
            json=self._about(line.body, department),
            data=self._about(line.form, department),
        )
        return outcome(answer)

    def _about(self, value: Any, department: str) -> Any:
        """Fill in the department, and a phone that no one else has."""
        if isinstance(value, dict):
            return {key: self._about(each, department) for key, each in value.items()}
        if isinstance(value, list):
            return [self._about(each, department) for each in value]
        filled = {"{department}": department, "{phone}": f"+4768059{self.asked:03}", "{once}": f"{self.asked:020}"}
        return filled.get(value, value) if isinstance(value, str) else value


async def agents_session(world: World, name: str) -> dict[str, str]:
    """The headers of a browser that has just logged in as that agent."""
    opened = await world.services.sessions.open(SYSTEM, name, source=LoginSource.PASSWORD)
    return {"Cookie": f"{COOKIE}={opened.token}", "X-CSRF-Token": opened.csrf}


def outcome(answer: httpx.Response) -> str:
    """Status and problem id, which an OperationOutcome has as the code of its details."""
    if answer.headers.get("content-type") == "application/fhir+json" and answer.status_code >= 400:
        return f"{answer.status_code} {answer.json()['issue'][0]['details']['coding'][0]['code']}"
    if answer.headers.get("content-type") != "application/problem+json":
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['type'].rpartition(':')[2]}"


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def expected(line: Line, role: str, department: str, credential: str) -> str:
    if line.roles is None:
        return line.own
    if line.browser and credential == "token":
        return NOT_SIGNED_IN
    if role not in line.roles:
        return NO_ROLE
    return line.own if department == OWN or line.other is None else line.other


async def test_every_route_has_a_line(world: World) -> None:
    found = list(routes(world.app))
    missing = [route for route in found if route not in table()]
    assert not missing, f"no line in LINES of {Path(__file__).name} for: {', '.join(missing)}"
    assert set(table()) == set(found), "the table has a line for a route that is gone"


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_answers_each_role_as_the_table_says(world: World, role: str) -> None:
    asker = await Asker.of(world, role)
    wrong = []
    for route, line in table().items():
        for department in (OWN, OTHER):
            for credential in CREDENTIALS:
                answer = await asker.ask(route, line, department, credential)
                if answer != (wanted := expected(line, role, department, credential)):
                    wrong.append(f"{route} by {role} with {credential} about {department}: {answer}, not {wanted}")
    assert not wrong, "\n".join(wrong)
    assert asker.asked == len(table()) * 2 * len(CREDENTIALS)


async def opened(asker: Asker, department: str, credential: str) -> list[str]:
    """The routes that a credential opens which should open none."""
    wrong = []
    for route, line in table().items():
        answer = await asker.ask(route, line, department, credential)
        if answer != (wanted := line.own if line.roles is None else NOT_SIGNED_IN):
            wrong.append(f"{route} by {asker.name} with {credential} about {department}: {answer}, not {wanted}")
    return wrong


@pytest.mark.parametrize("role", ROLES)
async def test_expired_credentials_open_no_route(world: World, role: str) -> None:
    """In the agent's own department: what opens nothing there opens nothing anywhere."""
    asker = await Asker.of(world, role)
    assert [each for credential in DEAD for each in await opened(asker, OWN, credential)] == []


async def test_request_without_credentials_opens_no_route(world: World) -> None:
    asker = await Asker.of(world, "admin")
    assert [each for department in (OWN, OTHER) for each in await opened(asker, department, "nothing")] == []


@pytest.mark.parametrize("role", CLOSERS)
async def test_wall_screen_opens_the_wall_and_no_other_route(world: World, role: str) -> None:
    asker = await Asker.of(world, role)
    wrong = []
    for route, line in table().items():
        for credential in WALL_SCREEN:
            if "/wall" in route and "/desk/" not in route and credential == "wall cookie":
                continue
            answer = await asker.ask(route, line, OWN, credential)
            if answer != (wanted := line.own if line.roles is None else NOT_SIGNED_IN):
                wrong.append(f"{route} by {role} with {credential}: {answer}, not {wanted}")
    assert not wrong, "\n".join(wrong)


async def test_route_without_a_line_is_reported(world: World) -> None:
    @world.app.get(f"{API}/new/{{id:uuid}}")
    async def new() -> None:
        await asyncio.sleep(0)

    assert [route for route in routes(world.app) if route not in table()] == [f"GET {API}/new/{{id}}"]
