"""The ledger of promises, warnings and the Monday view over REST; on both engines."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from api.web.background import repeating
from desk.callbacks.model import Callback
from desk.database.errors import StorageUnavailable
from desk.ledger.ledger import Ledger
from tests.support.web.api import DEPARTMENTS, World, open_world

MINUTE = timedelta(minutes=1)


def oslo(day: int, hour: int, minute: int = 0) -> datetime:
    """A time on this day of November 2026, in winter time."""
    return datetime(2026, 11, day, hour - 1, minute, tzinfo=UTC)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def tries(world: World, callback: Callback, outcome: str, by: str = "kari") -> Any:
    fence = (await world.post(f"/callbacks/{callback.id}/claim", by=by))["fence"]
    return await world.post(f"/callbacks/{callback.id}/attempts", {"fence": fence, "outcome": outcome}, by=by)


async def ledger(world: World, department: str, **query: Any) -> Any:
    return await world.get(f"/departments/{department}/promises", params=query)


async def test_every_promise_is_a_row_with_its_own_verdict(world: World) -> None:
    kept, broken, cancelled, waits = [await world.rings(n) for n in (1, 2, 3, 4)]
    await tries(world, kept, "reached")
    await world.post(f"/callbacks/{cancelled.id}/close", {"reason": "cancelled_by_caller"})
    world.clock.set(oslo(24, 14, 30))
    tomorrow = await world.rings(5)
    world.clock.set(oslo(24, 15, 1))
    await tries(world, broken, "reached")
    told = await ledger(world, "kirurgi")
    states = {item["callback_id"]: item["state"] for item in told["items"]}
    assert states == {
        kept.id: "kept",
        broken.id: "broken",
        cancelled.id: "withdrawn",
        waits.id: "broken",
        tomorrow.id: "open",
    }
    assert told["counts"] == {"kept": 1, "broken": 2, "at_risk": 0, "open": 1, "withdrawn": 1}
    assert told["kept_percent"] == 33.3
    assert told["outlook"]["agents_on_duty"] == 1
    assert [item["callback_id"] for item in (await ledger(world, "kirurgi", state=["kept", "open"]))["items"]] == [
        kept.id,
        tomorrow.id,
    ]
    assert (await ledger(world, "hjerte"))["kept_percent"] is None


async def test_promise_of_a_round_can_be_kept_until_the_round_ends(world: World) -> None:
    early, late = await world.rings(1, department="hjerte"), await world.rings(2, department="hjerte")
    world.clock.set(oslo(24, 9, 30))
    await tries(world, early, "no_answer")  # before the round: neither counts nor keeps the promise
    world.clock.set(oslo(24, 11))
    await tries(world, early, "no_answer")
    world.clock.set(oslo(24, 11, 0) + timedelta(seconds=1))
    await tries(world, late, "no_answer")
    items = (await ledger(world, "hjerte"))["items"]
    first = {item["callback_id"]: item for item in items if item["spoken"] == "i dag klokken 10"}
    assert (first[early.id]["state"], first[late.id]["state"]) == ("kept", "broken")
    assert first[early.id]["due"] == "2026-11-24T10:00:00Z"
    assert first[early.id]["kept_at"] == "2026-11-24T10:00:00Z"
    assert [item["reason"] for item in items if item["callback_id"] == early.id] == ["registered", "attempt"]


async def test_new_promise_does_not_hide_the_first(world: World) -> None:
    callback = await world.rings(1)
    await world.post(f"/callbacks/{callback.id}/promise", {"by": oslo(25, 12).isoformat()})
    world.clock.set(oslo(25, 11))
    await tries(world, callback, "reached")
    items = (await world.get(f"/callbacks/{callback.id}/promises"))["items"]
    assert [(item["spoken"], item["reason"], item["state"]) for item in items] == [
        ("i dag innen klokken 15", "registered", "broken"),
        ("i morgen innen klokken 12", "by_agent", "kept"),
    ]


async def test_promise_kept_through_a_transfer_is_in_both_ledgers(world: World) -> None:
    callback = await world.rings(1)
    await world.post(f"/callbacks/{callback.id}/transfer", {"department": "hjerte", "keep_promise": True})
    world.clock.advance(MINUTE)
    await tries(world, callback, "reached")
    for department, reason in (("kirurgi", "registered"), ("hjerte", "transferred")):
        (item,) = (await ledger(world, department))["items"]
        assert (item["state"], item["reason"], item["department"]) == ("kept", reason, department)


async def test_ledger_is_paged(world: World) -> None:
    rung = [(await world.rings(n)).id for n in range(1, 6)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ledger(world, "kirurgi", limit=2, state="open", **cursor)
        seen += [item["callback_id"] for item in page["items"]]
        assert page["counts"]["open"] == 5
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == rung
    answer = await world.as_("kari", "GET", "/departments/kirurgi/promises?cursor=x")
    assert answer.json()["type"] == "urn:innringing:problem:bad-cursor"


async def test_leaders_are_warned_once_before_a_promise_breaks(world: World) -> None:
    world.clock.set(oslo(24, 13))
    callbacks = [await world.rings(n) for n in range(1, 31)]
    await world.post(f"/callbacks/{callbacks[0].id}/claim")
    # 30 in line, one agent, 5 minutes each from 13:00:30: the 22nd is called at 14:45:30, within 15 minutes of 15:00
    late = [callback.id for callback in callbacks[21:]]
    listed = (await world.get("/callbacks", params={"at_risk": "true", "limit": 200}))["items"]
    assert [item["id"] for item in listed] == late
    rest = (await world.get("/callbacks", params={"at_risk": "false", "limit": 200}))["items"]
    assert [item["id"] for item in rest] == [callback.id for callback in callbacks[:21]]
    with structlog.testing.capture_logs() as logs:
        assert await world.services.ledger.warn() == 9
        assert await world.services.ledger.warn() == 0
    assert [(line["event"], line["log_level"], line["callback"]) for line in logs] == [
        ("A promise is at risk", "warning", id) for id in late
    ]
    warned = await world.get("/departments/kirurgi/warnings", params={"limit": 5})
    more = await world.get("/departments/kirurgi/warnings", params={"cursor": warned["next_cursor"]})
    assert [item["callback_id"] for item in (*warned["items"], *more["items"])] == late
    assert more["next_cursor"] is None
    assert warned["items"][0]["due"] == "2026-11-24T14:00:00Z"
    events = [row["event"] for row in (await world.get(f"/callbacks/{late[0]}/history"))["items"]]
    assert events == ["registered", "promise_at_risk"]
    told = await ledger(world, "kirurgi", state="at_risk")
    assert [item["callback_id"] for item in told["items"]] == late
    assert told["items"][0]["predicted_at"] == warned["items"][0]["predicted_at"]
    world.clock.set(oslo(24, 15, 1))
    assert (await ledger(world, "kirurgi"))["counts"]["broken"] == 30
    assert (await world.get("/departments/hjerte/warnings"))["items"] == []


async def test_more_agents_remove_the_risk(world: World) -> None:
    world.clock.set(oslo(24, 13))
    callbacks = [await world.rings(n) for n in range(1, 31)]
    for callback, agent in zip(callbacks, ("kari", "ola", "liv"), strict=False):
        await world.post(f"/callbacks/{callback.id}/claim", by=agent)
    told = await ledger(world, "kirurgi")
    assert (told["outlook"]["agents_on_duty"], told["counts"]["at_risk"]) == (3, 0)


async def test_leader_is_warned_an_hour_ahead_with_no_one_on_duty(world: World) -> None:
    await world.rings(1)
    world.clock.set(oslo(24, 13, 59))
    assert await world.services.ledger.warn() == 0
    world.clock.set(oslo(24, 14, 1))
    assert await world.services.ledger.warn() == 1
    (warning,) = (await world.get("/departments/kirurgi/warnings"))["items"]
    assert warning["predicted_at"] is None


async def test_several_processes_give_one_warning(world: World) -> None:
    await world.rings(1)
    world.clock.set(oslo(24, 14, 30))
    watchers = [
        Ledger(database=world.database, departments=lambda: DEPARTMENTS, clock=world.clock, lease=15 * MINUTE)
        for _ in range(5)
    ]
    assert sum(await asyncio.gather(*(watcher.warn() for watcher in watchers))) == 1


async def test_monday_view_summarises_the_morning(world: World) -> None:
    world.clock.set(oslo(27, 16))  # Friday
    friday = await world.rings(1)
    world.clock.set(oslo(28, 12))
    for n in range(2, 12):
        await world.rings(n, with_identity=n % 2 == 0)
    urgent = await world.post(
        "/callbacks",
        {"department": "kirurgi", "phone": "68050099", "priority": "urgent", "note": "væsker"},
        status=201,
    )
    world.clock.set(oslo(30, 8))
    seen = await world.get("/departments/kirurgi/intake", params={"since": oslo(27, 15).isoformat()})
    assert (seen["waiting"], seen["oldest"]) == (12, friday.created_at.isoformat().replace("+00:00", "Z"))
    kinds = [(group["priority"], group["identified"], group["with_note"], group["waiting"]) for group in seen["groups"]]
    assert kinds == [("urgent", False, True, 1), ("normal", True, False, 6), ("normal", False, False, 5)]
    assert seen["groups"][0]["oldest"] == urgent["created_at"]
    assert seen["deadlines"] == [{"by": "2026-11-30T14:00:00Z", "waiting": 12, "at_risk": 0}]
    assert seen["outlook"] == {
        "in_line": 12,
        "agents_on_duty": 0,
        "handling_seconds": 300,
        "clear_at": "2026-11-30T08:00:00Z",
    }
    later = await world.get("/departments/kirurgi/intake", params={"since": oslo(28, 1).isoformat()})
    assert later["waiting"] == 11
    assert (await world.get("/departments/hjerte/intake"))["oldest"] is None


@pytest.mark.parametrize("what", ["promises", "warnings", "intake"])
async def test_ledger_shows_only_ones_own_departments(world: World, what: str) -> None:
    await world.token("liv", departments=["hjerte"])
    assert (await world.as_("liv", "GET", f"/departments/kirurgi/{what}")).status_code == 403
    assert (await world.as_("kari", "GET", f"/departments/nevro/{what}")).status_code == 404
    assert (await world.as_("liv", "GET", f"/departments/hjerte/{what}")).status_code == 200


class FailingLedger:
    """Fails twice, in two ways, and then records that it was called a third time."""

    def __init__(self) -> None:
        self.faults: list[Exception] = [StorageUnavailable(), ValueError("ours")]
        self.asked_again = asyncio.Event()

    async def warn(self) -> int:
        if self.faults:
            raise self.faults.pop()
        self.asked_again.set()
        return 0


async def test_watch_continues_after_failures() -> None:
    ledger = FailingLedger()
    async with repeating(ledger.warn, not_done="promises not watched", every=0.001):
        await asyncio.wait_for(ledger.asked_again.wait(), 20)
