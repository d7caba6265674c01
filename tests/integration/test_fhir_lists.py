"""Lists at the FHIR door: pages, times and statuses, on both engines."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from api.fhir.search import span
from tests.support.fhir.door import fhir, ids, of_patient, read
from tests.support.web.api import World, open_world

BASE = "http://api.test/fhir"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def test_pages_follow_each_other_and_keep_the_search(world: World) -> None:
    callbacks = [await world.rings(n) for n in range(1, 6)]
    await world.rings(6, department="hjerte")
    found: list[str] = []
    address = "/Task?_count=2&owner:identifier=urn:innringing:department|kirurgi&status=requested"
    for _ in range(3):
        page = await read(world, address)
        links = {each["relation"]: each["url"] for each in page["link"]}
        assert links["self"].startswith(f"{BASE}/Task?")
        found += ids(page)
        if "next" in links:
            address = links["next"].removeprefix(BASE)
    assert found == [each.id for each in callbacks]
    assert "next" not in links
    assert [each["fullUrl"] for each in page["entry"]] == [f"{BASE}/Task/{callbacks[4].id}"]


async def test_statuses_of_fhir_find_the_callbacks_that_have_them(world: World) -> None:
    waiting, held, reached, cancelled, wrong = [await world.rings(n) for n in range(1, 6)]
    await world.post(f"/callbacks/{held.id}/claim")
    for callback, reason in ((reached, "reached"), (cancelled, "duplicate"), (wrong, "wrong_number")):
        await world.post(f"/callbacks/{callback.id}/close", {"reason": reason})
    for status, expected in {
        "requested": [waiting],
        "in-progress": [held],
        "completed": [reached],
        "cancelled": [cancelled],
        "failed": [wrong],
        "on-hold": [],
        "requested,in-progress,on-hold": [waiting, held],
        "requested,failed": [waiting, wrong],
    }.items():
        page = await read(world, "/Task", params={"status": status})
        assert ids(page) == [each.id for each in expected], status
        assert {each["resource"]["status"] for each in page.get("entry", ())} <= {*status.split(",")}


async def test_changes_are_found_by_their_time(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    world.clock.advance(timedelta(hours=1))
    at = world.clock.now().isoformat(timespec="seconds")
    await world.post(f"/callbacks/{first.id}/claim")
    world.clock.advance(timedelta(hours=1))
    await read(world, f"/Task/{second.id}")  # reading is no change
    for name in ("_lastUpdated", "modified"):
        for written, expected in (
            (f"ge{at}", [first]),
            (f"gt{at}", []),
            (f"lt{at}", [second]),
            (f"le{at}", [first, second]),
        ):
            assert ids(await read(world, "/Task", params={name: written})) == [each.id for each in expected], written
    both = {"_lastUpdated": [f"ge{at}", "lt2026-11-25"]}
    assert ids(await read(world, "/Task", params=both)) == [first.id]
    assert (await of_patient(world, 1, _lastUpdated=f"gt{at}")).json()["total"] == 0
    assert (await of_patient(world, 1, status="in-progress", owner="kirurgi")).json()["total"] == 1


async def test_search_for_a_patient_shows_open_callbacks_first_and_no_number_in_its_links(world: World) -> None:
    closed, open_one = await world.rings(1), await world.rings(1, department="hjerte")
    await world.post(f"/callbacks/{closed.id}/close", {"reason": "reached"})
    bundle = (await of_patient(world, 1, _count="1")).json()
    assert (ids(bundle), bundle["total"]) == ([open_one.id], 2)
    assert [each["url"] for each in bundle["link"]] == [f"{BASE}/Task?_count=1"]
    assert (await of_patient(world, 1, _cursor="x")).status_code == 400


async def test_form_without_a_patient_is_the_list(world: World) -> None:
    callbacks = [await world.rings(n) for n in (1, 2)]
    answer = await fhir(world, "/Task/_search", "POST", data={"_count": "1"})
    following = answer.json()["link"][1]["url"].removeprefix(BASE)
    assert ids(answer.json()) + ids(await read(world, following)) == [each.id for each in callbacks]


@pytest.mark.parametrize(
    ("written", "first", "before"),
    [
        ("ge2026-11-30", "2026-11-29T23:00:00+00:00", None),
        ("gt2026-11-30", "2026-11-30T23:00:00+00:00", None),
        ("le2026-10-25", None, "2026-10-25T23:00:00+00:00"),
        ("lt2026-11-30T08:00:00Z", None, "2026-11-30T08:00:00+00:00"),
        ("le2026-11-30T08:00:00+01:00", None, "2026-11-30T07:00:01+00:00"),
        ("gt2026-11-30T08:00:00.5Z", "2026-11-30T08:00:00.500001+00:00", None),
    ],
)
def test_range_of_times(written: str, first: str | None, before: str | None) -> None:
    expected = tuple(datetime.fromisoformat(each) if each else None for each in (first, before))
    assert span(written) == expected
