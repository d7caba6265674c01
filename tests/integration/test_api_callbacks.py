"""The callbacks endpoints on both engines: shapes, claims, attempts, closing, history."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey, IncompleteStep
from desk.numbers.phone_number import parse_phone
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, open_world

FIELDS = {
    *("id", "department", "status", "priority", "phone", "patient", "promise", "attempts", "call_count", "language"),
    *("created_at", "claimed_by", "lease_until", "version", "closed_reason", "note", "sms"),
    *("has_recording", "added_phone", "identity_doubtful", "others_on_phone", "topic", "suspected"),
}
RFC_3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TEN_O_CLOCK = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)  # in Oslo


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def test_callback_has_the_fields_of_the_contract(world: World) -> None:
    registered = await world.rings(7)
    callback = await world.get(f"/callbacks/{registered.id}")
    assert set(callback) == FIELDS
    assert callback["department"] == "kirurgi"
    assert (callback["status"], callback["priority"]) == ("waiting", "normal")
    assert callback["phone"] == "+4768050007"
    assert callback["patient"] == {"kind": "tenor", "masked": synthetic_identity(7)[:6] + "*****"}
    assert set(callback["promise"]) == {"from", "by", "spoken"}
    assert callback["promise"]["spoken"] == "i dag innen klokken 15"
    assert datetime.fromisoformat(callback["promise"]["by"]) == datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
    for moment in (callback["created_at"], callback["promise"]["from"], callback["promise"]["by"]):
        assert RFC_3339_UTC.fullmatch(moment)
    assert (callback["attempts"], callback["call_count"], callback["language"]) == ([], 1, "nb")
    for empty in ("added_phone", "claimed_by", "lease_until", "closed_reason", "note", "sms"):
        assert callback[empty] is None
    assert callback["has_recording"] is False
    assert callback["identity_doubtful"] is False


async def test_identity_number_is_only_in_patient_and_reading_it_is_recorded(world: World) -> None:
    registered = await world.rings(7)
    number = synthetic_identity(7)
    for path in ("/callbacks", f"/callbacks/{registered.id}", f"/callbacks/{registered.id}/history", "/calls"):
        assert number not in (await world.as_("kari", "GET", path)).text
    patient = await world.get(f"/callbacks/{registered.id}/patient")
    assert patient == {"kind": "tenor", "number": number}
    history = await world.get(f"/callbacks/{registered.id}/history")
    viewed = [row for row in history["items"] if row["event"] == "patient_viewed"]
    assert [row["actor"] for row in viewed] == ["kari"]
    assert number not in str(history)


async def test_caller_without_an_identity_number_has_no_patient(world: World) -> None:
    registered = await world.rings(3, with_identity=False)
    assert (await world.get(f"/callbacks/{registered.id}"))["patient"] is None
    answer = await world.as_("kari", "GET", f"/callbacks/{registered.id}/patient")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:innringing:problem:no-patient")


async def test_claim_gives_a_lease_and_a_fence_to_one_agent(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    kari = await world.post("/callbacks/claim", {"department": "kirurgi"})
    ola = await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 5}, by="ola")
    assert [item["id"] for item in kari["items"]] == [first.id]
    assert [item["id"] for item in ola["items"]] == [second.id]
    (claimed,) = kari["items"]
    assert set(claimed) == FIELDS | {"fence"}
    assert (claimed["status"], claimed["claimed_by"]) == ("claimed", "kari")
    assert datetime.fromisoformat(claimed["lease_until"]) == world.clock.now() + timedelta(minutes=15)
    nothing = await world.post("/callbacks/claim", {"department": "kirurgi"})
    assert nothing == {"items": []}


async def test_named_callback_is_claimed_once_and_taken_over_after_the_lease(world: World) -> None:
    registered = await world.rings(1)
    claimed = await world.post(f"/callbacks/{registered.id}/claim")
    answer = await world.as_("ola", "POST", f"/callbacks/{registered.id}/claim")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:innringing:problem:already-claimed")
    world.clock.advance(timedelta(minutes=16))
    taken = await world.post(f"/callbacks/{registered.id}/claim", by="ola")
    assert taken["claimed_by"] == "ola"
    assert taken["fence"] > claimed["fence"]
    late = await world.as_(
        "kari", "POST", f"/callbacks/{registered.id}/attempts", json={"fence": claimed["fence"], "outcome": "reached"}
    )
    assert (late.status_code, late.json()["type"]) == (409, "urn:innringing:problem:claim-lost")


async def test_release_with_the_fence_returns_the_callback_to_the_queue(world: World) -> None:
    registered = await world.rings(1)
    fence = (await world.post(f"/callbacks/{registered.id}/claim"))["fence"]
    wrong = await world.as_("kari", "POST", f"/callbacks/{registered.id}/release", json={"fence": fence + 1})
    assert (wrong.status_code, wrong.json()["type"]) == (409, "urn:innringing:problem:claim-lost")
    released = await world.post(f"/callbacks/{registered.id}/release", {"fence": fence})
    assert (released["status"], released["claimed_by"], released["lease_until"]) == ("waiting", None, None)


async def test_unanswered_attempt_says_when_the_patient_is_called_again(world: World) -> None:
    registered = await world.rings(1, department="hjerte")
    world.clock.set(TEN_O_CLOCK + timedelta(minutes=2))
    fence = (await world.post(f"/callbacks/{registered.id}/claim"))["fence"]
    after = await world.post(
        f"/callbacks/{registered.id}/attempts", {"fence": fence, "outcome": "no_answer", "note": "svarer ikke"}
    )
    assert set(after) == FIELDS | {"next"}
    assert after["next"] == "ringes igjen i dag klokken 13"
    assert (after["status"], after["claimed_by"]) == ("waiting", None)
    (attempt,) = after["attempts"]
    assert (attempt["agent"], attempt["outcome"], attempt["counted"]) == ("kari", "no_answer", True)
    assert attempt["note"] == "svarer ikke"


async def test_last_attempt_gives_a_note_for_the_record(world: World) -> None:
    registered = await world.rings(1, department="hjerte")
    after = {}
    for day, hour, minute in ((24, 9, 2), (24, 12, 5), (25, 9, 1)):
        world.clock.set(datetime(2026, 11, day, hour, minute, tzinfo=UTC))
        fence = (await world.post(f"/callbacks/{registered.id}/claim"))["fence"]
        after = await world.post(f"/callbacks/{registered.id}/attempts", {"fence": fence, "outcome": "no_answer"})
    assert after["status"] == "unreachable"
    assert after["next"] == "ikke nådd, ringt x3: tir 10:02, tir 13:05, ons 10:01"
    reopened = await world.post(f"/callbacks/{registered.id}/reopen")
    assert reopened["status"] == "waiting"


async def test_callback_is_closed_with_a_reason_and_can_be_reopened(world: World) -> None:
    registered = await world.rings(1)
    fence = (await world.post(f"/callbacks/{registered.id}/claim"))["fence"]
    stolen = await world.as_("ola", "POST", f"/callbacks/{registered.id}/close", json={"reason": "other", "fence": 0})
    assert stolen.status_code == 409
    closed = await world.post(
        f"/callbacks/{registered.id}/close", {"reason": "reached", "fence": fence, "note": "time 3. desember"}
    )
    assert (closed["status"], closed["closed_reason"], closed["note"]) == ("closed", "reached", "time 3. desember")
    again = await world.as_("kari", "POST", f"/callbacks/{registered.id}/close", json={"reason": "other"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:innringing:problem:illegal-move")
    reopened = await world.post(f"/callbacks/{registered.id}/reopen")
    assert (reopened["status"], reopened["closed_reason"]) == ("waiting", None)


async def test_waiting_callback_is_closed_without_a_fence(world: World) -> None:
    registered = await world.rings(1)
    closed = await world.post(f"/callbacks/{registered.id}/close", {"reason": "duplicate"})
    assert (closed["status"], closed["closed_reason"]) == ("closed", "duplicate")


async def test_history_lists_every_transition_in_order(world: World) -> None:
    registered = await world.rings(1)
    fence = (await world.post(f"/callbacks/{registered.id}/claim"))["fence"]
    await world.post(f"/callbacks/{registered.id}/release", {"fence": fence})
    rows = (await world.get(f"/callbacks/{registered.id}/history"))["items"]
    moves = [(row["from_status"], row["to_status"], row["actor"]) for row in rows if row["to_status"]]
    assert moves[-2:] == [("waiting", "claimed", "kari"), ("claimed", "waiting", "kari")]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert all(RFC_3339_UTC.fullmatch(row["at"]) for row in rows)


async def test_pages_hold_every_callback_once(world: World) -> None:
    registered = [(await world.rings(n)).id for n in range(1, 8)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await world.get("/callbacks", params={"limit": 2, "status": "waiting", **cursor})
        seen += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert page["next_cursor"] is None
    assert seen == registered


async def test_note_with_quotes_and_control_characters_is_listed_unchanged(world: World) -> None:
    note = 'Prøvde «to» ganger\n\tog \u2028 "til" \\ </script> 😀'
    registered = await world.rings(1)
    answer = await world.as_(
        "kari", "PATCH", f"/callbacks/{registered.id}", json={"note": note}, headers={"If-Match": "*"}
    )
    assert answer.status_code == 200
    assert [item["note"] for item in (await world.get("/callbacks"))["items"]] == [note]


async def test_list_is_filtered_by_department_and_status(world: World) -> None:
    kirurgi, hjerte = await world.rings(1), await world.rings(2, department="hjerte")
    await world.post(f"/callbacks/{hjerte.id}/claim")

    async def ids(**query: str | list[str]) -> set[str]:
        return {item["id"] for item in (await world.get("/callbacks", params=query))["items"]}

    assert await ids() == {kirurgi.id, hjerte.id}
    assert await ids(department="hjerte") == {hjerte.id}
    assert await ids(status="claimed") == {hjerte.id}
    assert await ids(status=["claimed", "waiting"]) == {kirurgi.id, hjerte.id}
    assert await ids(department="kirurgi", status="claimed") == set()


@pytest.mark.parametrize("query", ["cursor=made-up", "limit=0", "limit=201", "limit=x", "status=lost", "status="])
async def test_list_refuses_unknown_filters(world: World, query: str) -> None:
    answer = await world.as_("kari", "GET", f"/callbacks?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_unknown_callback_is_not_found(world: World) -> None:
    for method, tail in (
        ("GET", ""),
        ("GET", "/history"),
        ("GET", "/patient"),
        ("POST", "/claim"),
        ("POST", "/reopen"),
    ):
        answer = await world.as_("kari", method, f"/callbacks/{uuid4()}{tail}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:innringing:problem:callback-not-found")


async def test_incomplete_calls_are_listed(world: World) -> None:
    await world.rings(1)
    hung_up = CallKey("node-1", "hung-up")
    await world.services.callbacks.registration.record_call(
        CALLER, hung_up, "kirurgi", phone=parse_phone("+4768050042"), step=IncompleteStep.IDENTITY
    )
    (call,) = (await world.get("/calls", params={"incomplete": "true", "department": "kirurgi"}))["items"]
    assert (call["phone"], call["step"], call["incomplete"]) == ("+4768050042", "identity", True)
    assert call["callback_id"] is None
    assert (await world.get("/calls", params={"incomplete": "true", "department": "hjerte"}))["items"] == []
    assert len((await world.get("/calls"))["items"]) == 2
