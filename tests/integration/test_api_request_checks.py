"""What a request must look like, on every operation: who sends it comes first, then its type, names and values."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.web.problems import NO_REASON
from desk.access.actor import SYSTEM
from desk.access.permissions import Grant, Role
from desk.accounts.sessions.model import LoginSource
from desk.schema.migrate import migrate
from tests.support.web.api import World, open_world
from tests.support.web.api_process import environment, running_api

OPEN = {"POST /api/v1/session", "POST /sms/reports"}
"""Log-in needs no log-in, and the gateway has a secret of its own."""
ID = "00000000-0000-4000-8000-000000000000"
WRONG = ([], {}, -1, 10**30, 1.5, True, "", "\x00", "A" * 5000, "02845853668", None)
"""No field accepts all of these."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'callbacks.db'}"
    await migrate(url)
    async with open_world(url, tmp_path) as world:
        await world.token("kari", Role.AGENT, ["kirurgi", "hjerte"])
        yield world


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/callbacks?departement=kirurgi", "did you mean «department»?"),
        ("/callbacks?department=kirurgi&staus=waiting", "did you mean «status»?"),
        ("/callbacks?12345678901=1", "Unknown query parameter: known are at_risk, cursor, department"),
        ("/me?verbose=1", "This address has no query parameters."),
    ],
)
async def test_unknown_query_parameter_is_refused(path: str, detail: str, world: World) -> None:
    answer = await world.as_("kari", "GET", path)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["place"], fault["pointer"]) == ("query", "#")
    assert detail in fault["detail"]
    assert "12345678901" not in answer.text and "departement" not in answer.text


async def test_known_query_parameters_are_taken(world: World) -> None:
    assert (await world.as_("kari", "GET", "/callbacks?department=kirurgi&limit=2")).status_code == 200
    assert (await world.as_("kari", "GET", "/departments?everywhere=true")).status_code == 200


@pytest.fixture
async def anyone(world: World) -> AsyncIterator["Anyone"]:
    await world.token("all", Role.AGENT)
    roles = (Role.LEADER, Role.ADMIN, Role.AUDITOR, Role.OPERATOR)
    await world.services.agents.grant(SYSTEM, "all", [Grant(role, "*") for role in roles])
    yield Anyone(world)


class Anyone:
    """Sends requests as an agent who may use every operation, by token or in a session, as the operation needs."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(self, operation: str, query: str = "", **more: Any) -> httpx.Response:
        method, path = operation.split(" ")
        headers = more.pop("headers", {})
        token = {"Authorization": f"Bearer {await self.world.token('all')}"}
        answer = await self.world.client.request(method, address(path) + query, headers={**token, **headers}, **more)
        if answer.status_code != 401 or operation in OPEN:
            return answer
        opened = await self.world.services.sessions.open(SYSTEM, "all", source=LoginSource.PASSWORD)
        session = {"Cookie": f"innringing={opened.token}", "X-CSRF-Token": opened.csrf}
        return await self.world.client.request(method, address(path) + query, headers={**session, **headers}, **more)


def address(path: str) -> str:
    for name, value in (("{id}", ID), ("{slug}", "kirurgi"), ("{number}", "999999")):
        path = path.replace(name, value)
    return path


def operations(world: World, *, with_body: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every documented operation of /api/v1, or only those with a body."""
    for path, item in world.app.openapi()["paths"].items():
        for method, operation in item.items():
            if path.startswith("/api/v1/") and (not with_body or "requestBody" in operation):
                yield f"{method.upper()} {path}", operation


async def test_stranger_gets_401_whatever_else_is_wrong(world: World) -> None:
    seen = {}
    for operation, _ in operations(world):
        method, path = operation.split(" ")
        text = {"content": b"x", "headers": {"Content-Type": "text/plain"}}
        seen[operation] = (await world.client.request(method, address(path) + "?zzz=1", **text)).status_code
    assert {operation for operation, status in seen.items() if status != 401} == OPEN - {"POST /sms/reports"}
    assert len(seen) > 40


async def test_every_operation_refuses_an_unknown_query_parameter(world: World, anyone: Anyone) -> None:
    for operation, _ in operations(world):
        answer = await anyone(operation, "?zzz=1")
        assert answer.status_code == 422, (operation, answer.text)
        assert "query" in {fault["place"] for fault in answer.json()["errors"]}, operation


async def test_every_operation_with_a_body_refuses_another_content_type(world: World, anyone: Anyone) -> None:
    for operation, _ in operations(world, with_body=True):
        for wrong in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            answer = await anyone(operation, content=b"{}", headers={"Content-Type": wrong})
            assert (answer.status_code, answer.headers["accept"]) == (415, "application/json"), (operation, answer.text)
            assert answer.json()["type"] == "urn:innringing:problem:not-json"
        known = await anyone(
            operation, content=b"[]", headers={"Content-Type": "application/vnd.x+json; charset=utf-8"}
        )
        assert known.status_code == 422


async def test_every_wrong_field_is_named_with_a_reason(world: World, anyone: Anyone) -> None:
    schemas = world.app.openapi()["components"]["schemas"]
    for operation, description in operations(world, with_body=True):
        content = description["requestBody"]["content"]["application/json"]["schema"]
        (named,) = [each["$ref"] for each in [content, *content.get("anyOf", [])] if "$ref" in each]
        for name in schemas[named.rpartition("/")[2]]["properties"]:
            refused = 0
            for wrong in WRONG:
                answer = await anyone(operation, json={name: wrong})
                faults = answer.json().get("errors", []) if answer.status_code == 422 else []
                reasons = [fault["detail"] for fault in faults if fault["pointer"].startswith(f"#/{name}")]
                assert NO_REASON not in reasons, (operation, name, wrong)
                refused += bool(reasons)
            assert refused, (operation, name)


async def test_number_or_truth_of_a_body_is_not_read_from_another_type(world: World, anyone: Anyone) -> None:
    schemas, tried = world.app.openapi()["components"]["schemas"], 0
    for operation, description in operations(world, with_body=True):
        content = description["requestBody"]["content"]["application/json"]["schema"]
        (named,) = [each["$ref"] for each in [content, *content.get("anyOf", [])] if "$ref" in each]
        for name, field in schemas[named.rpartition("/")[2]]["properties"].items():
            kinds = {each.get("type") for each in (field, *field.get("anyOf", []))}
            for wrong in (True, "1", 1.5) if "integer" in kinds else (1, "true") if "boolean" in kinds else ():
                answer = await anyone(operation, json={name: wrong})
                assert f"#/{name}" in [fault["pointer"] for fault in answer.json()["errors"]], (operation, name, wrong)
                tried += 1
    assert tried > 20


async def test_whole_number_may_have_a_point(world: World) -> None:
    answer = await world.as_("kari", "POST", "/callbacks/claim", json={"department": "kirurgi", "limit": 1.0})
    assert answer.status_code == 200


async def test_every_wrong_query_value_is_named_with_a_reason(world: World, anyone: Anyone) -> None:
    for operation, description in operations(world):
        for parameter in description.get("parameters", []):
            if parameter["in"] == "query":
                name = parameter["name"]
                answer = await anyone(operation, f"?{name}=%00{'9' * 5000}")
                assert answer.status_code == 422, (operation, name)
                (fault,) = answer.json()["errors"]
                assert (fault["place"], fault["pointer"].split("/")[1]) == ("query", name)
                assert fault["detail"] != NO_REASON, (operation, name)


async def test_head_answers_as_get_without_the_body(world: World, anyone: Anyone) -> None:
    gets = [operation for operation, _ in operations(world) if operation.startswith("GET")]
    for operation in gets:
        query = "?seconds=0" if operation.endswith("/events") else ""
        got = await anyone(operation, query)
        head = await anyone(operation.replace("GET", "HEAD"), query)
        assert (head.status_code, head.content) == (got.status_code, b""), operation
        for name in ("content-type", "etag"):
            assert head.headers.get(name) == got.headers.get(name), (operation, name)
    assert len(gets) > 15
    refused = await world.client.delete("/api/v1/callbacks")
    assert refused.headers["allow"] == "GET, HEAD, POST"


def test_head_leaves_the_connection_usable(tmp_path: Path) -> None:
    """Also for the live stream, which has no end."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'callbacks.db'}"
    with running_api(environment(url, tmp_path)) as api, httpx.Client(trust_env=False, timeout=10) as client:
        for path in (
            "/healthz",
            "/readyz",
            "/metrics",
            "/api/docs",
            "/api/v1/events",
            "/api/v1/me",
            "/api/v1/none",
        ):
            head = client.head(api.url + path, headers=api.headers)
            assert head.content == b""
            assert client.get(api.url + "/healthz").json() == {"alive": True}
