"""The agents' queue over REST: filters, pages, heartbeats, claims by round, counts. On both engines."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, amended, ids, open_world, refused

MOBILE = "+4740612345"
AFTER_CUTOFF = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


# --- the list


async def test_filters_narrow_the_list_alone_and_combined(world: World) -> None:
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


async def test_unreachable_callbacks_have_their_own_filter(world: World) -> None:
    away, there = (await world.rings(1, department="hjerte")).id, (await world.rings(2)).id
    for day, hour in ((24, 9), (24, 12), (25, 9)):
        world.clock.set(datetime(2026, 11, day, hour, 5, tzinfo=UTC))
        fence = (await world.post(f"/callbacks/{away}/claim"))["fence"]
        await world.post(f"/callbacks/{away}/attempts", {"fence": fence, "outcome": "no_answer"})
    assert await ids(world, unreachable="true") == [away]
    assert await ids(world, unreachable="false") == [there]
    assert await ids(world, unreachable="true", status="waiting") == []


async def test_next_page_continues_where_the_last_ended_despite_changes(world: World) -> None:
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


async def test_agent_sees_only_their_own_department(world: World) -> None:
    mine, other = (await world.rings(1)).id, (await world.rings(2, department="hjerte")).id
    await world.token("liv", departments=["kirurgi"])
    assert await ids(world, by="liv") == [mine]
    refused(
        await world.as_("liv", "GET", "/callbacks?department=kirurgi&department=hjerte"), 403, "department-not-allowed"
    )
    refused(
        await world.as_("liv", "PATCH", f"/callbacks/{other}", json={"note": "x"}, headers={"If-Match": "*"}),
        404,
        "callback-not-found",
    )


@pytest.mark.parametrize(
    "query",
    ["due_before=today", "due_before=2026-11-24", "priority=high", "language=se", "mine=x", "text=", "text=68 05 0"],
)
async def test_unknown_filter_is_refused(world: World, query: str) -> None:
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
async def test_far_away_times_are_accepted(world: World, moment: str) -> None:
    await ids(world, due_before=moment)


# --- claims


async def test_heartbeat_extends_the_lease_and_keeps_the_version(world: World) -> None:
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


async def test_round_is_claimed_by_its_time(world: World) -> None:
    ten = [(await world.rings(n, department="hjerte")).id for n in (1, 2, 3)]
    world.clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    one = await world.rings(4, department="hjerte")
    round_ = {"department": "hjerte", "limit": 50, "due_before": "2026-11-24T10:00:00+01:00"}
    assert [item["id"] for item in (await world.post("/callbacks/claim", round_))["items"]] == ten
    assert (await world.post("/callbacks/claim", round_))["items"] == []
    rest = await world.post("/callbacks/claim", {"department": "hjerte", "limit": 50})
    assert [item["id"] for item in rest["items"]] == [one.id]


async def test_answer_to_an_attempt_says_what_happens_next(world: World) -> None:
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


async def test_call_cut_off_after_closing_is_reopened_first_in_line(world: World) -> None:
    cut, other = (await world.rings(1)).id, (await world.rings(2)).id
    await world.post(f"/callbacks/{cut}/close", {"reason": "reached"})
    reopened = await world.post(f"/callbacks/{cut}/reopen", {"cut_off": True})
    assert (reopened["status"], reopened["priority"]) == ("waiting", "urgent")
    taken = await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 2})
    assert [item["id"] for item in taken["items"]] == [cut, other]


async def test_metrics_count_the_queue_from_the_database(world: World) -> None:
    for n in range(1, 6):
        await world.rings(n)
    await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 2})
    figures = (await world.client.get("/metrics")).text
    assert 'innringing_callbacks{department="kirurgi",status="waiting"} 3.0' in figures
    assert 'innringing_callbacks{department="kirurgi",status="claimed"} 2.0' in figures
    assert 'innringing_callbacks{department="hjerte",status="waiting"} 0.0' in figures


async def test_refused_method_lists_the_allowed_ones(world: World) -> None:
    for path, methods in (
        ("/callbacks", "GET, HEAD, POST"),
        (f"/callbacks/{(await world.rings(1)).id}", "GET, HEAD, PATCH"),
    ):
        answer = await world.as_("kari", "PUT", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
