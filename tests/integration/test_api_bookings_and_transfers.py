"""Booking for a patient, transfer to another department, new promises; on both engines."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from desk.access.permissions import Role
from desk.numbers.phone_number import PhoneNumber
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, ids, open_world, refused

MOBILE = "+4740612345"
AFTER_CUTOFF = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


# --- booking


async def test_switchboard_books_a_callback_and_gets_the_promise(world: World) -> None:
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


async def test_booking_for_a_waiting_person_counts_on_their_callback(world: World) -> None:
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


async def test_refused_booking_gives_a_reason_and_hides_the_digits(world: World) -> None:
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


async def test_transfer_keeps_or_renews_the_promise_and_says_which(world: World) -> None:
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


async def test_transfer_cannot_keep_a_promise_that_has_passed(world: World) -> None:
    late = await world.rings(1)
    world.clock.advance(timedelta(days=1))
    sent = await world.post(f"/callbacks/{late.id}/transfer", {"department": "hjerte", "keep_promise": True})
    assert (sent["promise_kept"], sent["promise"]["spoken"]) == (False, "i dag klokken 10")


async def test_claimed_callback_is_transferred_by_its_agent_and_waits_there(world: World) -> None:
    id = (await world.rings(1)).id
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    body = {"department": "hjerte", "keep_promise": True}
    refused(await world.as_("ola", "POST", f"/callbacks/{id}/transfer", json=body), 409, "already-claimed")
    refused(await world.as_("kari", "POST", f"/callbacks/{id}/transfer", json=body), 409, "claim-lost")
    await world.token("liv", departments=["kirurgi"])  # a department outside one's own access can receive it
    sent = await world.post(f"/callbacks/{id}/transfer", {**body, "fence": fence})
    assert (sent["status"], sent["claimed_by"]) == ("waiting", None)
    (taken,) = (await world.post("/callbacks/claim", {"department": "hjerte"}, by="ola"))["items"]
    assert (taken["id"], taken["fence"]) == (id, fence + 1)


async def test_impossible_transfer_is_refused(world: World) -> None:
    there = await world.rings(1, department="hjerte")
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


# --- new promises


class FakeSms:
    """A gateway that accepts everything."""

    def __init__(self) -> None:
        self.out: list[tuple[str, str]] = []

    async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
        self.out.append((to.e164, text))
        return key


async def test_new_promise_is_kept_with_the_first_and_sent_by_sms(world: World) -> None:
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
    gateway = FakeSms()
    assert [await world.services.outbox.send_next(gateway) for _ in range(2)] == [True, False]
    ((to, told),) = gateway.out
    assert to == MOBILE
    assert "torsdag 26. november innen klokken 13" in told
    assert not any(word in told.lower() for word in ("kirurg", "poliklinikk", "sykehus"))


async def test_new_promise_by_the_rules_sends_no_text_to_a_landline(world: World) -> None:
    id = (await world.rings(1)).id
    world.clock.set(AFTER_CUTOFF)
    given = await world.post(f"/callbacks/{id}/promise", {})
    assert (given["promise"]["spoken"], given["sms_queued"]) == ("i morgen innen klokken 15", False)


@pytest.mark.parametrize("by", ["2026-11-24T07:00:00Z", "2026-11-28T12:00:00Z", "2027-03-01T12:00:00Z"])
async def test_new_promise_in_the_past_or_on_a_saturday_or_next_year_is_refused(world: World, by: str) -> None:
    id = (await world.rings(1)).id
    refused(await world.as_("kari", "POST", f"/callbacks/{id}/promise", json={"by": by}), 422, "promise-not-possible")


async def test_new_promise_for_another_agents_or_a_closed_callback_is_refused(world: World) -> None:
    id = (await world.rings(1)).id
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    refused(await world.as_("ola", "POST", f"/callbacks/{id}/promise", json={}), 409, "already-claimed")
    held = await world.post(f"/callbacks/{id}/promise", {"fence": fence})
    assert (held["status"], held["claimed_by"]) == ("claimed", "kari")
    await world.post(f"/callbacks/{id}/close", {"reason": "other", "fence": fence})
    refused(await world.as_("kari", "POST", f"/callbacks/{id}/promise", json={}), 409, "illegal-move")
