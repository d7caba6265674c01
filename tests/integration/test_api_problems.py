"""Every refusal is a problem document. None repeats the input or reveals anything internal."""

import importlib
import json
import pkgutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

import desk
from api.web.middleware.requests import MAX_BODY_BYTES
from api.web.problems import register, registered
from desk.callbacks.model import Callback
from desk.clock_check.errors import ClockDoubted
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.departments.errors import DepartmentsFileError
from desk.errors import DeskError, SettingsError
from desk.files.errors import OperatorsFileError
from desk.idempotency.errors import AnswerNotVisible
from desk.spool.drainer import UnknownKind
from desk.spool.errors import DamagedEntry, SpoolUnavailable
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world

JSON = {"content-type": "application/json"}
SENTINEL = synthetic_identity(99)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


def check_problem(answer: httpx.Response, status: int, id: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"urn:innringing:problem:{id}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


async def test_unknown_address_and_wrong_method_are_problem_documents(world: World) -> None:
    check_problem(await world.client.get("/api/v1/nowhere"), 404, "not-found")
    check_problem(await world.client.get(f"/{SENTINEL}"), 404, "not-found")
    answer = await world.client.delete("/api/v1/callbacks")
    check_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("body", "place", "pointer"),
    [
        ({"department": "kirurgi", "limit": SENTINEL + "x"}, "body", "#/limit"),
        ({"department": "kirurgi", "limit": int(SENTINEL)}, "body", "#/limit"),
        ({"department": "kirurgi", SENTINEL: 1}, "body", "#"),
        ({"department": "\x00" + SENTINEL}, "body", "#/department"),
        ({"department": [SENTINEL]}, "body", "#/department"),
        ({}, "body", "#/department"),
        ([SENTINEL], "body", "#"),
        (None, "body", "#"),
    ],
)
async def test_invalid_input_is_located_and_not_repeated(world: World, body: Any, place: str, pointer: str) -> None:
    answer = await world.as_("kari", "POST", "/callbacks/claim", json=body)
    problem = check_problem(answer, 422, "invalid-input")
    assert (problem["errors"][0]["place"], problem["errors"][0]["pointer"]) == (place, pointer)
    assert SENTINEL not in answer.text


async def test_invalid_json_and_invalid_id_are_refused(world: World) -> None:
    answer = await world.as_(
        "kari", "POST", "/callbacks/claim", content=b'{"department": "' + SENTINEL.encode(), headers=JSON
    )
    assert check_problem(answer, 422, "invalid-input")["errors"][0]["detail"] == "This is not JSON."
    assert SENTINEL not in answer.text
    answer = await world.as_("kari", "GET", f"/callbacks/{SENTINEL}")
    check_problem(answer, 404, "not-found")
    assert SENTINEL not in answer.text
    answer = await world.as_("kari", "POST", "/callbacks/claim", content=b'"\x80"', headers=JSON)
    check_problem(answer, 400, "unreadable-body")


async def test_oversized_body_is_refused_with_or_without_its_length(world: World) -> None:
    large = b'{"department": "' + b"x" * MAX_BODY_BYTES + b'"}'
    check_problem(await world.as_("kari", "POST", "/callbacks/claim", content=large), 413, "body-too-large")

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 4096):
            yield large[start : start + 4096]

    answer = await world.as_("kari", "POST", "/callbacks/claim", content=in_pieces(), headers=JSON)
    check_problem(answer, 413, "body-too-large")


async def test_crash_reveals_nothing_internal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object, **__: object) -> Callback:
        raise RuntimeError(f"secret {SENTINEL}")

    registered = await world.rings(1)
    await world.token("kari")
    monkeypatch.setattr(world.services.callbacks.lists, "get", crash)
    with structlog.testing.capture_logs() as lines:
        answer = await world.as_("kari", "GET", f"/callbacks/{registered.id}")
    check_problem(answer, 500, "internal-error")
    assert "secret" not in answer.text
    (crashed,) = [line for line in lines if line["event"] == "request crashed"]
    assert crashed["error"] == "RuntimeError"
    assert any("crash" in place for place in crashed["places"])
    assert SENTINEL not in json.dumps(lines)


async def test_unavailable_database_is_a_503_with_retry_after(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.token("kari")
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    for part in (world.services.agents, world.services.agents.tokens):
        monkeypatch.setattr(part, "_database", away)
    answer = await world.as_("kari", "GET", "/callbacks")
    check_problem(answer, 503, "storage-unavailable")
    assert answer.headers["retry-after"] == "5"
    await away.close()


async def test_every_desk_error_has_a_status_or_is_an_internal_error(world: World) -> None:
    for module in pkgutil.walk_packages(desk.__path__, "desk."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    statuses = registered(world.app)
    ours = {
        SettingsError,
        OperatorsFileError,
        AnswerNotVisible,
        SpoolUnavailable,
        DamagedEntry,
        UnknownKind,
        ClockDoubted,
    }
    of_desk = [error for error in DeskError.__subclasses__() if error.__module__.startswith("desk.")]
    assert {error for error in of_desk if error not in statuses} == ours
    assert statuses[StorageUnavailable] == 503


async def test_error_is_registered_only_once(world: World) -> None:
    with pytest.raises(ValueError, match="StorageUnavailable"):
        register(world.app, {StorageUnavailable: 500})


async def test_internal_error_hides_its_detail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def faulty(*_: Any, **__: Any) -> None:
        raise DepartmentsFileError("/etc/inside/departments.toml", 3, "secret")

    monkeypatch.setattr(world.services.callbacks.lists, "page", faulty)
    answer = await world.as_("kari", "GET", "/callbacks")
    check_problem(answer, 500, "internal-error")
    assert "inside" not in answer.text


async def test_request_id_is_returned(world: World) -> None:
    given = "0b6ce4a2-3ad5-4d0c-9a1d-6a3c39f6a0a1"
    assert (await world.client.get("/healthz", headers={"X-Request-ID": given})).headers["x-request-id"] == given
    for unfit in (SENTINEL, "4768050001" * 2, "short", "a b" * 10, "x" * 65, "", "é" * 20):
        answer = await world.client.get("/healthz", headers={"X-Request-ID": unfit.encode("latin-1")})
        assert answer.headers["x-request-id"] != unfit
        assert len(answer.headers["x-request-id"]) == 36


async def test_access_log_names_the_route_and_never_the_address(world: World) -> None:
    registered = await world.rings(1)
    await world.token("kari")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await world.as_("kari", "GET", f"/callbacks/{registered.id}")
        await world.as_("kari", "GET", f"/callbacks?phone={SENTINEL}&department=kirurgi")
        await world.as_("kari", "GET", f"/callbacks/{SENTINEL}")
        await world.client.get(f"/{SENTINEL}?{SENTINEL}")
    routes = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    assert routes == [
        ("GET", "/api/v1/callbacks/{id:uuid}", 200),
        ("GET", "/api/v1/callbacks", 422),
        ("-", "unmatched", 404),
        ("-", "unmatched", 404),
    ]
    assert [line.get("agent") for line in lines] == ["kari", "kari", None, None]
    assert all(line["request_id"] for line in lines)
    assert SENTINEL not in json.dumps(lines)


async def test_answers_may_not_be_cached(world: World) -> None:
    registered = await world.rings(1)
    answer = await world.as_("kari", "GET", f"/callbacks/{registered.id}/patient")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
