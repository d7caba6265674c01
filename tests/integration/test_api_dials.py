"""Click to call over REST: permissions, answers, and each refusal as a problem document."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.web.problems import URN
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.dials.model import DialReason
from tests.support.web.api import World, open_world

ME = "asterisk-1/a"


async def claimed(world: World, agent: str = "kari", n: int = 1) -> tuple[str, dict[str, Any]]:
    """The path of a dial, and the body that requests it."""
    callback = await world.rings(n)
    claim = (await world.as_(agent, "POST", f"/callbacks/{callback.id}/claim")).json()
    return f"/callbacks/{callback.id}/dial", {"fence": claim["fence"]}


async def at_a_phone(world: World, name: str = "kari") -> None:
    world.tokens[name] = await world.services.agents.add(SYSTEM, name, Role.AGENT, ["*"], phone=f"{name}-phone")


async def test_dial_is_requested_read_and_cancelled(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        await at_a_phone(world)
        path, body = await claimed(world)
        assert (await world.as_("kari", "GET", path)).json()["type"] == URN + "dial-not-found"
        asked = await world.as_("kari", "POST", path, json=body)
        assert asked.status_code == 202
        dial = asked.json()
        assert (dial["state"], dial["reason"], dial["agent"]) == ("requested", None, "kari")
        assert "phone" not in dial
        assert (await world.as_("kari", "POST", path, json=body)).json() == dial
        assert (await world.as_("kari", "GET", path)).json() == dial
        ended = await world.as_("kari", "DELETE", path)
        assert (ended.status_code, ended.json()["reason"]) == (202, "cancelled")
        again = await world.as_("kari", "DELETE", path)
        assert (again.status_code, again.json()["type"]) == (409, URN + "dial-over")


async def test_each_refusal_is_a_problem_document(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path, dials_a_number_a_day=1, dials_an_agent_a_day=2) as world:
        await at_a_phone(world)
        await at_a_phone(world, "ola")
        path, body = await claimed(world)

        async def refused(agent: str, status: int, id: str, **more: Any) -> None:
            answer = await world.as_(agent, "POST", more.pop("path", path), json=more.pop("body", body))
            assert (answer.status_code, answer.json()["type"]) == (status, URN + id), answer.text

        await refused("ola", 409, "claim-lost")
        await refused("kari", 409, "claim-lost", body={"fence": 99})
        await refused("kari", 422, "invalid-input", body={})
        await refused("kari", 404, "callback-not-found", path="/callbacks/00000000-0000-4000-8000-000000000000/dial")
        without_path, without_body = await claimed(world, "per", 2)
        await refused("per", 409, "no-agent-phone", path=without_path, body=without_body)
        world.clock.set(datetime(2026, 11, 24, 7, 50, tzinfo=UTC))
        asked = await world.as_("kari", "POST", path, json=body)
        assert asked.status_code == 202
        other_path, other_body = await claimed(world, "kari", 3)
        await refused("kari", 409, "dial-in-progress", path=other_path, body=other_body)
        assert (await world.as_("ola", "DELETE", path)).json()["type"] == URN + "already-claimed"
        await world.as_("kari", "DELETE", path)
        await world.as_("kari", "DELETE", other_path)
        assert (await world.as_("kari", "POST", other_path, json=other_body)).status_code == 202
        await world.as_("kari", "DELETE", other_path)
        await refused("kari", 429, "dial-cap-reached")


async def test_dial_outside_the_hours_is_refused(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        await at_a_phone(world)
        world.clock.set(datetime(2026, 11, 24, 15, 0, tzinfo=UTC))
        path, body = await claimed(world)
        answer = await world.as_("kari", "POST", path, json=body)
        assert answer.status_code == 409
        assert answer.json()["type"] == URN + "outside-ringing-hours"
        assert answer.json()["detail"] == "08:00-16:00, workdays"


@pytest.mark.parametrize("role", [Role.LEADER, Role.AUDITOR, Role.ADMIN])
async def test_only_agents_dial_and_readers_may_read(migrated_url: str, tmp_path: Path, role: Role) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        await at_a_phone(world)
        await world.token("reader", role)
        path, body = await claimed(world)
        dial = (await world.as_("kari", "POST", path, json=body)).json()
        for method, more in (("POST", {"json": body}), ("DELETE", {})):
            assert (await world.as_("reader", method, path, **more)).status_code == 403
        assert (await world.as_("reader", "GET", path)).json() == dial
        world.tokens["elsewhere"] = await world.services.agents.add(SYSTEM, "elsewhere", Role.AGENT, ["hjerte"])
        assert (await world.as_("elsewhere", "GET", path)).status_code == 404


async def test_history_has_each_step_without_a_number(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        await at_a_phone(world)
        path, body = await claimed(world)
        await world.as_("kari", "POST", path, json=body)
        (dial,) = await world.services.dials.take(SYSTEM, ME, limit=1)
        await world.services.dials.end(SYSTEM, dial, ME, DialReason.BUSY)
        history = await world.get(path.removesuffix("/dial") + "/history")
        assert [row["event"] for row in history["items"]][-3:] == ["dial_requested", "dial_ended", "attempt"]
        ended = history["items"][-2]
        assert ended["details"] == {"dial": dial.id, "agent": "kari", "reason": "busy"}
        assert "68050001" not in str(history)


async def test_refused_method_on_a_dial_lists_the_allowed_ones(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        path, _ = await claimed(world)
        answer = await world.as_("kari", "PUT", path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "DELETE, GET, HEAD, POST"
