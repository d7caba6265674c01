"""Emergency access: immediate, short, with a reason, reported to the department's leaders, and marked in the audit."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Grant, Permission, Role
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.accounts.tokens.model import TokenScope
from tests.support.desk.audit import everything
from tests.support.web.api import World, ids, open_world, refused
from tests.support.web.live import listening_to, served

REASON = "Hjerte har ingen på vakt, og pasienten er på vei inn"
EMERGENCY = "/emergency-access"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """kari is an agent in kirurgi, lise leads hjerte, ole is an agent there."""
    async with open_world(migrated_url, tmp_path) as world:
        await staffed(world)
        yield world


async def staffed(world: World) -> None:
    await world.token("kari", Role.AGENT, ["kirurgi"])
    await world.token("lise", Role.LEADER, ["hjerte"])
    await world.token("ole", Role.AGENT, ["hjerte"])


async def opened(world: World, by: str = "kari", **more: Any) -> Any:
    answer = await world.as_(by, "POST", EMERGENCY, json={"department": "hjerte", "reason": REASON, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_emergency_access_allows_reading_and_work_and_expires(world: World) -> None:
    there = await world.rings(1, department="hjerte")
    path = f"/callbacks/{there.id}"
    refused(await world.as_("kari", "GET", path), 404, "callback-not-found")
    refused(await world.as_("kari", "GET", "/callbacks?department=hjerte"), 403, "department-not-allowed")
    given = await opened(world)
    assert (given["agent"], given["department"], given["reason"]) == ("kari", "hjerte", REASON)
    assert world.services.clock.now() + timedelta(minutes=15) == _instant(given["until"])
    assert (await world.as_("kari", "GET", path)).status_code == 200
    assert await ids(world, "kari", department="hjerte") == await ids(world, "kari") == [there.id]
    claimed = (await world.as_("kari", "POST", f"{path}/claim")).json()
    assert (await world.as_("kari", "GET", f"{path}/patient")).status_code == 200
    world.clock.advance(timedelta(minutes=15) - timedelta(seconds=1))
    assert (await world.as_("kari", "POST", f"{path}/extend", json={"fence": claimed["fence"]})).status_code == 200
    world.clock.advance(timedelta(seconds=1))
    refused(await world.as_("kari", "GET", path), 404, "callback-not-found")
    refused(await world.as_("kari", "POST", f"{path}/release", json={"fence": 1}), 404, "callback-not-found")
    assert await ids(world, "kari") == []


async def test_emergency_access_of_a_reader_allows_only_reading(world: World) -> None:
    there = await world.rings(1, department="hjerte")
    await world.token("per", Role.LEADER, ["kirurgi"])
    await opened(world, "per")
    assert (await world.as_("per", "GET", f"/callbacks/{there.id}/history")).status_code == 200
    refused(await world.as_("per", "GET", f"/callbacks/{there.id}/patient"), 403, "role-not-allowed")
    hour = {"from": "2026-11-25T10:00:00Z", "until": "2026-11-25T11:00:00Z"}
    closing = await world.as_("per", "POST", "/departments/hjerte/closures", json=hour)
    refused(closing, 403, "department-not-allowed")
    assert (await world.as_("per", "GET", EMERGENCY)).json()["items"][0]["agent"] == "per"


async def test_leader_with_agent_role_elsewhere_may_work_with_emergency_access(world: World) -> None:
    there = await world.rings(1, department="hjerte")
    await world.services.agents.grant(SYSTEM, "lise", [Grant(Role.AGENT, "kirurgi")])
    refused(await world.as_("lise", "POST", f"/callbacks/{there.id}/claim"), 404, "callback-not-found")
    await opened(world, "lise")
    assert (await world.as_("lise", "POST", f"/callbacks/{there.id}/claim")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "for kort"},
        {"reason": "  kort \n\n\n\n    "},
        {"reason": "x" * 501},
        {"reason": "Gjelder pasienten med nummer 68 05 01 23, som venter"},
        {"minutes": 0},
        {"minutes": 61},
        {"reason": None},
    ],
)
async def test_emergency_access_without_reason_or_for_too_long_is_refused(world: World, body: dict[str, Any]) -> None:
    answer = await world.as_("kari", "POST", EMERGENCY, json={"department": "hjerte", "reason": REASON, **body})
    refused(answer, 422, "invalid-input")
    assert "680501" not in answer.text.replace(" ", "")
    assert (await world.as_("kari", "GET", EMERGENCY)).json()["items"] == []


async def test_emergency_access_that_would_add_nothing_is_refused(world: World) -> None:
    body = {"department": "hjerte", "reason": REASON}
    await world.token("drift", Role.OPERATOR, ["*"])
    refused(await world.as_("drift", "POST", EMERGENCY, json=body), 403, "role-not-allowed")
    refused(await world.as_("ole", "POST", EMERGENCY, json=body), 409, "emergency-not-needed")
    await world.token("alle", Role.AGENT, ["*"])
    refused(await world.as_("alle", "POST", EMERGENCY, json=body), 409, "emergency-not-needed")
    missing = await world.as_("kari", "POST", EMERGENCY, json={**body, "department": "no-such"})
    refused(missing, 404, "department-not-found")
    await opened(world)
    refused(await world.as_("kari", "POST", EMERGENCY, json=body), 409, "emergency-not-needed")


async def test_holder_or_department_leader_ends_emergency_access(world: World) -> None:
    there = await world.rings(1, department="hjerte")
    await world.token("nils", Role.LEADER, ["kirurgi"])
    for by in ("kari", "lise"):
        given = await opened(world)
        for other in ("ole", "nils"):
            refused(await world.as_(other, "DELETE", f"{EMERGENCY}/{given['id']}"), 404, "emergency-not-found")
        assert (await world.as_("kari", "GET", f"/callbacks/{there.id}")).status_code == 200
        ended = (await world.as_(by, "DELETE", f"{EMERGENCY}/{given['id']}")).json()
        assert (ended["ended_by"], _instant(ended["ended_at"])) == (by, world.clock.now())
        refused(await world.as_("kari", "GET", f"/callbacks/{there.id}"), 404, "callback-not-found")
        world.clock.advance(timedelta(minutes=1))
        assert (await world.as_(by, "DELETE", f"{EMERGENCY}/{given['id']}")).json() == ended
    given = await opened(world, minutes=1)
    world.clock.advance(timedelta(minutes=1))
    over = (await world.as_("kari", "DELETE", f"{EMERGENCY}/{given['id']}")).json()
    assert (over["ended_at"], over["ended_by"]) == (None, None)
    refused(await world.as_("lise", "DELETE", f"{EMERGENCY}/999"), 404, "emergency-not-found")


async def test_leaders_and_auditors_see_emergency_accesses_with_reasons(world: World) -> None:
    await world.token("rev", Role.AUDITOR, ["hjerte"])
    await world.token("nils", Role.LEADER, ["kirurgi"])
    await world.token("siv", Role.AGENT, ["kirurgi"])
    first, second = await opened(world), await opened(world, "siv", minutes=60)
    for overseer in ("lise", "rev"):
        page = (await world.as_(overseer, "GET", f"{EMERGENCY}?department=hjerte")).json()
        assert page == {"items": [second, first], "next_cursor": None}
    newest = (await world.as_("lise", "GET", f"{EMERGENCY}?limit=1")).json()
    assert newest["items"] == [second]
    rest = await world.as_("lise", "GET", EMERGENCY, params={"cursor": newest["next_cursor"]})
    assert rest.json() == {"items": [first], "next_cursor": None}
    for reader, own in (("kari", [first]), ("siv", [second]), ("ole", []), ("nils", [])):
        assert (await world.as_(reader, "GET", EMERGENCY)).json()["items"] == own, reader
    refused(await world.as_("nils", "GET", f"{EMERGENCY}?department=hjerte"), 403, "department-not-allowed")
    refused(await world.as_("lise", "GET", f"{EMERGENCY}?cursor=x"), 422, "bad-cursor")


async def test_use_of_emergency_access_is_marked_in_the_audit(world: World) -> None:
    here, there = await world.rings(1, department="kirurgi"), await world.rings(2, department="hjerte")
    given = await opened(world)
    for path in (f"/callbacks/{here.id}", "/callbacks?department=kirurgi", f"/callbacks/{there.id}", "/callbacks"):
        assert (await world.as_("kari", "GET", path)).status_code == 200
    await world.as_("kari", "POST", f"/callbacks/{there.id}/claim")
    await world.as_("kari", "POST", "/callbacks/claim", json={"department": "hjerte"})
    assert (await world.as_("ole", "GET", f"/callbacks/{there.id}")).status_code == 200
    rows = await everything(world.database)
    assert [(row.action, row.emergency) for row in rows] == [
        ("open_emergency", False),
        ("get_callback", False),
        ("list_callbacks", False),
        ("get_callback", True),
        ("list_callbacks", True),
        ("claim_named", True),
        ("claim_next", True),
        ("get_callback", False),
    ]
    assert (rows[0].department, rows[0].why) == ("hjerte", f"emergency_access:{given['id']}")


async def test_narrowed_token_is_not_widened_but_a_session_is(world: World) -> None:
    narrow = await world.services.agents.tokens.issue(
        SYSTEM, "kari", "narrow", scope=TokenScope(frozenset({"kirurgi"}))
    )
    await opened(world)
    agent = await world.services.agents.verify(narrow.secret)
    assert agent is not None and not agent.scope(Permission.READ).covers("hjerte")
    sessions = Sessions(database=world.database, clock=world.clock)
    login = await sessions.open(SYSTEM, "kari", source=LoginSource.PASSWORD)
    session = await sessions.verify(login.token)
    assert session is not None and session.agent.scope(Permission.WORK).covers("hjerte")
    assert not session.agent.scope(Permission.CLOSE).covers("hjerte")
    world.clock.advance(timedelta(minutes=15))
    later = await sessions.verify(login.token)
    assert later is not None and not later.agent.scope(Permission.WORK).covers("hjerte")


@pytest.mark.parametrize(
    "scope", [TokenScope(permissions=frozenset({Permission.READ})), TokenScope(frozenset({"kirurgi"}))]
)
async def test_narrowed_token_cannot_open_emergency_access(world: World, scope: TokenScope) -> None:
    """Someone who finds the wall screen's token can read what the wall screen shows, and no other department."""
    there = await world.rings(1, department="hjerte")
    world.tokens["wall-screen"] = (
        await world.services.agents.tokens.issue(SYSTEM, "kari", "wall-screen", scope=scope)
    ).secret
    answer = await world.as_("wall-screen", "POST", EMERGENCY, json={"department": "hjerte", "reason": REASON})
    refused(answer, 403, "narrowed-token")
    refused(await world.as_("wall-screen", "GET", f"/callbacks/{there.id}"), 404, "callback-not-found")
    refused(await world.as_("kari", "GET", f"/callbacks/{there.id}"), 404, "callback-not-found")


async def test_simultaneous_requests_give_one_emergency_access(world: World) -> None:
    there = await world.rings(1, department="hjerte")
    body = {"department": "hjerte", "reason": REASON}
    answers = await asyncio.gather(*(world.as_("kari", "POST", EMERGENCY, json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    (given,) = (await world.as_("lise", "GET", EMERGENCY)).json()["items"]
    await world.as_("lise", "DELETE", f"{EMERGENCY}/{given['id']}")
    refused(await world.as_("kari", "GET", f"/callbacks/{there.id}"), 404, "callback-not-found")


async def test_reused_name_shows_no_reasons_of_its_former_holder(world: World) -> None:
    given = await opened(world)
    await world.services.agents.revoke(SYSTEM, "kari")
    del world.tokens["kari"]
    await world.token("kari", Role.AGENT, ["kirurgi"])
    assert (await world.as_("kari", "GET", EMERGENCY)).json()["items"] == []
    refused(await world.as_("kari", "DELETE", f"{EMERGENCY}/{given['id']}"), 404, "emergency-not-found")
    assert (await world.as_("lise", "GET", EMERGENCY)).json()["items"] == [given], "its leaders see it for good"


async def test_emergency_access_does_not_count_as_on_duty(world: World) -> None:
    await world.rings(1, department="hjerte")
    await opened(world)
    assert (await world.as_("lise", "GET", "/departments/hjerte/intake")).json()["outlook"]["agents_on_duty"] == 0


async def test_readers_of_the_department_get_a_live_event(migrated_url: str, tmp_path: Path) -> None:
    async with served(migrated_url, tmp_path, recheck_seconds=0.05) as api:
        world = api.world
        await staffed(world)
        await world.token("nils", Role.LEADER, ["kirurgi"])
        leaders = [await world.token(name) for name in ("lise", "nils")]
        async with listening_to(api.url, leaders[0]) as there, listening_to(api.url, leaders[1]) as elsewhere:
            await asyncio.gather(there.opened(), elsewhere.opened())
            given = await opened(world)
            await world.as_("lise", "DELETE", f"{EMERGENCY}/{given['id']}")
            told = await there.changes(2)
            await world.rings(1, department="kirurgi")
            (other,) = await elsewhere.changes(1)
        assert [(each["event"], each["actor"]) for each in told] == [
            ("emergency_opened", "kari"),
            ("emergency_ended", "lise"),
        ]
        assert {(each["department"], each["callback"], each["version"]) for each in told} == {("hjerte", None, None)}
        assert REASON not in json.dumps(told, ensure_ascii=False)
        assert other["event"] == "registered"


async def test_live_stream_ends_with_its_emergency_access(migrated_url: str, tmp_path: Path) -> None:
    async with served(migrated_url, tmp_path, recheck_seconds=0.05) as api:
        await staffed(api.world)
        given = await opened(api.world)
        async with listening_to(api.url, await api.world.token("kari"), query="?department=hjerte") as stream:
            await stream.opened()
            callback = await api.world.rings(1, department="hjerte")
            assert [each["callback"] for each in await stream.changes(1)] == [callback.id]
            await api.world.as_("lise", "DELETE", f"{EMERGENCY}/{given['id']}")
            await stream.rest()
            assert stream.ended


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
