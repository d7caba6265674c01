"""Edits by version, and repeated requests; on both engines."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, amended, open_world, refused

MOBILE = "+4740612345"
AFTER_CUTOFF = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


# --- edits


async def test_edit_must_name_the_current_version(world: World) -> None:
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


async def test_urgent_comes_first_and_omitted_fields_stay(world: World) -> None:
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
async def test_edit_of_another_field_is_refused(world: World, body: Any) -> None:
    id = (await world.rings(1)).id
    refused(
        await world.as_("kari", "PATCH", f"/callbacks/{id}", json=body, headers={"If-Match": "*"}), 422, "invalid-input"
    )


async def test_callbacks_are_sorted_and_listed_by_topic(world: World) -> None:
    ids = [(await world.rings(n)).id for n in (1, 2)]
    answer = await world.as_("kari", "POST", "/callbacks/sort", json={"ids": ids, "topic": "resept"})
    assert [each["topic"] for each in answer.json()["items"]] == ["resept", "resept"]
    answer = await world.as_("kari", "PATCH", f"/callbacks/{ids[0]}", json={"topic": None}, headers={"If-Match": "*"})
    assert answer.json()["topic"] is None
    assert [each["id"] for each in (await world.get("/callbacks?topic=resept"))["items"]] == [ids[1]]
    assert [each["id"] for each in (await world.get("/callbacks?topic="))["items"]] == [ids[0]]
    unknown = await world.as_("kari", "POST", "/callbacks/sort", json={"ids": ids, "topic": "parkering"})
    refused(unknown, 422, "unknown-topic")


# --- repeated requests


async def test_repeated_request_with_the_same_key_is_executed_once(world: World) -> None:
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


async def test_key_belongs_to_its_agent_and_lasts_a_day(world: World) -> None:
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


async def test_refused_request_leaves_its_key_unused_and_changes_nothing(world: World) -> None:
    id = (await world.rings(1)).id
    key = {"Idempotency-Key": "k"}
    refused(
        await world.as_("kari", "POST", f"/callbacks/{id}/release", json={"fence": 9}, headers=key), 409, "claim-lost"
    )
    fence = (await world.post(f"/callbacks/{id}/claim"))["fence"]
    answer = await world.as_("kari", "POST", f"/callbacks/{id}/release", json={"fence": fence}, headers=key)
    assert answer.json()["status"] == "waiting"


async def test_two_simultaneous_requests_with_one_key_are_executed_once(world: World) -> None:
    await world.token("kari")
    body = {"department": "kirurgi", "phone": "+4768050001", "note": "ringt sentralbordet"}
    answers = await asyncio.gather(
        *(world.as_("kari", "POST", "/callbacks", json=body, headers={"Idempotency-Key": "b"}) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    (stored,) = (await world.get("/callbacks"))["items"]
    assert (stored["call_count"], stored["note"]) == (1, "ringt sentralbordet")


async def test_stored_answer_shows_no_number(world: World) -> None:
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
async def test_invalid_key_is_refused(world: World, key: str) -> None:
    answer = await world.as_(
        "kari", "POST", "/callbacks/claim", json={"department": "kirurgi"}, headers={"Idempotency-Key": key.encode()}
    )
    refused(answer, 422, "invalid-input")
