"""What each role is shown at the FHIR door, what is recorded of it, and how searches are refused."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Permission, Role
from desk.accounts.tokens.model import TokenScope
from desk.database.unit_of_work import Unit
from desk.messages import repository as outbox
from desk.messages.model import SmsKind
from tests.support.desk.audit import everything
from tests.support.fhir.door import fhir, ids, of_patient, read, refused
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
"""What differs between the engines is in test_fhir_resources.py and test_fhir_lists.py."""


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, numbers_an_hour=10) as world:
        yield world


@pytest.fixture
async def people(world: World) -> World:
    """An agent of one department, a leader, an auditor, and an agent with tokens for less than they may."""
    await world.token("kim", Role.AGENT, ["kirurgi"])
    await world.token("lise", Role.LEADER, ["kirurgi"])
    await world.token("rune", Role.AUDITOR, ["*"])
    await world.token("bred", Role.AGENT, ["*"])
    tokens, later = world.services.agents.tokens, world.clock.now() + timedelta(days=1)
    there, to_read = TokenScope(departments=frozenset({"hjerte"})), TokenScope(permissions=frozenset({Permission.READ}))
    narrow = await tokens.issue(SYSTEM, "bred", "smal", scope=there, expires_at=later)
    reading = await tokens.issue(SYSTEM, "bred", "les", scope=to_read, expires_at=later)
    world.tokens |= {"smal": narrow.secret, "les": reading.secret}
    return world


async def test_callback_of_another_department_does_not_exist(people: World) -> None:
    there, here = await people.rings(1, department="hjerte"), await people.rings(2)
    for by in ("kim", "lise"):
        refused(await fhir(people, f"/Task/{there.id}", by=by), 404, "callback-not-found")
        assert ids(await read(people, "/Task", by=by)) == [here.id]
        assert ids(await read(people, "/Task", by=by, params={"_id": f"{there.id},{here.id}"})) == [here.id]
        refused(await fhir(people, "/Task?owner=hjerte", by=by), 403, "department-not-allowed")
        refused(await fhir(people, "/Organization/hjerte", by=by), 404, "organization-not-found")
    refused(await fhir(people, f"/Task/{here.id}", by="smal"), 404, "callback-not-found")
    assert ids(await read(people, "/Task", by="smal")) == [there.id]
    assert (await of_patient(people, 1, by="kim")).json()["total"] == 0
    assert ids((await of_patient(people, 1, by="smal")).json()) == [there.id]


async def test_identity_number_is_for_those_who_may_see_it(people: World) -> None:
    callback = await people.rings(1)
    number = synthetic_identity(1)
    for by, may in (("kim", True), ("lise", False), ("rune", False), ("les", False)):
        answer = await fhir(people, f"/Task/{callback.id}", by=by)
        assert answer.status_code == 200
        assert (number in answer.text) is may, by
        assert ("display" in answer.json()["for"]) is not may
        search = await of_patient(people, 1, by=by)
        if may:
            assert ids(search.json()) == [callback.id]
        else:
            refused(search, 403, "role-not-allowed")
    assert number not in (await fhir(people, "/Task", by="kim")).text, "a list has none"


async def test_trail_names_the_patient_and_the_callbacks(people: World) -> None:
    callback = await people.rings(1)
    await fhir(people, f"/Task/{callback.id}", by="kim")
    await of_patient(people, 1, by="kim")
    await fhir(people, "/Task", by="lise")
    rows = [row for row in await everything(people.database) if row.action.startswith("fhir_")]
    assert [(row.action, row.who) for row in rows] == [
        ("fhir_read_task", "kim"),
        ("fhir_find_tasks", "kim"),
        ("fhir_list_tasks", "lise"),
    ]
    named = [each for each in people.witness.heard if each.action.startswith("fhir_")]
    assert all(callback.id in each.callbacks for each in named)
    assert {each.patient for each in named if each.patient} == {synthetic_identity(1)}
    history = await people.services.callbacks.lists.history(SYSTEM, callback.id)
    assert [row.actor for row in history if row.event == "patient_viewed"] == ["kim"]


async def test_identity_numbers_are_limited_together_with_those_of_the_rest_door(people: World) -> None:
    callbacks = [await people.rings(n) for n in range(1, 12)]
    for each in callbacks[:4]:
        await read(people, f"/Task/{each.id}", by="kim")
    for n in range(1, 5):
        assert (await of_patient(people, n, by="kim")).status_code == 200
    for each in callbacks[4:6]:
        assert (await people.as_("kim", "GET", f"/callbacks/{each.id}/patient")).status_code == 200
    answer = await fhir(people, f"/Task/{callbacks[6].id}", by="kim")
    refused(answer, 429, "too-many-numbers")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["issue"][0]["code"] == "throttled"
    refused(await of_patient(people, 7, by="kim"), 429, "too-many-numbers")
    assert (await fhir(people, f"/Task/{callbacks[6].id}", by="lise")).status_code == 200


@pytest.mark.parametrize("name", ["patient:identifier", "patient.identifier", "patient", "identifier", "subject"])
async def test_patient_in_an_address_is_refused_and_not_repeated(world: World, name: str) -> None:
    answer = await fhir(world, "/Task", params={name: synthetic_identity(1)})
    refused(answer, 400, "invalid-input")
    assert synthetic_identity(1) not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"statuss": "requested"},
        {"status": "waiting"},
        {"status": ["requested", "completed"]},
        {"status:not": "requested"},
        {"_lastUpdated": "2026-11-30"},
        {"_lastUpdated": "ge2026"},
        {"modified": ["ge2026-01-01", "ge2026-01-02", "ge2026-01-03"]},
        {"_count": "0"},
        {"_count": "ti"},
        {"_id": "1"},
        {"owner": "Organization/Å"},
        {"_cursor": "made-up"},
        {"_sort": "status"},
        {"_include": "Task:owner"},
    ],
    ids=str,
)
async def test_search_that_is_not_understood_is_refused(world: World, query: dict[str, str]) -> None:
    answer = await fhir(world, "/Task", params=query)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "invalid")
    form = {name: value for name, value in query.items() if name != "_cursor"} or {"_cursor": "x"}
    assert (await fhir(world, "/Task/_search", "POST", data=form)).status_code == 400


@pytest.mark.parametrize("written", ["12345678901", "urn:oid:2.16.578.1.12.4.1.4.2|{number}", "urn:x|{number}", "x"])
async def test_patient_that_is_none_is_refused(world: World, written: str) -> None:
    form = {"patient:identifier": written.format(number=synthetic_identity(1))}
    refused(await fhir(world, "/Task/_search", "POST", data=form), 400, "no-such-identifier")


async def test_search_that_is_no_form_is_refused(world: World) -> None:
    await world.rings(1)
    refused(await fhir(world, "/Task/_search", "POST", json={"status": "requested"}), 415, "form-needed")
    files = {"status": (None, "requested")}
    refused(await fhir(world, "/Task/_search", "POST", files=files), 415, "form-needed")
    assert (await fhir(world, "/Task/_search?status=requested", "POST")).status_code == 400
    assert len(ids((await fhir(world, "/Task/_search", "POST")).json())) == 1


@pytest.mark.parametrize(
    ("accept", "named", "status"),
    [
        ("application/fhir+json", None, 200),
        ("application/json;q=0.9, text/plain", None, 200),
        ("*/*", None, 200),
        ("text/html,application/xhtml+xml,*/*;q=0.8", None, 200),
        ("application/fhir+xml", None, 406),
        ("application/fhir+xml", "json", 200),
        ("application/fhir+json", "xml", 406),
        ("*/*", "application/fhir+json", 200),
    ],
)
async def test_format_is_json_or_refused(world: World, accept: str, named: str | None, status: int) -> None:
    callback = await world.rings(1)
    for path in ("/Task", f"/Task/{callback.id}", "/metadata"):
        query = {"_format": named} if named else {}
        answer = await fhir(world, path, headers={"Accept": accept}, params=query)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/fhir+json"), path


async def test_errors_are_operation_outcomes_wherever_they_are_made(world: World) -> None:
    refused(await world.client.get("/fhir/Task"), 401, "not-signed-in")
    refused(await world.client.get("/fhir/Task", headers={"Accept": "text/html"}), 401, "not-signed-in")
    refused(await world.client.get("/fhir/metadata", headers={"Host": "evil.example"}), 421, "unknown-host")
    refused(await fhir(world, "/Patient"), 404, "not-found")
    refused(await fhir(world, "/Task", "DELETE"), 405, "method-not-allowed")
    refused(await fhir(world, "/Task/_search", "POST", data={"status": "x" * 70_000}), 413, "body-too-large")
    assert (await world.client.get("/fhirx")).headers["content-type"] == "application/problem+json"


async def test_sms_are_read_within_the_departments(people: World) -> None:
    here, there = await people.rings(1), await people.rings(2, department="hjerte")
    for callback in (here, there):
        await _written(people, callback.id)
    mine = await read(people, "/Communication", by="kim")
    (number,) = ids(mine)
    sms = await read(people, f"/Communication/{number}", by="kim")
    assert (sms["status"], sms["basedOn"][0]["reference"]) == ("preparation", f"Task/{here.id}")
    assert "payload" not in sms
    for query in ({"based-on": f"Task/{here.id}"}, {"status": "preparation"}, {"_id": number}):
        assert ids(await read(people, "/Communication", by="kim", params=query)) == [number]
    assert ids(await read(people, "/Communication", by="kim", params={"status": "completed"})) == []
    other = next(each for each in ids(await read(people, "/Communication", by="bred")) if each != number)
    refused(await fhir(people, f"/Communication/{other}", by="kim"), 404, "sms-not-found")
    page = await read(people, "/Communication", by="bred", params={"_count": "1"})
    following = page["link"][1]["url"].removeprefix("http://api.test/fhir")
    assert ids(page) + ids(await read(people, following, by="bred")) == sorted([number, other], key=int)


async def _written(world: World, callback_id: str) -> None:
    """Write a text about the callback, as the receipt is."""
    async with world.database.begin() as connection:
        await outbox.add(Unit(connection, world.clock, SYSTEM), callback_id, SmsKind.RECEIPT)  # type: ignore[arg-type]
