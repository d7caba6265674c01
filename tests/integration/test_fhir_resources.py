"""What the FHIR door sends is valid FHIR R4, and says what the callback says."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from api.fhir.communications import STATUSES as SMS_STATUSES
from api.fhir.communications import communication_of
from api.fhir.tasks import REASONS, STATUSES, task_of
from desk.access.actor import SYSTEM
from desk.callbacks.model import Callback
from desk.callbacks.records import CallbackRecord
from desk.inquiries.model import ClosedReason, Status
from desk.messages.model import SmsKind, SmsRecord, SmsState
from desk.paths import ROOT
from tests.support.fhir.door import fhir, ids, of_patient, read
from tests.support.fhir.validators import by_lantana, by_schema, faults
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import DEPARTMENTS, World, open_world

DOCUMENT = ROOT / "docs" / "fhir.md"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def closed(world: World, n: int, reason: str) -> Callback:
    callback = await world.rings(n)
    await world.post(f"/callbacks/{callback.id}/close", {"reason": reason, "note": "Gjelder gipsen"})
    return callback


async def test_every_answer_is_valid_by_three_validators(world: World) -> None:
    open_one = await world.rings(1)
    await world.rings(2, department="hjerte", with_identity=False)
    reasons = [await closed(world, 10 + n, reason.value) for n, reason in enumerate(ClosedReason)]
    etag = (await world.as_("kari", "GET", f"/callbacks/{open_one.id}")).headers["etag"]
    change = {"priority": "urgent", "topic": "resept"}
    await world.as_("kari", "PATCH", f"/callbacks/{open_one.id}", json=change, headers={"If-Match": etag})
    claimed = await world.post(f"/callbacks/{open_one.id}/claim")
    await world.post(f"/callbacks/{open_one.id}/attempts", {"fence": claimed["fence"], "outcome": "no_answer"})
    found = [await read(world, f"/Task/{each.id}") for each in (open_one, *reasons)]
    found += [await read(world, path) for path in ("/metadata", "/Task", "/Communication", "/Organization/kirurgi")]
    found.append((await of_patient(world, 1)).json())
    found += [(await fhir(world, path)).json() for path in ("/Task?status=x", "/Task?x=y", "/nothing", "/Task/x")]
    found.append((await world.client.get("/fhir/Task")).json())
    assert len(found) == 17
    assert faults(found) == []


async def test_validators_find_a_fault() -> None:
    wrong = {"resourceType": "Task", "status": "bogus", "intent": "order", "made_up": 1}
    assert len(by_lantana([wrong])) == 2
    assert by_schema(wrong)


def sms(state: SmsState, kind: SmsKind = SmsKind.RECEIPT, *, at: Any) -> SmsRecord:
    callback = "1b2c3d4e-0000-4000-8000-000000000001"
    return SmsRecord(7, callback, "kirurgi", kind, state, "rejected", at, at + timedelta(minutes=1))  # type: ignore[arg-type]


async def test_every_state_of_an_sms_is_valid(world: World) -> None:
    at = world.clock.now()
    texts = [sms(state, at=at) for state in SmsState] + [sms(SmsState.SENT, kind, at=at) for kind in SmsKind]
    found = [communication_of(each, DEPARTMENTS) for each in texts]
    assert faults(found) == []
    sent, delivered = found[1], found[2]
    assert ("sent" in sent, "received" in delivered, "sent" in found[0]) == (True, True, False)


async def test_task_says_what_the_callback_says(world: World) -> None:
    callback = await world.rings(1)
    task = await read(world, f"/Task/{callback.id}")
    assert (task["intent"], task["status"], task["priority"]) == ("order", "requested", "routine")
    assert task["for"]["identifier"] == {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": synthetic_identity(1)}
    assert task["contained"][0]["telecom"] == [{"system": "phone", "value": "+4768050001"}]
    assert task["owner"]["reference"] == "Organization/kirurgi"
    assert task["restriction"]["period"]["end"] == "2026-11-24T14:00:00Z"
    assert task["authoredOn"] == task["lastModified"] == task["meta"]["lastUpdated"]
    assert "executionPeriod" not in task
    world.clock.advance(timedelta(minutes=10))
    claimed = await world.post(f"/callbacks/{callback.id}/claim")
    assert (await read(world, f"/Task/{callback.id}"))["status"] == "in-progress"
    await world.post(f"/callbacks/{callback.id}/attempts", {"fence": claimed["fence"], "outcome": "reached"})
    task = await read(world, f"/Task/{callback.id}")
    assert (task["status"], task["statusReason"]["text"]) == ("completed", "Nådd")
    assert set(task["executionPeriod"]) == {"start", "end"}
    assert task["lastModified"] == task["executionPeriod"]["end"] > task["authoredOn"]


def test_every_status_and_reason_has_a_line() -> None:
    assert {*STATUSES} == {*Status} - {Status.CLOSED}
    assert {*REASONS} == {*ClosedReason}


async def test_version_and_time_change_with_the_callback_and_not_with_who_looks(world: World) -> None:
    callback = await world.rings(1)
    first = await fhir(world, f"/Task/{callback.id}")
    world.clock.advance(timedelta(minutes=1))
    again = await fhir(world, f"/Task/{callback.id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await read(world, f"/Task/{callback.id}"))["meta"] == first.json()["meta"]
    for change in ("claim", "release", "close", "reopen"):
        world.clock.advance(timedelta(minutes=1))
        before = world.clock.now().isoformat(timespec="seconds")
        held = {"fence": (await world.services.callbacks.lists.get(SYSTEM, callback.id)).fence}
        body = {"release": held, "close": {"reason": "other"}}.get(change)
        await world.post(f"/callbacks/{callback.id}/{change}", body)
        changed = await fhir(world, f"/Task/{callback.id}", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200
        assert changed.json()["meta"]["lastUpdated"] == before.replace("+00:00", "Z"), change
        assert changed.headers["etag"] == f'W/"{changed.json()["meta"]["versionId"]}"' != first.headers["etag"]
        first = changed


async def test_head_answers_as_get_without_a_body(world: World) -> None:
    callback = await world.rings(1)
    head = await fhir(world, f"/Task/{callback.id}", "HEAD")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", 'W/"1"')


async def test_doubtful_number_is_no_identifier(world: World) -> None:
    callback = await world.rings(1)
    record = await world.services.callbacks.records.get(SYSTEM, callback.id)
    assert record.callback.identity_doubtful is False
    doubtful = CallbackRecord(_doubted(record.callback), record.changed_at, None)
    task = task_of(doubtful, DEPARTMENTS, number=None)
    assert task["for"]["extension"] == [{"url": "urn:innringing:fhir:identity-doubtful", "valueBoolean": True}]
    assert "identifier" not in task["for"]
    assert faults([task]) == []


def _doubted(callback: Callback) -> Callback:
    return Callback(**{**vars(callback), "identity_doubtful": True})


async def test_capabilities_are_the_routes(world: World) -> None:
    statement = await read(world, "/metadata")
    assert statement["fhirVersion"] == "4.0.1"
    said = {
        (each["type"], interaction["code"])
        for each in statement["rest"][0]["resource"]
        for interaction in each["interaction"]
    }
    paths = [str(route.path) for route in iter_route_contexts(world.app.routes) if str(route.path).startswith("/fhir/")]
    served = {(path.split("/")[2], "read" if "{" in path else "search-type") for path in paths} - {
        ("metadata", "search-type")
    }
    assert said == served
    answer = await world.client.get("/fhir/metadata")
    assert answer.status_code == 200, "open to everyone, as FHIR wants it"


async def test_every_stated_parameter_is_understood(world: World) -> None:
    given = {"_id": "1b2c3d4e-0000-4000-8000-000000000001", "owner": "Organization/kirurgi", "modified": "ge2026-01-01"}
    given |= {"_lastUpdated": "lt2030-01-01", "based-on": f"Task/{given['_id']}"}
    own = {"Task": {"status": "requested,completed"}, "Communication": {"status": "completed", "_id": "7"}}
    for each in (await read(world, "/metadata"))["rest"][0]["resource"]:
        for parameter in each.get("searchParam", ()):
            if parameter["name"] == "patient":
                continue
            value = {**given, **own[each["type"]]}[parameter["name"]]
            assert ids(await read(world, f"/{each['type']}", params={parameter["name"]: value})) == []


def table(heading: str) -> list[list[str]]:
    """The rows of the table below that heading of the page."""
    text = DOCUMENT.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip("` ") for cell in row] for row in rows[1:]]


def test_page_has_the_table_of_statuses() -> None:
    rows = {row[0]: (row[1], row[2]) for row in table("Statuses")}
    expected = {key.value: said for key, said in STATUSES.items()}
    expected |= {f"closed: {key.value}": said for key, said in REASONS.items()}
    assert rows == expected


def test_page_has_the_table_of_sms_states() -> None:
    assert {row[0]: (row[1], row[2]) for row in table("SMS")} == {
        state.value: (status, words) for state, (status, words) in SMS_STATUSES.items()
    }


def test_page_names_no_address_with_a_number() -> None:
    assert not re.search(r"[?&][^\s']*\d{11}", DOCUMENT.read_text("utf-8"))
