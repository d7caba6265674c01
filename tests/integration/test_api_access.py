"""Access by token, role and department."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Grant, Role
from tests.support.web.api import World, ids, open_world, refused

NOBODYS = "00000000-0000-4000-8000-000000000000"
READS = ("", "/history")
WORK = (
    ("GET", "/patient", None),
    ("POST", "/claim", None),
    ("POST", "/release", {"fence": 0}),
    ("POST", "/attempts", {"fence": 0, "outcome": "reached"}),
    ("POST", "/close", {"reason": "other"}),
    ("POST", "/reopen", None),
)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer inn_wrong", "Basic a2FyaTprYXJp", "inn_x", "Bearer " + "x" * 5000]
)
async def test_every_route_refuses_an_invalid_token(world: World, authorization: str | None) -> None:
    await world.rings(1)
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/callbacks", "/me", "/departments", "/calls"):
        answer = await world.client.get(f"/api/v1{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith('Bearer realm="innringing"')
        assert answer.json()["type"] == "urn:innringing:problem:not-signed-in"
        assert "inn_wrong" not in answer.text


async def test_revoked_token_is_refused_at_once(world: World) -> None:
    assert (await world.as_("kari", "GET", "/me")).status_code == 200
    await world.services.agents.revoke(SYSTEM, "kari")
    assert (await world.as_("kari", "GET", "/me")).status_code == 401


async def test_every_route_of_the_api_needs_a_token(world: World) -> None:
    registered = await world.rings(1)
    bodies = {"/release": {"fence": 0}, "/attempts": {"fence": 0, "outcome": "reached"}, "/close": {"reason": "other"}}
    asked = 0
    for path, operations in world.app.openapi()["paths"].items():
        if not path.startswith("/api/v1"):
            continue
        if path == "/api/v1/session":  # these are called before logging in
            operations = {method: operation for method, operation in operations.items() if method != "post"}
        for method, operation in operations.items():
            body = next((body for tail, body in bodies.items() if path.endswith(tail)), {"department": "kirurgi"})
            answer = await world.client.request(
                method, path.replace("{id}", registered.id).replace("{number}", "1"), json=body
            )
            assert answer.status_code == 401, (method, path)
            assert operation["security"] == [{"token": []}, {"session": []}]
            asked += 1
    assert asked >= 13


async def test_me_and_departments_show_the_access_of_the_token(world: World) -> None:
    await world.token("ola", Role.LEADER, ["hjerte"])
    assert (await world.as_("ola", "GET", "/me")).json() == {
        **{"name": "ola", "role": "leader", "departments": ["hjerte"]},
        "grants": [{"role": "leader", "department": "hjerte"}],
    }
    (department,) = (await world.as_("ola", "GET", "/departments")).json()["items"]
    assert (department["slug"], department["policy"]) == ("hjerte", "rounds")
    assert department["rounds"] == ["10:00", "13:00"]
    assert department["hospital_number"] == "+4768059999"
    assert (await world.get("/me"))["departments"] == ["kirurgi", "hjerte"]


async def test_callback_of_another_department_is_refused(world: World) -> None:
    registered = await world.rings(1, department="kirurgi")
    await world.token("ola", Role.AGENT, ["hjerte"])
    for method, tail, body in (*(("GET", tail, None) for tail in READS), *WORK):
        answer = await world.as_("ola", method, f"/callbacks/{registered.id}{tail}", json=body)
        assert answer.status_code == 404, (method, tail)
        assert answer.json()["type"] == "urn:innringing:problem:callback-not-found"
    for path in ("/callbacks?department=kirurgi", "/calls?department=kirurgi", "/callbacks?department=no-such"):
        assert (await world.as_("ola", "GET", path)).status_code == 403
    claim = await world.as_("ola", "POST", "/callbacks/claim", json={"department": "kirurgi"})
    assert claim.status_code == 403
    assert (await world.as_("ola", "GET", "/callbacks")).json()["items"] == []
    untouched = await world.get(f"/callbacks/{registered.id}")
    assert (untouched["status"], untouched["version"]) == ("waiting", registered.version)


async def test_existence_of_a_callback_elsewhere_is_not_revealed(world: World) -> None:
    registered = await world.rings(1, department="kirurgi")
    await world.token("ola", Role.AGENT, ["hjerte"])
    for method, tail, body in (*(("GET", tail, None) for tail in READS), *WORK):
        elsewhere = await world.as_("ola", method, f"/callbacks/{registered.id}{tail}", json=body)
        nowhere = await world.as_("ola", method, f"/callbacks/{NOBODYS}{tail}", json=body)
        told = [answer.json() | {"request_id": None} for answer in (elsewhere, nowhere)]
        assert told[0] == told[1] and elsewhere.status_code == nowhere.status_code, (method, tail)


async def test_roles_apply_in_their_own_department_only(world: World) -> None:
    here, there = await world.rings(1, department="kirurgi"), await world.rings(2, department="hjerte")
    await world.token("lise", Role.AGENT, ["kirurgi"])
    await world.services.agents.grant(SYSTEM, "lise", [Grant(Role.LEADER, "hjerte")])
    assert set(await ids(world, "lise")) == {here.id, there.id}
    assert (await world.as_("lise", "POST", f"/callbacks/{here.id}/claim")).status_code == 200
    refused(await world.as_("lise", "POST", f"/callbacks/{there.id}/claim"), 404, "callback-not-found")
    refused(await world.as_("lise", "GET", f"/callbacks/{there.id}/patient"), 404, "callback-not-found")
    hour = {"from": "2026-11-25T10:00:00Z", "until": "2026-11-25T11:00:00Z"}
    assert (await world.as_("lise", "POST", "/departments/hjerte/closures", json=hour)).status_code == 201
    refused(await world.as_("lise", "POST", "/departments/kirurgi/closures", json=hour), 403, "department-not-allowed")


async def test_stored_answer_is_not_repeated_after_access_was_lost(world: World) -> None:
    registered = await world.rings(1, department="kirurgi")
    await world.token("ola", Role.AGENT, ["kirurgi", "hjerte"])
    asked = {
        "claim": (f"/callbacks/{registered.id}/claim", None),
        "next": ("/callbacks/claim", {"department": "kirurgi"}),
        "book": ("/callbacks", {"department": "kirurgi", "phone": "+4768050123"}),
    }

    async def ask(key: str) -> Any:
        path, body = asked[key]
        return await world.as_("ola", "POST", path, json=body, headers={"Idempotency-Key": key})

    first = {key: await ask(key) for key in asked}
    for key, answer in first.items():
        again = await ask(key)
        assert (again.text, again.headers["idempotency-replayed"]) == (answer.text, "true")
    await world.services.agents.withdraw(SYSTEM, "ola", [Grant(Role.AGENT, "kirurgi")])
    for key in asked:
        refusal = await ask(key)
        assert refusal.status_code == (404 if key == "claim" else 403), key
        assert "idempotency-replayed" not in refusal.headers


async def test_transfer_to_an_unseen_department_is_answered_again_when_repeated(world: World) -> None:
    """The sender knew the callback; the answer is from the department it was sent from."""
    registered = await world.rings(1, department="kirurgi")
    await world.token("ola", Role.AGENT, ["kirurgi"])
    body = {"department": "hjerte", "keep_promise": False}
    request = {"json": body, "headers": {"Idempotency-Key": "sent"}}
    first = await world.as_("ola", "POST", f"/callbacks/{registered.id}/transfer", **request)
    assert first.status_code == 200 and first.json()["department"] == "hjerte"
    again = await world.as_("ola", "POST", f"/callbacks/{registered.id}/transfer", **request)
    assert (again.status_code, again.text) == (200, first.text)
    refused(await world.as_("ola", "GET", f"/callbacks/{registered.id}"), 404, "callback-not-found")
    refused(
        await world.as_("ola", "POST", f"/callbacks/{registered.id}/transfer", json=body), 404, "callback-not-found"
    )


async def test_unknown_department_is_not_found_with_access_to_all(world: World) -> None:
    for answer in (
        await world.as_("kari", "GET", "/callbacks?department=no-such"),
        await world.as_("kari", "POST", "/callbacks/claim", json={"department": "no-such"}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:innringing:problem:department-not-found")


@pytest.mark.parametrize("role", [Role.LEADER, Role.ADMIN, Role.AUDITOR])
async def test_leaders_admins_and_auditors_may_read_but_not_work(world: World, role: Role) -> None:
    registered = await world.rings(1)
    await world.token("lise", role)
    for path in ("/callbacks", "/calls", *(f"/callbacks/{registered.id}{tail}" for tail in READS)):
        assert (await world.as_("lise", "GET", path)).status_code == 200
    for method, tail, body in WORK:
        answer = await world.as_("lise", method, f"/callbacks/{registered.id}{tail}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:innringing:problem:role-not-allowed")
    claim = await world.as_("lise", "POST", "/callbacks/claim", json={"department": "kirurgi"})
    assert claim.status_code == 403


async def test_operators_see_no_callbacks(world: World) -> None:
    registered = await world.rings(1)
    await world.token("drift", Role.OPERATOR)
    for path in ("/callbacks", "/calls", f"/callbacks/{registered.id}", f"/callbacks/{registered.id}/patient"):
        assert (await world.as_("drift", "GET", path)).status_code == 403
    assert (await world.as_("drift", "GET", "/me")).json()["role"] == "operator"


async def test_leaders_close_the_queue_of_their_departments(world: World) -> None:
    await world.token("leder", Role.LEADER, ["kirurgi"])
    path, day = "/departments/kirurgi/closures", {"from": "2026-11-24T08:00:00Z", "until": "2026-11-24T23:00:00Z"}
    answer = await world.as_("leder", "POST", path, json=day | {"text_key": "closed_course"})
    assert answer.status_code == 201
    closed = answer.json()
    assert (closed["department"], closed["text_key"]) == ("kirurgi", "closed_course")
    assert (closed["from"], closed["until"]) == (day["from"], day["until"])
    assert (await world.as_("leder", "POST", path, json=day)).json()["text_key"] == "closed_today"
    assert (await world.as_("kari", "POST", path, json=day)).status_code == 403
    assert (await world.as_("leder", "POST", "/departments/hjerte/closures", json=day)).status_code == 403
    for wrong in (
        {"from": day["until"], "until": day["from"]},
        day | {"until": "2026-12-25T08:00:01Z"},
        day | {"text_key": "welcome"},
        day | {"text": "x"},
        {"from": "2026-11-24T08:00:00", "until": day["until"]},
        {"until": day["until"]},
    ):
        assert (await world.as_("leder", "POST", path, json=wrong)).status_code == 422
