"""A transfer shows nothing of the other department, is seen by both, and is no way out of emergency access."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.history.feed import Changes
from desk.history.model import Change
from tests.support.desk.audit import everything
from tests.support.web.api import World, open_world, refused


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """kari works in kirurgi, ole in hjerte, alle in both; there is an auditor of each."""
    async with open_world(migrated_url, tmp_path, transfers_a_day=3) as world:
        await world.token("kari", Role.AGENT, ["kirurgi"])
        await world.token("ole", Role.AGENT, ["hjerte"])
        await world.token("alle", Role.AGENT, ["kirurgi", "hjerte"])
        await world.token("revisor-k", Role.AUDITOR, ["kirurgi"])
        await world.token("revisor-h", Role.AUDITOR, ["hjerte"])
        yield world


async def send(world: World, id: str, by: str = "kari", to: str = "hjerte", **more: Any) -> Any:
    return await world.as_(
        by, "POST", f"/callbacks/{id}/transfer", json={"department": to, "keep_promise": True, **more}
    )


async def changes_of(world: World, department: str) -> list[Change]:
    changes = await Changes(database=world.database, clock=world.clock).between(SYSTEM, 0, 10**6)
    return [each for each in changes if each.department == department]


async def transfers_seen(world: World, by: str, **query: Any) -> list[tuple[str, str, list[str]]]:
    answer = await world.as_(by, "GET", "/audit", params={"action": "transfer", **query})
    assert answer.status_code == 200, answer.text
    return [(row["outcome"], row["department"], row["callbacks"]) for row in answer.json()["items"]]


async def test_both_departments_see_the_audit_row_of_a_transfer(world: World) -> None:
    id = (await world.rings(1)).id
    assert (await send(world, id)).status_code == 200
    for auditor in ("revisor-k", "revisor-h"):
        assert await transfers_seen(world, auditor) == [("done", "hjerte", [id])]
        assert await transfers_seen(world, auditor, callback=id) == [("done", "hjerte", [id])]
    assert await transfers_seen(world, "revisor-k", department="kirurgi") == [("done", "hjerte", [id])]
    (row,) = [row for row in await everything(world.database) if row.action == "transfer"]
    assert {(each.callback_id, each.department) for each in row.seen} == {(id, "kirurgi"), (id, "hjerte")}


async def test_refused_transfer_is_seen_in_the_department_it_names(world: World) -> None:
    id = (await world.rings(1)).id
    assert (await world.as_("alle", "POST", f"/callbacks/{id}/claim")).status_code == 200
    refused(await send(world, id), 409, "already-claimed")
    assert await transfers_seen(world, "revisor-h") == [("refused", "hjerte", [])]
    assert await transfers_seen(world, "revisor-k") == [("refused", "hjerte", [id])]


async def test_emergency_access_moves_no_callback_out(world: World) -> None:
    id = (await world.rings(1, department="hjerte")).id
    body = {"department": "hjerte", "reason": "Hjerte har ingen på vakt i dag", "minutes": 1}
    assert (await world.as_("kari", "POST", "/emergency-access", json=body)).status_code == 201
    assert (await world.as_("kari", "GET", f"/callbacks/{id}")).status_code == 200
    refused(await send(world, id, to="kirurgi"), 403, "not-by-emergency-access")
    world.clock.advance(timedelta(minutes=2))
    refused(await world.as_("kari", "GET", f"/callbacks/{id}"), 404, "callback-not-found")
    assert (await send(world, id, "ole", to="kirurgi")).status_code == 200


@pytest.mark.parametrize("with_identity", [True, False])
async def test_transfer_does_not_show_who_waits_in_another_department(world: World, with_identity: bool) -> None:
    """The same answer, changes and second try, whether the person waits there or not."""
    await world.rings(2, department="hjerte", with_identity=with_identity)
    answers = []
    for n in (1, 2):
        id = (await world.rings(n, with_identity=with_identity)).id
        sent = await send(world, id, note="ringer igjen")
        again = await world.as_("kari", "GET", f"/callbacks/{id}")
        changes = await changes_of(world, "kirurgi")
        own = [(each.event, each.version, each.to_status) for each in changes if each.callback_id == id]
        body = sent.json()
        body["promise"].pop("from")  # a second later
        ours = [body.pop(key) for key in ("id", "phone", "patient", "created_at")]
        answers.append((sent.status_code, len(ours), body, again.status_code, own))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][3]) == (200, 404)


async def test_receiver_has_one_callback_that_says_everything(world: World) -> None:
    """The department's own number stays the one that is called, and the earlier promise holds."""
    there = await world.rings(1, department="hjerte")
    world.clock.advance(timedelta(minutes=5))
    id = (await world.rings(1)).id
    await world.as_("kari", "PATCH", f"/callbacks/{id}", json={"priority": "urgent"}, headers={"If-Match": "*"})
    sent = (await send(world, id, "alle", note="vondt verre")).json()
    assert (sent["merged"], sent["status"], sent["closed_reason"]) == (True, "closed", "duplicate")
    assert there.id not in str(sent)
    waiting = (await world.as_("ole", "GET", f"/callbacks/{there.id}")).json()
    assert (waiting["call_count"], waiting["priority"], waiting["note"]) == (2, "urgent", "vondt verre")
    assert waiting["phone"] == there.phone.e164
    assert waiting["promise"]["spoken"] == "i dag klokken 10"
    rows = (await world.as_("ole", "GET", f"/callbacks/{there.id}/history")).json()["items"]
    merged = [(row["actor"], row["details"]["from"]) for row in rows if row["event"] == "merged"]
    assert merged == [("alle", "kirurgi")]


async def test_transfers_of_one_agent_are_limited_in_a_day(world: World) -> None:
    ids = [(await world.rings(n)).id for n in range(1, 6)]
    for id in ids[:3]:
        assert (await send(world, id)).status_code == 200
    over = await send(world, ids[3])
    refused(over, 429, "too-many-transfers")
    assert int(over.headers["retry-after"]) > 3600
    refused(await send(world, ids[3]), 429, "too-many-transfers")
    changes = await changes_of(world, "kirurgi")
    assert [each.event for each in changes].count("transfer_limit_reached") == 1
    assert (await send(world, ids[4], "alle")).status_code == 200
    world.clock.advance(timedelta(days=1))
    assert (await send(world, ids[3])).status_code == 200
