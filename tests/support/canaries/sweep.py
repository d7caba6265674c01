"""Send canaries to every place of every route that a client can write to, and search the results."""

import io
import itertools
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi.routing import iter_route_contexts

from api.fhir.search import CommunicationSearch, TaskSearch, TaskSearchForm
from desk.access.permissions import Role
from desk.logging.log import configure_logging
from tests.support.canaries.numbers import Checker, Find, identities, identity_spellings, phone_spellings, phones
from tests.support.canaries.patients import rings
from tests.support.canaries.places import in_the_tables
from tests.support.web.api import World

NUMBER_SHOWN = ("GET /api/v1/callbacks/{id}/patient", "GET /fhir/Task/{id}")
"""The routes whose answers hold an identity number."""
SEARCHES = {
    "GET /fhir/Task": TaskSearch,
    "POST /fhir/Task/_search": TaskSearchForm,
    "GET /fhir/Communication": CommunicationSearch,
}
"""The parameters of routes that are not in the document."""

HEADERS = (
    *("X-Request-ID", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "User-Agent", "Referer"),
    *("X-Forwarded-For", "X-CSRF-Token", "Accept-Language", "Origin", "Cookie", "Authorization", "Forwarded"),
)
A_BODY = 8
THE_CLIENTS_OWN = ("httpx", "httpcore")
"""Loggers of the client in this process, which logs the addresses it sends: the canaries."""
ROLES = {"kari": Role.AGENT, "lise": Role.LEADER, "per": Role.OPERATOR, "rita": Role.AUDITOR, "ada": Role.ADMIN}


@dataclass
class Numbers:
    """Canaries in turn, each in the next of its spellings. Every one is used once before any is used again."""

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
    """One operation of the app, with its entry in the document."""

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
    """The properties of the body of the route."""
    content = route.operation.get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()), {}).get("schema", {})
    if "$ref" in schema:
        schema = world.app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return dict(schema.get("properties", {}))


def queries(route: Route) -> list[str]:
    """The names of the route's query parameters."""
    named = [each["name"] for each in route.operation.get("parameters", []) if each["in"] == "query"]
    return [*named, *parameters_of(route)]


def parameters_of(route: Route) -> list[str]:
    """The names of FHIR's search parameters, which a form may have too."""
    search = SEARCHES.get(route.name)
    return [field.alias or name for name, field in search.model_fields.items()] if search else []


def short(route: Route) -> dict[str, str]:
    """Query parameters that make a stream end at once; none for other routes, which would refuse them."""
    return {"seconds": "0"} if "seconds" in queries(route) else {}


def requests_of(world: World, route: Route, numbers: Numbers, id: str) -> Iterator[dict[str, Any]]:
    """A request for each place of the route that a client can write to."""
    plain = route.path.replace("{id}", id).replace("{slug}", "kirurgi")
    if "{" in route.path:
        yield {"url": re.sub(r"{[^}]*}", quote(numbers.next(), safe=""), route.path), "params": short(route)}
    for name in (*queries(route), "unknown", None):
        yield {"url": plain, "params": {**short(route), name or numbers.next(): numbers.next()}}
    for name in HEADERS:
        text = numbers.next().encode("ascii", "replace").decode()
        yield {
            "url": plain,
            "params": short(route),
            "headers": {name: f"Bearer {text}" if name == "Authorization" else f"a={text}"},
        }
    yield {"url": plain, "params": short(route), "headers": {"X-Request-ID": f"trace-{next(numbers.people)}-of-mine"}}
    if route.method in ("GET", "DELETE"):
        return
    for name in (*parameters_of(route), "unknown"):
        yield {"url": plain, "data": {name: numbers.many(A_BODY)}}
    known = fields(world, route)
    for name in (*known, "unknown"):
        base = {each: given for each in known if each != name and (given := example(each)) is not None}
        yield {"url": plain, "json": base | {name: numbers.many(A_BODY)}}
        yield {"url": plain, "json": base | {name: [{numbers.next(): numbers.next()}]}}
    yield {"url": plain, "json": {numbers.next(): numbers.many(A_BODY)}}
    yield {"url": plain, "content": numbers.many(A_BODY).encode(), "headers": {"Content-Type": "application/json"}}
    yield {"url": plain, "content": f"{{{numbers.many(A_BODY)}".encode(), "headers": {"Content-Type": "text/plain"}}


def example(name: str) -> Any:
    """A valid value, for the fields that most bodies need."""
    given = {"department": "kirurgi", "fence": 1, "outcome": "no_answer", "reason": "other", "phone": "+4740612345"}
    return given.get(name)


@dataclass
class Run:
    """The output of one run, and the canaries found in it."""

    log: io.StringIO
    numbers: Numbers = field(default_factory=Numbers)
    finds: list[Find] = field(default_factory=list)
    answered: dict[str, set[int]] = field(default_factory=dict)


async def through_every_route(world: World, checker: Checker, *, only: Callable[[Route], bool] = lambda _: True) -> Run:
    """Send canaries to each place of each route, with sufficient rights, and search the results."""
    log = io.StringIO()
    configure_logging(world.services.settings.secrets(), readable=True, level=logging.DEBUG, stream=log)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] not in THE_CLIENTS_OWN:
            logging.getLogger(name).setLevel(logging.DEBUG)
    run = Run(log)
    for n, route in enumerate(filter(only, routes(world))):
        id = (await rings(world, 9_000 + n)).id
        role = await who_may(world, route, id)
        for given in requests_of(world, route, run.numbers, id):
            await sent(world, checker, run, route, role, given)
    run.finds += checker.both("the log", log.getvalue())
    run.finds += checker.both("metrics", world.services.metrics.exposition())
    run.finds += await in_the_tables(world.database, checker)
    return run


async def who_may(world: World, route: Route, id: str) -> str:
    """An agent whose role may use the route."""
    url = route.path.replace("{id}", id).replace("{slug}", "kirurgi")
    for name, role in ROLES.items():
        token = await world.token(name, role)
        answer = await world.client.request(
            route.method, url, params=short(route), headers={"Authorization": f"Bearer {token}"}
        )
        if answer.status_code != 403:
            return name
    return "kari"


async def sent(world: World, checker: Checker, run: Run, route: Route, role: str, given: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {await world.token(role, ROLES[role])}", **given.pop("headers", {})}
    world.clock.advance(timedelta(seconds=1))  # no agent exceeds the limit per minute
    answer = await world.client.request(route.method, given.pop("url"), headers=headers, **given)
    run.answered.setdefault(route.name, set()).add(answer.status_code)
    place = f"the answer {answer.status_code} of {route.name}"
    told = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    run.finds += checker.both(f"headers of {place}", told)
    if answer.status_code >= 400:
        run.finds += checker.both(place, answer.content)
    elif route.name not in NUMBER_SHOWN:
        run.finds += checker.people(place, answer.content)
