"""Every request writes its audit row before its answer is sent, whatever the route does; no row, no answer."""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.web.audit_rules import AuditRule, rule_of
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.audit.actions import OUTCOMES, ROLES, AuditAction
from desk.audit.audit import Audit, AuditEntry
from desk.audit.repository import AuditRow
from desk.database.errors import StorageUnavailable
from tests.support.desk.audit import everything
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, end_at_once, open_world, refused


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, AuditRule]]:
    """Method, path and audit rule of every route, taken from the application itself."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(set(route.methods or ()) - {"HEAD"}):
            yield method, str(route.path), rule_of(route.endpoint)


async def rows(world: World) -> list[AuditRow]:
    return await everything(world.database)


async def last(world: World) -> AuditRow:
    return (await rows(world))[-1]


def in_words(row: AuditRow) -> tuple[Any, ...]:
    return (row.who, row.action, row.outcome, row.status, row.problem)


async def test_every_route_has_an_audit_action_or_a_reason_for_none(world: World) -> None:
    routes = list(routes_of(world.app))
    assert len(routes) > 30
    actions = [rule.action for _, path, rule in routes if rule.action is not None and path.startswith("/api/v1")]
    assert len(actions) == len(set(actions))
    assert all(rule.reason for _, _, rule in routes if rule.action is None)
    assert {path for _, path, rule in routes if rule.action is None and path.startswith("/api/v1")} == set()
    assert {(method, "{id" in path) for method, path, rule in routes if rule.listed} == {("GET", False)}
    assert all(action.wording for action in AuditAction)
    assert set(ROLES) == set(Role)
    assert set(OUTCOMES) == {"done", "refused", "failed"}


async def test_every_route_leaves_a_row_without_a_signed_in_agent(world: World) -> None:
    for method, path, rule in routes_of(world.app):
        before = len(await rows(world))
        address = re.sub(r"\{[^}]*:int\}", "1", re.sub(r"\{slug[^}]*\}", "kirurgi", path))
        address = re.sub(r"\{[^}]*\}", str(uuid4()), address)
        answer = await world.client.request(method, address, params={"seconds": 0} if rule.sends else None)
        added = (await rows(world))[before:]
        if rule.action is None:
            assert added == [], path
            continue
        (row,) = added
        assert (row.action, row.status, row.source) == (rule.action, answer.status_code, "127.0.0.1"), path
        assert row.outcome == ("done" if answer.status_code < 400 else "refused"), path
        assert row.request_id == answer.headers["x-request-id"], path


async def test_unknown_address_leaves_no_row(world: World) -> None:
    assert (await world.client.get("/api/v1/nonsense")).status_code == 404
    assert (await world.client.put("/api/v1/me")).status_code == 405
    assert await rows(world) == []


async def test_row_names_the_callbacks_that_the_answer_shows(world: World) -> None:
    ids = [(await world.rings(n)).id for n in range(3)]
    await world.rings(4, department="hjerte")
    await world.get("/callbacks", params={"department": "kirurgi"})
    row = await last(world)
    assert in_words(row) == ("kari", "list_callbacks", "done", 200, None)
    assert (row.role, row.department) == ("agent", "kirurgi")
    assert {each.callback_id for each in row.seen} == set(ids)
    assert all(each.patient_index is not None for each in row.seen)
    await world.get(f"/callbacks/{ids[0]}/history")
    assert [each.callback_id for each in (await last(world)).seen] == [ids[0]]
    claimed = await world.post("/callbacks/claim", {"department": "kirurgi"})
    row = await last(world)
    assert (row.action, [each.callback_id for each in row.seen]) == ("claim_next", [claimed["items"][0]["id"]])


async def test_every_callback_that_a_route_shows_is_in_its_row(world: World) -> None:
    """Read from the application's own routes: whatever part of a callback is read, the row names the callback."""
    callback = await world.rings(1)
    for method, path, _ in routes_of(world.app):
        if method != "GET" or not path.startswith("/api/v1"):
            continue
        address = re.sub(r"\{slug[^}]*\}", "kirurgi", re.sub(r"\{id[^}]*\}", callback.id, path))
        answer = await world.as_("kari", "GET", address.removeprefix("/api/v1"), params=end_at_once(path))
        if callback.id in address or (answer.status_code == 200 and callback.id in answer.text):
            assert callback.id in {each.callback_id for each in (await last(world)).seen}, path


async def test_identity_number_that_is_shown_is_sealed_into_the_row(world: World) -> None:
    callback = await world.rings(1)
    shown = await world.get(f"/callbacks/{callback.id}/patient")
    row = await last(world)
    assert shown["number"] == synthetic_identity(1)
    assert (row.action, row.patient_index) == ("get_patient", row.seen[0].patient_index)
    found = await world.services.audit.of_patient(SYSTEM, synthetic_identity(1))
    assert [each.action for each in found.items] == ["get_patient"]


async def test_refused_request_leaves_its_reason(world: World) -> None:
    callback = await world.rings(1)
    await world.token("liv", Role.LEADER)
    await world.token("ola", Role.AGENT, ["hjerte"])
    refused(await world.as_("liv", "GET", f"/callbacks/{callback.id}/patient"), 403, "role-not-allowed")
    assert in_words(await last(world)) == ("liv", "get_patient", "refused", 403, "role-not-allowed")
    refused(await world.as_("ola", "GET", f"/callbacks/{callback.id}"), 404, "callback-not-found")
    row = await last(world)
    assert in_words(row) == ("ola", "get_callback", "refused", 404, "callback-not-found")
    assert [(each.callback_id, each.department) for each in row.seen] == [(callback.id, "kirurgi")]
    assert row.patient_index is None
    answer = await world.client.get("/api/v1/me", headers={"Authorization": "Bearer inn_wrong"})
    refused(answer, 401, "not-signed-in")
    row = await last(world)
    assert (*in_words(row), row.session) == (None, "me", "refused", 401, "not-signed-in", None)


async def test_department_named_only_in_the_body_is_in_the_row(world: World) -> None:
    """Read from the application's own document: the row of a refused request names the department that was tried."""
    await world.token("liv", Role.LEADER)
    await world.token("ola", Role.AGENT, ["kirurgi"])
    bodies = world.app.openapi()["components"]["schemas"]
    asked = set()
    for path, method, route in (
        (path, method, route)
        for path, methods in world.app.openapi()["paths"].items()
        for method, route in methods.items()
        if "{" not in path
    ):
        body = next(iter(route.get("requestBody", {}).get("content", {}).values()), {}).get("schema", {})
        properties = bodies.get(body.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
        assert not {"slug", "from_department", "to_department"} & properties.keys(), path
        if "department" not in properties:
            continue
        asked.add(path.removeprefix("/api/v1"))
        for headers in ({}, *({"Authorization": f"Bearer {world.tokens[each]}"} for each in ("liv", "ola"))):
            answer = await world.client.request(method.upper(), path, json={"department": "hjerte"}, headers=headers)
            row = await last(world)
            assert (row.status, row.department) == (answer.status_code, "hjerte"), path
    assert asked >= {"/callbacks", "/callbacks/claim", "/emergency-access"}
    refused(
        await world.as_("ola", "POST", "/callbacks/claim", json={"department": "hjerte"}), 403, "department-not-allowed"
    )
    assert in_words(await last(world)) == ("ola", "claim_next", "refused", 403, "department-not-allowed")
    assert (await world.post("/callbacks/claim", {"department": "hjerte"}))["items"] == []
    assert (await last(world)).department == "hjerte"
    for body in (
        b'["department"]',
        b'{"department": ["hjerte"]}',
        b'{"department": "Hj"}',
        b"[" * 60_000,
        b"\xff",
        b"{",
    ):
        await world.as_("kari", "POST", "/callbacks/claim", content=body, headers={"Content-Type": "application/json"})
        assert (await last(world)).department is None, body


async def test_row_names_the_token_but_not_its_secret(world: World) -> None:
    await world.get("/me")
    session = (await last(world)).session
    assert session is not None
    assert session.startswith("token:")
    assert session.removeprefix("token:") not in world.tokens["kari"]


class Away(Audit):
    """An audit that cannot be written."""

    async def record(self, entry: AuditEntry) -> None:
        raise StorageUnavailable


async def test_answer_is_withheld_when_the_audit_cannot_be_written(world: World) -> None:
    callback = await world.rings(1)
    await world.token("kari")
    away = Away(database=world.database, vault=world.services.callbacks.registration._vault, clock=world.clock)
    world.app.state.services = dataclasses.replace(world.services, audit=away)
    for path in ("/callbacks", f"/callbacks/{callback.id}", f"/callbacks/{callback.id}/patient", "/events?seconds=0"):
        answer = await world.as_("kari", "GET", path)
        refused(answer, 503, "storage-unavailable")
        assert answer.headers["retry-after"] == "5"
        assert callback.id not in answer.text.replace(str(answer.request.url), "")
    assert await rows(world) == []
    assert (await world.client.get("/healthz")).status_code == 200


async def test_crashed_request_leaves_a_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(world.services.callbacks.lists, "page", crash)
    answer = await world.as_("kari", "GET", "/callbacks")
    assert answer.status_code == 500
    assert in_words(await last(world)) == ("kari", "list_callbacks", "failed", 500, None)


async def test_live_stream_leaves_rows_for_its_opening_and_its_events(world: World) -> None:
    before = (await world.as_("kari", "GET", "/events", params={"seconds": 0})).text
    position = re.findall(r"^id: (\d+)$", before, re.MULTILINE)[-1]
    assert [row.action for row in await rows(world)] == ["events"]
    callback = await world.rings(1)
    told, since = "", {"Last-Event-ID": position}
    async with asyncio.timeout(20):
        while callback.id not in told:
            told = (await world.as_("kari", "GET", "/events", params={"seconds": 0}, headers=since)).text
    assert json.loads(re.findall(r"^data: (.*)$", told, re.MULTILINE)[0])["callback"] == callback.id
    opened, wrote = (await rows(world))[-2:]
    assert (opened.action, opened.who, opened.seen) == ("events", "kari", ())
    assert (wrote.action, wrote.who, wrote.request_id) == ("events_sent", "kari", opened.request_id)
    assert [each.callback_id for each in wrote.seen] == [callback.id]


async def test_auditor_reads_the_rows_of_their_departments(world: World) -> None:
    await world.token("vera", Role.AUDITOR, ["kirurgi"])
    await world.token("kari", Role.AGENT, ["kirurgi"])
    await world.token("alf", Role.AUDITOR)
    mine, theirs = await world.rings(1), await world.rings(2, department="hjerte")
    await world.get(f"/callbacks/{mine.id}/patient")
    await world.as_("kari", "GET", f"/callbacks/{theirs.id}")  # not hers: the attempt is the other department's to see
    await world.client.get("/api/v1/me")

    async def read(by: str, **query: Any) -> list[dict[str, Any]]:
        answer = await world.as_(by, "GET", "/audit", params=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    (row,) = await read("vera")
    assert (row["who"], row["action"], row["role"], row["outcome"]) == ("kari", "get_patient", "agent", "done")
    assert (row["callbacks"], row["patient_named"], row["department"]) == ([mine.id], True, "kirurgi")
    assert (await last(world)).action == "list_audit"
    assert [row["action"] for row in await read("alf")] == ["list_audit", "me", "get_callback", "get_patient"]
    assert [row["action"] for row in await read("alf", callback=theirs.id)] == ["get_callback"]
    assert [each.callback_id for each in (await last(world)).seen] == [theirs.id]
    assert [row["who"] for row in await read("alf", outcome="refused", who="kari")] == ["kari"]
    assert [row["seq"] for row in await read("alf", action="get_patient", emergency=False, limit=1)] == [1]
    assert await read("alf", to="2026-11-24T08:00:00Z") == []
    assert len(await read("alf", **{"from": "2026-11-24T08:00:00Z", "limit": 200})) == 9
    refused(await world.as_("vera", "GET", "/audit", params={"department": "hjerte"}), 403, "department-not-allowed")
    refused(await world.as_("kari", "GET", "/audit"), 403, "role-not-allowed")
    refused(await world.as_("alf", "GET", "/audit", params={"who": synthetic_identity(1)}), 422, "invalid-input")


async def test_page_of_rows_leads_to_the_next(world: World) -> None:
    await world.token("alf", Role.AUDITOR)
    for _ in range(5):
        await world.client.get("/api/v1/me")
    found: list[int] = []
    cursor: str | None = None
    while True:
        given = {"cursor": cursor} if cursor else {}
        page = (await world.as_("alf", "GET", "/audit", params={"action": "me", "limit": 2, **given})).json()
        found += [row["seq"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [5, 4, 3, 2, 1]


async def test_extract_for_a_patient_is_in_words_and_within_the_auditors_departments(world: World) -> None:
    await world.token("vera", Role.AUDITOR, ["hjerte"])
    await world.token("alf", Role.AUDITOR)
    callback = await world.rings(1)
    await world.rings(2)
    await world.get(f"/callbacks/{callback.id}/patient")
    for _ in range(3):
        await world.get("/callbacks", params={"department": "kirurgi"})
    await world.as_("ola", "GET", "/me")
    asked = {"identity": synthetic_identity(1)}
    answer = await world.as_("alf", "POST", "/audit/extract", json=asked)
    assert answer.status_code == 200, answer.text
    assert [(line["who"], line["role"], line["action"]) for line in answer.json()["items"]] == [
        ("kari", "medarbeider", "Så listen over tilbakeringinger"),
        ("kari", "medarbeider", "Så hele fødselsnummeret"),
    ]
    assert {line["department"] for line in answer.json()["items"]} == {"Kirurgisk poliklinikk"}
    assert [line["again"] for line in answer.json()["items"]] == [
        "listen kan være sett igjen inntil 2 ganger før kl. 09:15",
        "",
    ]
    assert synthetic_identity(1) not in answer.text
    row = await last(world)
    assert (row.who, row.action, row.patient_index) == (
        "alf",
        "extract_audit",
        world.services.callbacks.registration._vault.index(asked["identity"]),
    )
    assert (await world.as_("vera", "POST", "/audit/extract", json=asked)).json()["items"] == []
    csv = await world.as_("alf", "POST", "/audit/extract", json={**asked, "format": "csv", "limit": 2})
    assert csv.headers["content-type"].startswith("text/csv")
    assert csv.text.splitlines()[0].startswith("Tidspunkt;Navn;")
    assert len(csv.text.splitlines()) == 3
    assert csv.headers["x-next-cursor"]
    wrong = await world.as_("alf", "POST", "/audit/extract", json={"identity": "12345678901"})
    refused(wrong, 422, "invalid-identity")
    assert "12345678901" not in wrong.text
