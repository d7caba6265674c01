"""Filters, edits by version, repeated requests, booking, transfer, new promises, heartbeats: on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from desk.agents import Role
from desk.phone import PhoneNumber
from desk.sms import NotSent, Outbox
from tests.integration.api_world import World, open_world
from tests.synthetic import synthetic_identity

MOBILE = "+4740612345"
AFTER_CUTOFF = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)
URN = "urn:innringing:problem:"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def ids(world: World, by: str = "kari", **query: Any) -> list[str]:
    answer = await world.as_(by, "GET", "/callbacks", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def refused(answer: Any, status: int, id: str) -> None:
    assert (answer.status_code, answer.json()["type"]) == (status, URN + id), answer.text


# --- the list


async def test_every_filter_narrows_the_list_and_all_hold_together(world: World) -> None:
    plain, urgent, english = [(await world.rings(n)).id for n in (1, 2, 3)]
    heart = (await world.rings(4, department="hjerte")).id
    world.clock.set(AFTER_CUTOFF)
    tomorrow = (await world.rings(5)).id
    await amended(world, urgent, priority="urgent")
    await amended(world, plain, note="Ringer om 100 % sykmelding")
    await world.post(
        "/callbacks",
        {"department": "kirurgi", "phone": "68050003", "identity": synthetic_identity(3), "language": "en"},
        status=200,
    )
    await world.post(f"/callbacks/{heart}/claim", by="ola")
    assert await ids(world, department=["kirurgi", "hjerte"]) == [plain, urgent, english, heart, tomorrow]
    assert await ids(world, department="hjerte") == [heart]
    assert await ids(world, priority="urgent") == [urgent]
    assert await ids(world, language="en") == [english]
    assert await ids(world, due_before="2026-11-24T15:00:00+01:00") == [plain, urgent, english, heart]
    assert await ids(world, due_before="2026-11-24T13:59:59Z", department="kirurgi") == []
    assert await ids(world, mine="true") == []
    assert await ids(world, by="ola", mine="true") == [heart]
    assert await ids(world, text="RINGER om") == [plain]
    assert await ids(world, text="100 %") == [plain]
    assert await ids(world, text="%x") == []
    assert await ids(world, status=["waiting", "claimed"], priority="normal", department="kirurgi", text="om") == [
        plain
    ]


async def test_unreachable_is_a_filter_of_its_own(world: World) -> None:
    away, there = (await world.rings(1, department="hjerte")).id, (await world.rings(2)).id
    for day, hour in ((24, 9), (24, 12), (25, 9)):
        world.clock.set(datetime(2026, 11, day, hour, 5, tzinfo=UTC))
        fence = (await world.post(f"/callbacks/{away}/claim"))["fence"]
        await world.post(f"/callbacks/{away}/attempts", {"fence": fence, "outcome": "no_answer"})
    assert await ids(world, unreachable="true") == [away]
    assert await ids(world, unreachable="false") == [there]
    assert await ids(world, unreachable="true", status="waiting") == []


async def test_a_page_goes_on_where_it_ended_whatever_happens_between(world: World) -> None:
    rung = [(await world.rings(n, department="kirurgi" if n % 2 else "hjerte")).id for n in range(1, 10)]
    seen, cursor = [], None
    query = {"limit": 2, "department": ["kirurgi", "hjerte"], "status": ["waiting", "claimed"], "priority": "normal"}
    while True:
        page = await world.get("/callbacks", params={**query, **({"cursor": cursor} if cursor else {})})
        seen += [item["id"] for item in page["items"]]
        if len(seen) == 2:
            await world.rings(77)
            await world.post(f"/callbacks/{seen[0]}/close", {"reason": "other"})
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[:9] == rung
    assert len(seen) == len(set(seen)) == 10


async def test_an_agent_of_one_department_sees_only_it(world: World) -> None:
    mine, other = (await world.rings(1)).id, (await world.rings(2, department="hjerte")).id
    await world.token("liv", departments=["kirurgi"])
    assert await ids(world, by="liv") == [mine]
    refused(
        await world.as_("liv", "GET", "/callbacks?department=kirurgi&department=hjerte"), 403, "department-not-allowed"
    )
    refused(
        await world.as_("liv", "PATCH", f"/callbacks/{other}", json={"note": "x"}, headers={"If-Match": "*"}),
        403,
        "department-not-allowed",
    )


@pytest.mark.parametrize(
    "query",
    ["due_before=today", "due_before=2026-11-24", "priority=high", "language=se", "mine=x", "text=", "text=68 05 0"],
)
async def test_a_wish_it_does_not_understand_is_refused(world: World, query: str) -> None:
    refused(await world.as_("kari", "GET", f"/callbacks?{query}"), 422, "invalid-input")


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-12-31T23:59:60Z",
        "2026-11-24T10:00:00.123456789z",
    ],
)
async def test_no_time_is_too_far_off(world: World, moment: str) -> None:
    await ids(world, due_before=moment)


# --- edits


async def amended(world: World, id: str, **changes: Any) -> Any:
    etag = (await world.as_("kari", "GET", f"/callbacks/{id}")).headers["etag"]
    answer = await world.as_("kari", "PATCH", f"/callbacks/{id}", json=changes, headers={"If-Match": etag})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_edit_names_the_version_it_is_meant_for(world: World) -> None:
    id = (await world.rings(1)).id
    first = await world.as_("kari", "GET", f"/callbacks/{id}")
    version = first.json()["version"]
    assert first.headers["etag"] == f'"{version}"'
    refused(await world.as_("kari", "PATCH", f"/callbacks/{id}", json={"note": "a"}), 428, "version-needed")
    changed = await world.as_(
        "kari", "PATCH", f"/callbacks/{id}", json={"note": "a"}, headers={"If-Match": first.headers["etag"]}
    )
    assert (changed.status_code, changed.json()["note"], changed.json()["version"]) == (200, "a", version + 1)
    assert changed.headers["etag"] == f'"{version + 1}"'
    for stale in (f'"{version}"', f'W/"{version + 1}"', "x", '""', f'"{version}", "99"'):
        refused(
            await world.as_("ola", "PATCH", f"/callbacks/{id}", json={"note": "b"}, headers={"If-Match": stale}),
            412,
            "version-conflict",
        )
    for good in (f'"9", "{version + 1}"', "*"):
        assert (
            await world.as_("ola", "PATCH", f"/callbacks/{id}", json={"note": "a"}, headers={"If-Match": good})
        ).status_code == 200
    assert (await world.get(f"/callbacks/{id}"))["version"] == version + 1, "an edit that changes nothing is no version"


async def test_urgent_comes_first_and_what_is_left_out_stays(world: World) -> None:
    first, second = (await world.rings(1)).id, (await world.rings(2)).id
    assert (await amended(world, second, priority="urgent"))["note"] is None
    assert (await amended(world, second, note="sår"))["priority"] == "urgent"
    assert (await amended(world, second, note=None))["note"] is None
    taken = await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 2})
    assert [item["id"] for item in taken["items"]] == [second, first]
    rows = (await world.get(f"/callbacks/{second}/history"))["items"]
    assert [(row["actor"], row["details"]) for row in rows if row["event"] == "amended"] == [
        ("kari", {"note": False, "priority": "urgent"}),
        ("kari", {"note": True, "priority": None}),
        ("kari", {"note": True, "priority": None}),
    ]


@pytest.mark.parametrize(
    "body", [{}, {"priority": None}, {"priority": "high"}, {"status": "closed"}, {"note": "\x00"}, []]
)
async def test_an_edit_of_something_else_is_refused(world: World, body: Any) -> None:
    id = (await world.rings(1)).id
    refused(
        await world.as_("kari", "PATCH", f"/callbacks/{id}", json=body, headers={"If-Match": "*"}), 422, "invalid-input"
    )


# --- requests sent twice


async def test_the_same_request_with_the_same_key_is_done_once(world: World) -> None:
    id = (await world.rings(1)).id
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    body, key = {"fence": fence, "outcome": "dropped"}, {"Idempotency-Key": "attempt-1"}
    first = await world.as_("kari", "POST", f"/callbacks/{id}/attempts", json=body, headers=key)
    again = await world.as_("kari", "POST", f"/callbacks/{id}/attempts", json=body, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert (first.headers["etag"], "idempotency-replayed" in first.headers) == (again.headers["etag"], False)
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await world.get(f"/callbacks/{id}"))["attempts"]) == 1
    other = {**body, "outcome": "reached"}
    refused(
        await world.as_("kari", "POST", f"/callbacks/{id}/attempts", json=other, headers=key),
        409,
        "idempotency-key-used",
    )
    elsewhere = await world.as_("kari", "POST", f"/callbacks/{id}/close", json={"reason": "other"}, headers=key)
    refused(elsewhere, 409, "idempotency-key-used")


async def test_a_key_is_its_agents_own_and_lasts_a_day(world: World) -> None:
    for n in range(1, 5):
        await world.rings(n)
    body, key = {"department": "kirurgi"}, {"Idempotency-Key": "same"}

    async def claim(by: str) -> Any:
        answer = await world.as_(by, "POST", "/callbacks/claim", json=body, headers=key)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"][0]["id"]

    assert await claim("kari") == await claim("kari") != await claim("ola")
    before = await claim("kari")
    world.clock.advance(timedelta(hours=23, minutes=59))
    assert await claim("kari") == before
    world.clock.advance(timedelta(minutes=1))
    answer = await world.as_("kari", "POST", "/callbacks/claim", json=body, headers=key)
    assert "idempotency-replayed" not in answer.headers


async def test_a_refused_request_leaves_its_key_free_and_nothing_done(world: World) -> None:
    id = (await world.rings(1)).id
    key = {"Idempotency-Key": "k"}
    refused(
        await world.as_("kari", "POST", f"/callbacks/{id}/release", json={"fence": 9}, headers=key), 409, "claim-lost"
    )
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    answer = await world.as_("kari", "POST", f"/callbacks/{id}/release", json={"fence": fence}, headers=key)
    assert answer.json()["status"] == "waiting"


async def test_two_at_once_with_one_key_are_done_once(world: World) -> None:
    await world.token("kari")
    body = {"department": "kirurgi", "phone": "+4768050001", "note": "ringt sentralbordet"}
    answers = await asyncio.gather(
        *(world.as_("kari", "POST", "/callbacks", json=body, headers={"Idempotency-Key": "b"}) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    (stored,) = (await world.get("/callbacks"))["items"]
    assert (stored["call_count"], stored["note"]) == (1, "ringt sentralbordet")


async def test_what_is_kept_shows_no_number(world: World) -> None:
    number = synthetic_identity(5)
    body = {"department": "kirurgi", "phone": "+4768050005", "identity": number}
    await world.as_("kari", "POST", "/callbacks", json=body, headers={"Idempotency-Key": "b"})
    async with world.database.read() as connection:
        row = (await connection.execute(text("select * from answers"))).one()
    for digits in (number, "68050005"):
        assert not any(
            digits.encode() in (bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode()) for v in row
        )


@pytest.mark.parametrize("key", ["", "a b", "å", "x" * 201])
async def test_a_key_that_is_none_is_refused(world: World, key: str) -> None:
    answer = await world.as_(
        "kari", "POST", "/callbacks/claim", json={"department": "kirurgi"}, headers={"Idempotency-Key": key.encode()}
    )
    refused(answer, 422, "invalid-input")


# --- booking


async def test_the_switchboard_books_and_hears_the_promise(world: World) -> None:
    body = {
        "department": "hjerte",
        "phone": "68 05 00 09",
        "identity": synthetic_identity(9),
        "priority": "urgent",
        "note": "venter på svar",
    }
    booked = await world.post("/callbacks", body, status=201)
    assert (booked["created"], booked["status"], booked["priority"]) == (True, "waiting", "urgent")
    assert (booked["phone"], booked["note"]) == ("+4768050009", "venter på svar")
    assert booked["promise"]["spoken"] == "i dag klokken 10"
    assert booked["patient"]["masked"] == synthetic_identity(9)[:6] + "*****"
    (row,) = (await world.get(f"/callbacks/{booked['id']}/history"))["items"]
    assert (row["event"], row["actor"], row["details"]) == ("registered", "kari", {"source": "switchboard"})


async def test_booking_somebody_who_waits_already_adds_to_theirs(world: World) -> None:
    rung = await world.rings(3)
    again = await world.post(
        "/callbacks",
        {
            "department": "kirurgi",
            "phone": MOBILE,
            "identity": synthetic_identity(3),
            "priority": "urgent",
            "note": "ny tlf",
        },
        status=200,
    )
    assert (again["id"], again["created"], again["call_count"]) == (rung.id, False, 2)
    assert (again["phone"], again["priority"], again["note"]) == (MOBILE, "urgent", "ny tlf")


async def test_booking_is_refused_with_a_reason_and_without_the_digits(world: World) -> None:
    for wrong, id in (({"phone": "113"}, "invalid-phone"), ({"identity": "12345678901"}, "invalid-identity")):
        body = {"department": "kirurgi", "phone": "+4768050001", **wrong}
        answer = await world.as_("kari", "POST", "/callbacks", json=body)
        refused(answer, 422, id)
        assert not any(str(value) in answer.text for value in wrong.values())
    await world.token("liv", departments=["kirurgi"])
    refused(
        await world.as_("liv", "POST", "/callbacks", json={"department": "hjerte", "phone": "68050001"}),
        403,
        "department-not-allowed",
    )
    await world.token("leder", Role.LEADER)
    refused(
        await world.as_("leder", "POST", "/callbacks", json={"department": "hjerte", "phone": "68050001"}),
        403,
        "role-not-allowed",
    )
    assert await ids(world) == []


# --- transfer


async def test_transferred_with_its_promise_kept_or_made_anew_and_the_answer_says_which(world: World) -> None:
    kept_one, new_one = await world.rings(1), await world.rings(2)
    kept = await world.post(
        f"/callbacks/{kept_one.id}/transfer", {"department": "hjerte", "keep_promise": True, "note": "hjertet"}
    )
    assert (kept["department"], kept["promise_kept"], kept["status"]) == ("hjerte", True, "waiting")
    assert kept["promise"]["spoken"] == "i dag innen klokken 15"
    assert kept["note"] == "hjertet"
    new = await world.post(f"/callbacks/{new_one.id}/transfer", {"department": "hjerte", "keep_promise": False})
    assert (new["promise_kept"], new["promise"]["spoken"]) == (False, "i dag klokken 10")
    rows = [
        row
        for row in (await world.get(f"/callbacks/{new_one.id}/history"))["items"]
        if row["event"].startswith("transferred")
    ]
    assert [(row["event"], row["details"]) for row in rows] == [
        ("transferred_out", {"to": "hjerte", "promise": "recomputed"}),
        ("transferred_in", {"from": "kirurgi", "promise": "recomputed"}),
    ]
    async with world.database.read() as connection:
        told = await connection.execute(
            text("select department, event from history where event like 'transferred%' order by id")
        )
        assert [row.department for row in told] == ["kirurgi", "hjerte"] * 2
    assert await ids(world, department="hjerte") == [kept_one.id, new_one.id]


async def test_a_promise_that_has_passed_cannot_be_kept(world: World) -> None:
    late = await world.rings(1)
    world.clock.advance(timedelta(days=1))
    sent = await world.post(f"/callbacks/{late.id}/transfer", {"department": "hjerte", "keep_promise": True})
    assert (sent["promise_kept"], sent["promise"]["spoken"]) == (False, "i dag klokken 10")


async def test_a_claimed_one_is_transferred_by_its_claimer_and_waits_there(world: World) -> None:
    id = (await world.rings(1)).id
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    body = {"department": "hjerte", "keep_promise": True}
    refused(await world.as_("ola", "POST", f"/callbacks/{id}/transfer", json=body), 409, "already-claimed")
    refused(await world.as_("kari", "POST", f"/callbacks/{id}/transfer", json=body), 409, "claim-lost")
    await world.token("liv", departments=["kirurgi"])  # a department that isn't one's own takes it too
    sent = await world.post(f"/callbacks/{id}/transfer", {**body, "fence": fence})
    assert (sent["status"], sent["claimed_by"]) == ("waiting", None)
    (taken,) = (await world.post("/callbacks/claim", {"department": "hjerte"}, by="ola"))["items"]
    assert (taken["id"], taken["fence"]) == (id, fence + 1)


async def test_where_it_cannot_go(world: World) -> None:
    here, there = await world.rings(1), await world.rings(1, department="hjerte")
    phone_only = await world.rings(6, with_identity=False)
    await world.rings(6, department="hjerte", with_identity=False)
    for id in (here.id, phone_only.id):
        refused(
            await world.as_(
                "kari", "POST", f"/callbacks/{id}/transfer", json={"department": "hjerte", "keep_promise": True}
            ),
            409,
            "already-open-there",
        )
    refused(
        await world.as_(
            "kari", "POST", f"/callbacks/{there.id}/transfer", json={"department": "hjerte", "keep_promise": True}
        ),
        409,
        "illegal-move",
    )
    refused(
        await world.as_(
            "kari", "POST", f"/callbacks/{there.id}/transfer", json={"department": "nevro", "keep_promise": True}
        ),
        404,
        "department-not-found",
    )
    await world.post(f"/callbacks/{there.id}/close", {"reason": "duplicate"})
    refused(
        await world.as_(
            "kari", "POST", f"/callbacks/{there.id}/transfer", json={"department": "kirurgi", "keep_promise": True}
        ),
        409,
        "illegal-move",
    )
    assert (await world.post(f"/callbacks/{here.id}/transfer", {"department": "hjerte", "keep_promise": True}))[
        "department"
    ] == "hjerte"


# --- claims


async def test_a_heartbeat_keeps_the_lease_and_the_version(world: World) -> None:
    id = (await world.rings(1)).id
    claimed = await world.post(f"/callbacks/{id}/claim")
    world.clock.advance(timedelta(minutes=14))
    held = await world.post(f"/callbacks/{id}/extend", {"fence": claimed["fence"]})
    assert datetime.fromisoformat(held["lease_until"]) == world.clock.now() + timedelta(minutes=15)
    assert (held["version"], held["fence"]) == (claimed["version"], claimed["fence"])
    world.clock.advance(timedelta(minutes=14))
    refused(await world.as_("ola", "POST", f"/callbacks/{id}/claim"), 409, "already-claimed")
    world.clock.advance(timedelta(minutes=1))
    await world.post(f"/callbacks/{id}/claim", by="ola")
    refused(
        await world.as_("kari", "POST", f"/callbacks/{id}/extend", json={"fence": claimed["fence"]}), 409, "claim-lost"
    )


async def test_a_round_is_claimed_by_its_time(world: World) -> None:
    ten = [(await world.rings(n, department="hjerte")).id for n in (1, 2, 3)]
    world.clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    one = await world.rings(4, department="hjerte")
    round_ = {"department": "hjerte", "limit": 50, "due_before": "2026-11-24T10:00:00+01:00"}
    assert [item["id"] for item in (await world.post("/callbacks/claim", round_))["items"]] == ten
    assert (await world.post("/callbacks/claim", round_))["items"] == []
    rest = await world.post("/callbacks/claim", {"department": "hjerte", "limit": 50})
    assert [item["id"] for item in rest["items"]] == [one.id]


async def test_what_happens_next_is_in_every_answer_to_an_attempt(world: World) -> None:
    async def attempt(id: str, outcome: str) -> str:
        fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
        return str((await world.post(f"/callbacks/{id}/attempts", {"fence": fence, "outcome": outcome}))["next"])

    early = (await world.rings(1, department="hjerte")).id
    assert await attempt(early, "busy") == "ringes igjen i dag klokken 10 (dette forsøket teller ikke)"
    other = (await world.rings(2)).id
    assert await attempt(other, "dropped") == "brutt: først i køen, ring opp igjen nå"
    assert (await world.get(f"/callbacks/{other}"))["priority"] == "urgent"
    assert await attempt(other, "voicemail") == "ringes igjen i dag innen klokken 15"
    assert await attempt(other, "wrong_number") == "avsluttet: feil nummer"
    assert await attempt(early, "reached") == "avsluttet: nådd"


async def test_a_call_cut_off_after_it_was_closed_is_reopened_first_in_line(world: World) -> None:
    cut, other = (await world.rings(1)).id, (await world.rings(2)).id
    await world.post(f"/callbacks/{cut}/close", {"reason": "reached"})
    reopened = await world.post(f"/callbacks/{cut}/reopen", {"cut_off": True})
    assert (reopened["status"], reopened["priority"]) == ("waiting", "urgent")
    taken = await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 2})
    assert [item["id"] for item in taken["items"]] == [cut, other]


# --- new promises


class FakeSms:
    def __init__(self) -> None:
        self.out: list[tuple[str, str]] = []
        self.broken = False

    async def send(self, to: PhoneNumber, text: str) -> None:
        if self.broken:
            raise NotSent
        self.out.append((to.e164, text))


async def test_a_new_promise_stands_beside_the_first_and_is_told_by_sms(world: World) -> None:
    booked = await world.post("/callbacks", {"department": "kirurgi", "phone": MOBILE}, status=201)
    given = await world.post(f"/callbacks/{booked['id']}/promise", {"by": "2026-11-26T13:00:00+01:00"})
    assert (given["promise"]["spoken"], given["sms_queued"]) == ("torsdag innen klokken 13", True)
    assert given["promise"]["from"] == "2026-11-26T07:00:00Z"
    assert (await world.post("/callbacks/claim", {"department": "kirurgi"}))["items"] == [], "not before it begins"
    async with world.database.read() as connection:
        kept = await connection.execute(text("select promise_spoken, reason from promises order by id"))
        assert [tuple(row) for row in kept] == [
            ("i dag innen klokken 15", "registered"),
            ("torsdag innen klokken 13", "by_agent"),
        ]
    gateway, outbox = FakeSms(), Outbox(database=world.database, clock=world.clock)
    gateway.broken = True
    with pytest.raises(NotSent):
        await outbox.send_next(gateway)
    gateway.broken = False
    assert [await outbox.send_next(gateway) for _ in range(2)] == [True, False]
    ((to, told),) = gateway.out
    assert to == MOBILE
    assert "torsdag innen klokken 13" in told
    assert not any(word in told.lower() for word in ("kirurg", "poliklinikk", "sykehus"))


async def test_by_the_rules_without_a_text_to_a_landline(world: World) -> None:
    id = (await world.rings(1)).id
    world.clock.set(AFTER_CUTOFF)
    given = await world.post(f"/callbacks/{id}/promise", {})
    assert (given["promise"]["spoken"], given["sms_queued"]) == ("i morgen innen klokken 15", False)


@pytest.mark.parametrize("by", ["2026-11-24T07:00:00Z", "2026-11-28T12:00:00Z", "2027-03-01T12:00:00Z"])
async def test_a_promise_in_the_past_on_a_saturday_or_next_year_is_none(world: World, by: str) -> None:
    id = (await world.rings(1)).id
    refused(await world.as_("kari", "POST", f"/callbacks/{id}/promise", json={"by": by}), 422, "promise-not-possible")


async def test_who_may_promise_anew(world: World) -> None:
    id = (await world.rings(1)).id
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    refused(await world.as_("ola", "POST", f"/callbacks/{id}/promise", json={}), 409, "already-claimed")
    held = await world.post(f"/callbacks/{id}/promise", {"fence": fence})
    assert (held["status"], held["claimed_by"]) == ("claimed", "kari")
    await world.post(f"/callbacks/{id}/close", {"reason": "other", "fence": fence})
    refused(await world.as_("kari", "POST", f"/callbacks/{id}/promise", json={}), 409, "illegal-move")


async def test_the_queue_is_counted_in_the_database(world: World) -> None:
    for n in range(1, 6):
        await world.rings(n)
    await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 2})
    figures = (await world.client.get("/metrics")).text
    assert 'innringing_callbacks{department="kirurgi",status="waiting"} 3.0' in figures
    assert 'innringing_callbacks{department="kirurgi",status="claimed"} 2.0' in figures
    assert 'innringing_callbacks{department="hjerte",status="waiting"} 0.0' in figures


async def test_a_refused_method_names_all_that_are_taken(world: World) -> None:
    for path, methods in (("/callbacks", "GET, POST"), (f"/callbacks/{(await world.rings(1)).id}", "GET, PATCH")):
        answer = await world.as_("kari", "PUT", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
