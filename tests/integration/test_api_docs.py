"""The API's own description: complete, and readable in a network with no way out."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.web.api import World, open_world

SURFACE = {
    *(("GET", f"/api/v1/{noun}") for noun in ("callbacks", "calls", "departments", "me")),
    *(("GET", f"/api/v1/callbacks/{{id}}{tail}") for tail in ("", "/patient", "/recording", "/history", "/promises")),
    *(("GET", f"/api/v1/departments/{{slug}}/{what}") for what in ("promises", "warnings", "intake")),
    ("GET", "/api/v1/calls/{number}/patient"),
    ("POST", "/api/v1/calls/{number}/dismiss"),
    ("POST", "/api/v1/calls/{number}/callback"),
    ("POST", "/api/v1/search"),
    ("POST", "/api/v1/callbacks"),
    ("GET", "/api/v1/audit"),
    ("POST", "/api/v1/audit/extract"),
    *((method, "/api/v1/departments/{slug}/closures") for method in ("GET", "POST")),
    ("DELETE", "/api/v1/departments/{slug}/closures/{number}"),
    ("PATCH", "/api/v1/callbacks/{id}"),
    ("POST", "/api/v1/callbacks/claim"),
    ("POST", "/api/v1/callbacks/sort"),
    *(("POST", f"/api/v1/departments/{{slug}}/flood/{verb}") for verb in ("close", "keep")),
    ("GET", "/api/v1/statistics"),
    *(("POST", f"/api/v1/callbacks/{{id}}/{verb}") for verb in ("claim", "release", "attempts", "close", "reopen")),
    *(("POST", f"/api/v1/callbacks/{{id}}/{verb}") for verb in ("transfer", "extend", "promise")),
    ("GET", "/api/v1/events"),
    *((method, "/api/v1/session") for method in ("POST", "GET", "DELETE")),
    *((method, path) for method, path in (("DELETE", "/api/v1/sessions"), ("POST", "/api/v1/session/password"))),
    *((method, "/api/v1/emergency-access") for method in ("GET", "POST")),
    ("DELETE", "/api/v1/emergency-access/{number}"),
    ("GET", "/api/v1/sessions"),
    ("DELETE", "/api/v1/sessions/{number}"),
    *((method, "/api/v1/second-factor") for method in ("GET", "POST", "DELETE")),
    ("POST", "/api/v1/second-factor/confirm"),
    *((method, "/api/v1/tokens") for method in ("GET", "POST")),
    ("DELETE", "/api/v1/tokens/{number}"),
    *((method, "/api/v1/callbacks/{id}/dial") for method in ("GET", "POST", "DELETE")),
    ("POST", "/sms/reports"),
    *(("GET", f"/{name}") for name in ("healthz", "readyz", "metrics")),
}


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def test_docs_page_loads_everything_from_the_api_itself(world: World) -> None:
    page = await world.client.get("/api/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    fetched = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(fetched) == 3
    for address in fetched:
        assert not address.startswith(("http", "//"))
        answer = await world.client.get(f"/api/{address}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css")
    assert "SwaggerUIBundle" in (await world.client.get("/api/docs/swagger-ui-bundle.js")).text
    start = (await world.client.get("/api/docs/start.js")).text
    assert 'url: "openapi.json"' in start
    assert (await world.client.get("/api/openapi.json")).status_code == 200


async def test_document_lists_the_agreed_routes_and_no_others(world: World) -> None:
    document = (await world.client.get("/api/openapi.json")).json()
    paths = document["paths"]
    assert {(method.upper(), path) for path, operations in paths.items() for method in operations} == SURFACE


async def test_every_refusal_is_documented_as_a_problem_document(world: World) -> None:
    document = (await world.client.get("/api/openapi.json")).json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert {"type", "title", "status"} <= set(document["components"]["schemas"]["Problem"]["properties"])
    for path, operations in document["paths"].items():
        if not path.startswith("/api/v1"):
            continue
        for operation in operations.values():
            refusals = {status: answer for status, answer in operation["responses"].items() if status[0] != "2"}
            assert {"401", "403", "422", "503"} <= set(refusals)
            assert all(set(answer["content"]) == {"application/problem+json"} for answer in refusals.values())


async def test_no_address_contains_a_phone_or_identity_number(world: World) -> None:
    """Addresses end up in logs, browser histories and proxies."""
    document = (await world.client.get("/api/openapi.json")).json()
    names = {
        parameter["name"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] != "header"
    }
    own = {"id", "slug", "number", "cursor", "limit", "incomplete", "since", "state", "everywhere", "seconds"}
    filters = {"department", "status", "due_before", "priority", "language", "unreachable", "mine", "text", "at_risk"}
    filters |= {"topic", "suspected"}
    of_audit = {"from", "to", "who", "action", "callback", "outcome", "emergency"}
    of_access = {"agent"}
    of_figures = {"bucket", "format", "table"}
    assert names == own | filters | of_audit | of_access | of_figures


async def test_operations_and_schemas_have_names_of_their_own(world: World) -> None:
    document = (await world.client.get("/api/openapi.json")).json()
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == len(SURFACE)
    assert len(set(operations)) == len(operations)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) and "ApiV" not in name for name in operations), operations
    titles = [schema["title"] for schema in document["components"]["schemas"].values()]
    assert len(set(titles)) == len(titles)
