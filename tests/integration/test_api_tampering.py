"""Sealed columns changed in the database itself: each change is found and reported, and affects nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from desk.schema.tables import inquiries
from tests.support.web.api import World, open_world

c = inquiries.c
PEOPLE = 20


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as opened:
        yield opened


def changed(value: bytes, other: bytes, n: int) -> bytes:
    """The n-th of a hundred changes: bits anywhere, lengths, another key's version, another row's value."""
    place = n * 7 % len(value)
    return (
        value[:place] + bytes([value[place] ^ (1 << n % 8)]) + value[place + 1 :],
        value[: n % len(value)],
        value + bytes([n]),
        value[:1] + (2 + n).to_bytes(2, "big") + value[3:],
        other,
    )[n % 5]


async def test_hundred_changes_are_all_found(world: World) -> None:
    ids = [(await world.rings(n)).id for n in range(PEOPLE)]
    async with world.database.read() as connection:
        numbers = {
            row.id: bytes(row.patient_number) for row in await connection.execute(select(c.id, c.patient_number))
        }
    found = 0
    for n in range(0, 100, PEOPLE):
        async with world.database.begin() as connection:
            for k, id in enumerate(ids):
                mutant = changed(numbers[id], numbers[ids[k - 1]], n + k)
                assert mutant != numbers[id]
                await connection.execute(update(inquiries).where(c.id == id).values(patient_number=mutant))
        for id in ids:
            answer = await world.as_("kari", "GET", f"/callbacks/{id}/patient")
            assert answer.status_code == 500
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:innringing:problem:cannot-open"
            found += 1
        page = await world.get("/callbacks?department=kirurgi")
        assert [item["id"] for item in page["items"]] == ids
    assert found == 100
    claimed = await world.post("/callbacks/claim", {"department": "kirurgi", "limit": PEOPLE})
    assert len(claimed["items"]) == PEOPLE


async def test_one_changed_value_affects_no_other(world: World) -> None:
    broken, whole = (await world.rings(1)).id, (await world.rings(2)).id
    async with world.database.begin() as connection:
        await connection.execute(update(inquiries).where(c.id == broken).values(patient_number=b"\x02\x00\x01"))
    assert (await world.as_("kari", "GET", f"/callbacks/{broken}/patient")).status_code == 500
    assert (await world.get(f"/callbacks/{whole}/patient"))["number"]
    assert (await world.get(f"/callbacks/{broken}"))["patient"]["masked"]
