"""Ten thousand identity numbers and ten thousand phones through every route: none is where it may not be.

Places come from the app's own routes and OpenAPI document, so a new route is tried by itself. Every logger is open, at
its lowest level. Looked through: answers and their headers, problem documents, the log, metrics, the database as a
backup holds it. What reaches the log past logging is tried in test_log_has_no_way_past.py, Asterisk's own files in
tests/chaos/test_sentinel.py, the phone door's. On SQLite alone: what is put in the tables is the same on both engines.
"""

import io
import itertools
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import select

from api import problems, requests
from api.metrics import Metrics
from desk.access import Role
from desk.log import Scrubber, configure_logging
from desk.storage.tables import metadata
from desk.vault import Vault
from tests.canaries import Checker, Find, identities, identity_spellings, phone_spellings, phones
from tests.integration.api_world import World, open_world

PHONES_IN_CLEAR = {
    "callbacks.phone": "lists are made by it, and it is rung",
    "calls.phone": "who hung up half-way is rung back",
    "dials.phone": "what is rung, and how often that day",
    "callbacks.note": "what an agent wrote; deleted with the rest",
    "attempts.note": "what an agent wrote; deleted with the rest",
}
"""Where a backup may hold a phone number in clear, and why. An identity number: nowhere."""

NUMBER_SHOWN = "GET /api/v1/callbacks/{id}/patient"
"""The one route whose answer holds an identity number."""

HEADERS = (
    *("X-Request-ID", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "User-Agent", "Referer"),
    *("X-Forwarded-For", "X-CSRF-Token", "Accept-Language", "Origin", "Cookie", "Authorization", "Forwarded"),
)
A_BODY = 8
SHORT = {"seconds": "0"}
"""Streams of changes end at once; other routes pass over it."""
ROLES = {"kari": Role.AGENT, "lise": Role.LEADER, "per": Role.OPERATOR, "rita": Role.AUDITOR, "ada": Role.ADMIN}


@dataclass
class Numbers:
    """Canaries by turns, each in the next of its spellings; every one is used once before any is used again."""

    people: Iterator[str] = field(default_factory=lambda: itertools.cycle(identities()))
    phones: Iterator[str] = field(default_factory=lambda: itertools.cycle(phones()))
    used: int = 0

    def next(self) -> str:
        """One person and one phone, as text."""
        person, phone = next(self.people), next(self.phones)
        self.used += 1
        spellings, ways = identity_spellings(person), phone_spellings(phone)
        return f"{spellings[self.used % len(spellings)]} ~ {ways[self.used % len(ways)]}"

    def many(self, count: int) -> str:
        return " ; ".join(self.next() for _ in range(count))


@dataclass(frozen=True)
class Route:
    """One operation of the app, with what its document says of it."""

    method: str
    path: str
    operation: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def routes(world: World) -> list[Route]:
    """Every route of the app, in its document or not."""
    document = world.app.openapi()["paths"]
    found = []
    for route in iter_route_contexts(world.app.routes):
        path = route.path or ""
        template = re.sub(r":[a-z]+}", "}", path)
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(Route(method, template, document.get(template, {}).get(method.lower(), {})))
    return found


def fields(world: World, route: Route) -> dict[str, Any]:
    """The properties of the body the route takes."""
    content = route.operation.get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()), {}).get("schema", {})
    if "$ref" in schema:
        schema = world.app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return dict(schema.get("properties", {}))


def requests_of(world: World, route: Route, numbers: Numbers, id: str) -> Iterator[dict[str, Any]]:
    """A request for each place of the route a client can write in."""
    plain = route.path.replace("{id}", id).replace("{slug}", "kirurgi")
    if "{" in route.path:
        yield {"url": re.sub(r"{[^}]*}", quote(numbers.next(), safe=""), route.path), "params": SHORT}
    named = [each["name"] for each in route.operation.get("parameters", []) if each["in"] == "query"]
    for name in (*named, "unknown", None):
        yield {"url": plain, "params": {**SHORT, name or numbers.next(): numbers.next()}}
    for name in HEADERS:
        text = numbers.next().encode("ascii", "replace").decode()
        yield {
            "url": plain,
            "params": SHORT,
            "headers": {name: f"Bearer {text}" if name == "Authorization" else f"a={text}"},
        }
    yield {"url": plain, "params": SHORT, "headers": {"X-Request-ID": f"trace-{next(numbers.people)}-of-mine"}}
    if route.method in ("GET", "DELETE"):
        return
    known = fields(world, route)
    for name in (*known, "unknown"):
        base = {each: given for each in known if each != name and (given := example(each)) is not None}
        yield {"url": plain, "json": base | {name: numbers.many(A_BODY)}}
        yield {"url": plain, "json": base | {name: [{numbers.next(): numbers.next()}]}}
    yield {"url": plain, "json": {numbers.next(): numbers.many(A_BODY)}}
    yield {"url": plain, "content": numbers.many(A_BODY).encode(), "headers": {"Content-Type": "application/json"}}
    yield {"url": plain, "content": f"{{{numbers.many(A_BODY)}".encode(), "headers": {"Content-Type": "text/plain"}}


def example(name: str) -> Any:
    """A value that is taken, for the fields most bodies need."""
    given = {"department": "kirurgi", "fence": 1, "outcome": "no_answer", "reason": "other", "phone": "+4740612345"}
    return given.get(name)


@dataclass
class Run:
    """What one run left, and what was found in it."""

    log: io.StringIO
    numbers: Numbers = field(default_factory=Numbers)
    finds: list[Find] = field(default_factory=list)
    answered: dict[str, set[int]] = field(default_factory=dict)


async def through_every_route(world: World, checker: Checker, *, only: Callable[[Route], bool] = lambda _: True) -> Run:
    """Send canaries to each place of each route, with the rights to be heard, and look through what comes of it."""
    log = io.StringIO()
    configure_logging(world.parts.settings, level=logging.DEBUG, stream=log)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)
    run = Run(log)
    people = itertools.count(9_000)
    for route in filter(only, routes(world)):
        id = (await world.rings(next(people) % 10_000)).id
        role = await who_may(world, route, id)
        for given in requests_of(world, route, run.numbers, id):
            await _one(world, checker, run, route, role, given)
    run.finds += checker.both("the log", log.getvalue())
    run.finds += checker.both("metrics", world.parts.metrics.exposition())
    run.finds += await in_the_database(world, checker)
    return run


async def who_may(world: World, route: Route, id: str) -> str:
    """Somebody whose role opens the route."""
    url = route.path.replace("{id}", id).replace("{slug}", "kirurgi")
    for name, role in ROLES.items():
        token = await world.token(name, role)
        answer = await world.client.request(
            route.method, url, params=SHORT, headers={"Authorization": f"Bearer {token}"}
        )
        if answer.status_code != 403:
            return name
    return "kari"


async def _one(world: World, checker: Checker, run: Run, route: Route, role: str, given: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {await world.token(role, ROLES[role])}", **given.pop("headers", {})}
    answer = await world.client.request(route.method, given.pop("url"), headers=headers, **given)
    run.answered.setdefault(route.name, set()).add(answer.status_code)
    place = f"the answer {answer.status_code} of {route.name}"
    told = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    run.finds += checker.both(f"headers of {place}", told)
    if answer.status_code >= 400:
        run.finds += checker.both(place, answer.content)
    elif route.name != NUMBER_SHOWN:
        run.finds += checker.people(place, answer.content)


async def in_the_database(world: World, checker: Checker) -> list[Find]:
    """Every value of every table, as a backup holds it."""
    found = []
    async with world.database.read() as connection:
        for table in metadata.sorted_tables:
            rows = (await connection.execute(select(table))).all()
            for column in table.columns:
                place = f"{table.name}.{column.name}"
                values = (row._mapping[column] for row in rows)
                text = "\n".join(_text(value) for value in values if value is not None)
                found += (checker.people if place in PHONES_IN_CLEAR else checker.both)(place, text)
    return found


def _text(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_nothing_is_in_clear_where_it_may_not_be(migrated_url: str, tmp_path: Path, checker: Checker) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        run = await through_every_route(world, checker)
        while run.numbers.used < 10_000:  # those the places had no room for
            await _one(world, checker, run, Route("POST", "/api/v1/callbacks", {}), "kari", _big(run.numbers))
    assert not run.finds, "\n".join(sorted({str(find) for find in run.finds})[:30])
    assert run.numbers.used >= 10_000
    assert len(run.log.getvalue()) > 100_000
    assert {status for statuses in run.answered.values() for status in statuses} >= {200, 401, 404, 405, 422} - {405}


def _big(numbers: Numbers) -> dict[str, Any]:
    return {"url": "/api/v1/callbacks", "json": {"department": "kirurgi", "note": numbers.many(200)}}


# --- the test can fail


def _logged(patch: pytest.MonkeyPatch) -> None:
    def account(self: Any, scope: Any, status: int, seconds: float) -> None:
        logging.getLogger("sqlalchemy.engine").debug("asked for %s", scope["query_string"].decode())

    patch.setattr(requests.AroundRequests, "_account", account)
    patch.setattr(Scrubber, "__call__", lambda self, line: line)


def _told_in_a_problem(patch: pytest.MonkeyPatch) -> None:
    def fault(item: Any) -> problems.FieldFault:
        return problems.FieldFault(place="query", pointer="#", detail=str(item["input"]))

    patch.setattr(problems, "_fault", fault)


def _in_a_header(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "_request_id", lambda given: (given or "none").encode("ascii", "replace").decode())


def _counted(patch: pytest.MonkeyPatch) -> None:
    count = Metrics.count_request

    def by_address(self: Metrics, *, method: str, route: str, status: int, seconds: float) -> None:
        count(self, method=method, route=next(asked), status=status, seconds=seconds)

    asked = (f"/callbacks?phone={spelling}" for spelling in itertools.cycle(phone_spellings(phones()[17])))
    patch.setattr(Metrics, "count_request", by_address)


def _stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Vault, "seal", lambda self, value, column, row, **_: value.encode())


def _in_a_note(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("api.schemas.holds_identity", lambda text: False)


LEAKS = {
    "the log": _logged,
    "the answer 422": _told_in_a_problem,
    "headers of": _in_a_header,
    "metrics": _counted,
    "callbacks.patient_number": _stored,
    "callbacks.note": _in_a_note,
}


@pytest.mark.parametrize("place", LEAKS)
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_one_leak_is_found(
    migrated_url: str, tmp_path: Path, checker: Checker, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    LEAKS[place](monkeypatch)
    async with open_world(migrated_url, tmp_path) as world:
        if place == "callbacks.patient_number":
            await world.post(
                "/callbacks", {"department": "hjerte", "phone": "+4740612345", "identity": a_person()}, status=201
            )
        if place == "callbacks.note":
            note = f"født {identity_spellings(a_person())[1]}"
            await world.post("/callbacks", {"department": "hjerte", "phone": "+4740612345", "note": note}, status=201)
        run = await through_every_route(world, checker, only=lambda route: route.name == "GET /api/v1/callbacks")
    assert any(find.place.startswith(place) for find in run.finds), {find.place for find in run.finds}


def a_person() -> str:
    return identities()[5]


async def test_a_text_that_names_somebody_is_refused_and_a_phone_in_it_is_not(
    migrated_url: str, tmp_path: Path
) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        for spelling in identity_spellings(a_person())[:8]:
            body = {"department": "hjerte", "phone": "+4740612345", "note": f"gjelder {spelling}"}
            assert (await world.as_("kari", "POST", "/callbacks", json=body)).status_code == 422, spelling
        body = {"department": "hjerte", "phone": "+4740612345", "note": "ring heller +47 68 05 00 01 før 12.00"}
        assert (await world.as_("kari", "POST", "/callbacks", json=body)).status_code == 201
