"""The boundary between two requests, unknown methods and addresses, repeated parameters."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import select

from desk.access.permissions import Role
from desk.schema.access_tables import agents
from desk.schema.tables import attempts, callbacks, calls, closures, dials, inquiries, outbox, promises, recordings
from tests.support.desk.audit import everything
from tests.support.web.api import World, end_at_once, open_world, refused
from tests.support.web.api_process import environment, running_api

SQLITE = "sqlite+aiosqlite:///api.db"
HOST = "127.0.0.1"
BEYOND = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T00:00:00")
"""Times that do not exist in UTC, or anywhere."""
SMUGGLED = "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def answers(url: str, request: str) -> list[bytes]:
    """The status lines of all answers to these bytes, until the server closes the connection."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(HOST, parts.port)
    writer.write(request.encode("latin-1"))
    writer.write_eof()
    heard = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return [line for line in heard.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def test_no_second_request_hides_in_the_body_of_the_first(tmp_path: Path) -> None:
    head = "POST /api/v1/callbacks/claim HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    two_lengths = f"{head}Content-Length: 2\r\nContent-Length: 40\r\n\r\n{{}}{SMUGGLED}"
    length_and_chunks = f"{head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    odd_encoding = f"{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    bare_line_ends = (
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: y\n\nGET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )
    with running_api(environment(SQLITE, tmp_path)) as api:
        for request in (two_lengths, length_and_chunks, bare_line_ends):
            assert asyncio.run(answers(api.url, request)) == [b"HTTP/1.1 400 Bad Request"], request
        assert asyncio.run(answers(api.url, odd_encoding)) == []  # a body without an end: the client hung up within it
        plain = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert asyncio.run(answers(api.url, plain)) == [b"HTTP/1.1 200 OK"]


async def test_unneeded_methods_are_refused(world: World) -> None:
    for path in ("/healthz", "/api/v1/callbacks", "/api/docs"):
        for method in ("TRACE", "CONNECT", "PROPFIND"):
            answer = await world.client.request(method, path)
            assert answer.status_code == 405
            assert answer.headers["content-type"] == "application/problem+json"


async def test_no_files_are_served_but_the_pages(world: World) -> None:
    for path in (
        *(
            "/api",
            "/api/",
            "/api/docs/",
            "/healthz/",
            "/static",
            "/.git/HEAD",
            "/.env",
            "/api/docs/../../pyproject.toml",
            "/var/demo-token",
        ),
        *("/api/docs/%2e%2e/%2e%2e/pyproject.toml", "/docs", "/redoc", "/openapi.json"),
    ):
        answer = await world.client.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_repeated_parameter_is_read_once_and_checked(world: World) -> None:
    for n in range(3):
        await world.rings(n)
    listed = await world.get("/callbacks?limit=200&limit=1")
    assert len(listed["items"]) == 1
    answer = await world.as_("kari", "GET", "/callbacks?limit=1&limit=100000")
    assert answer.status_code == 422
    await world.token("per", departments=["hjerte"])
    for query in ("department=hjerte&department=kirurgi", "department=kirurgi&department=hjerte"):
        answer = await world.as_("per", "GET", f"/callbacks?{query}")
        assert answer.status_code == 403
    both = await world.as_("kari", "POST", "/callbacks/claim?department=hjerte", json={"department": "kirurgi"})
    assert both.status_code == 422
    claimed = await world.as_("kari", "POST", "/callbacks/claim", json={"department": "kirurgi"})
    assert {item["department"] for item in claimed.json()["items"]} == {"kirurgi"}


@pytest.mark.parametrize(
    ("by", "path", "places"),
    [
        ("kari", "/callbacks", [["callbacks", at, str(UUID(int=1))] for at in BEYOND]),
        ("kari", "/departments/kirurgi/promises", [["promises", at, 1] for at in BEYOND]),
        ("kari", "/calls", [["calls", True], ["calls", -1], ["calls", 2**63]]),
        ("kari", "/tokens", [["tokens", True], ["tokens", 1.0]]),
        ("kari", "/emergency-access", [["emergencies", True], ["tokens", 1]]),
        ("rita", "/audit", [["audit", True], ["audit", None], [["audit", 1]]]),
    ],
)
async def test_invalid_cursor_is_not_reported_as_a_database_failure(
    world: World, by: str, path: str, places: list[list[Any]]
) -> None:
    """It used to be 503, with «database failed» in the log."""
    await world.token("rita", Role.AUDITOR)
    for place in places:
        cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
        refused(await world.as_(by, "GET", path, params={"cursor": cursor}), 422, "bad-cursor")


async def test_id_in_capitals_or_without_dashes_is_the_same_callback_in_the_audit(world: World) -> None:
    callback = await world.rings(1)
    for written in (callback.id.upper(), callback.id.replace("-", "")):
        assert (await world.get(f"/callbacks/{written}"))["id"] == callback.id
        (seen,) = (await everything(world.database))[-1].seen
        assert seen.callback_id == callback.id


async def test_only_the_first_of_two_tokens_counts(world: World) -> None:
    both = [("Authorization", "Bearer inn_wrong"), ("Authorization", f"Bearer {await world.token('kari')}")]
    assert (await world.client.get("/api/v1/me", headers=both)).status_code == 401
    assert (await world.client.get("/api/v1/me", headers=both[::-1])).status_code == 200


async def test_safe_methods_change_nothing(world: World) -> None:
    """Read from the application's own routes: GET, HEAD and OPTIONS leave the queue unchanged."""
    callback = await world.rings()
    await world.token("lise", Role.ADMIN)
    await world.token("kari")
    before = await the_queue(world)
    addresses = {
        path.replace("{id:uuid}", callback.id).replace("{id}", callback.id).replace("{slug}", "kirurgi")
        for path in world.app.openapi()["paths"]
    }
    for path in sorted(addresses):
        for name in ("kari", "lise"):
            headers = {"Authorization": f"Bearer {await world.token(name)}"}
            for method in ("GET", "HEAD", "OPTIONS"):
                await world.client.request(method, path, params=end_at_once(path), headers=headers)
    assert len(addresses) > 20
    assert await the_queue(world) == before


async def the_queue(world: World) -> list[tuple[Any, ...]]:
    """Every row with the state of the queue. Views are in the history and the audit, and are left out."""
    tables = (inquiries, callbacks, attempts, promises, dials, closures, calls, outbox, recordings, agents)
    async with world.database.read() as connection:
        return [tuple(row) for table in tables for row in await connection.execute(select(table))]
