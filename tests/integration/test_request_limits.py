"""Request limits stop programs and stolen sessions, but no colleagues at the same address. On both engines."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from desk.access.actor import SYSTEM
from desk.audit.repository import AuditRow
from desk.inquiries.model import Status
from desk.schema.tables import request_buckets
from tests.support.desk.audit import everything
from tests.support.web.api import World, open_world, refused

SECOND = timedelta(seconds=1)
PASSWORD = "ta trikken til Frogner"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    few = {"requests_a_minute": 60, "refusals_a_minute": 60, "sms_report_secret": "s" * 16}
    async with open_world(migrated_url, tmp_path, **few) as world:
        yield world


async def rows(world: World) -> list[AuditRow]:
    return await everything(world.database)


def of_limits(rows: list[AuditRow]) -> list[tuple[Any, ...]]:
    """The agents whose requests a limit refused, from the audit."""
    return [(row.who, row.action, row.status) for row in rows if row.problem == "too-many-requests"]


async def limited(world: World, limit: str) -> float:
    """The number of requests that the limit refused, from the metrics."""
    text = (await world.client.get("/metrics")).text
    name = f'innringing_limited_requests_total{{limit="{limit}"}} '
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


async def uses_up(world: World, name: str) -> None:
    for _ in range(60):
        assert (await world.as_(name, "GET", "/me")).status_code == 200


async def test_token_over_its_limit_is_refused_and_others_are_not(world: World) -> None:
    await uses_up(world, "kari")
    answer = await world.as_("kari", "GET", "/me")
    refused(answer, 429, "too-many-requests")
    assert answer.headers["retry-after"] == "1"
    assert (await world.as_("ola", "GET", "/me")).status_code == 200
    world.clock.advance(SECOND)
    assert (await world.as_("kari", "GET", "/me")).status_code == 200
    refused(await world.as_("kari", "GET", "/me"), 429, "too-many-requests")


async def test_limit_holds_for_all_processes_together(world: World, migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path, requests_a_minute=60) as other:
        other.tokens = world.tokens
        await uses_up(world, "kari")
        for _ in range(4):
            assert (await other.as_("kari", "GET", "/me")).status_code == 200, "not shared yet"
        for each in (world, other, world):
            await each.services.limits.share()
        for each in (world, other):
            refused(await each.as_("kari", "GET", "/me"), 429, "too-many-requests")
            each.clock.advance(5 * SECOND)
        for each in (world, other):
            assert (await each.as_("kari", "GET", "/me")).status_code == 200


async def test_agents_screen_shares_no_count(world: World) -> None:
    for _ in range(3):
        await world.as_("kari", "GET", "/me")
    await world.services.limits.share()
    async with world.database.read() as connection:
        assert (await connection.execute(select(request_buckets))).all() == []


async def test_session_over_its_limit_is_refused_and_a_new_one_starts_over(world: World) -> None:
    await world.token("kari")
    await world.services.logins.set_password("kari", PASSWORD)
    for _ in range(2):
        entered = await world.services.logins.by_password("kari", PASSWORD, address="192.0.2.1")
        cookie = {"Cookie": f"innringing={entered.session.token}"}
        answers = [await world.client.get("/api/v1/session", headers=cookie) for _ in range(61)]
        assert [answer.status_code for answer in answers] == [200] * 60 + [429]


async def test_claim_over_the_limit_is_refused_before_it_runs(world: World) -> None:
    callback = await world.rings(1)
    await uses_up(world, "kari")
    body = {"department": "kirurgi", "limit": 1}
    refused(await world.as_("kari", "POST", "/callbacks/claim", json=body), 429, "too-many-requests")
    assert (await world.services.callbacks.lists.get(SYSTEM, callback.id)).status is Status.WAITING
    world.clock.advance(SECOND)
    claimed = await world.post("/callbacks/claim", body)
    assert [each["id"] for each in claimed["items"]] == [callback.id]


async def test_one_refusal_a_minute_is_audited_and_all_are_counted(world: World) -> None:
    await uses_up(world, "kari")
    before = len(await rows(world))
    for _ in range(20):
        await world.as_("kari", "GET", "/departments")
    assert of_limits(await rows(world)) == [("kari", "list_departments", 429)]
    assert len(await rows(world)) == before + 1
    (row,) = [row for row in await rows(world) if row.problem]
    assert (row.session or "").startswith("token:") and row.outcome == "refused"
    assert await limited(world, "credential") == 20
    world.clock.advance(timedelta(minutes=1))
    await uses_up(world, "kari")
    await world.as_("kari", "GET", "/departments")
    assert len(of_limits(await rows(world))) == 2


async def test_invalid_credentials_are_limited_by_address(world: World) -> None:
    async def tries(**more: Any) -> int:
        return (await world.client.get("/api/v1/me", **more)).status_code

    kinds: list[dict[str, Any]] = [
        {"headers": {"Authorization": "Bearer inn_wrong"}},
        {},
        {"headers": {"Cookie": "innringing=inn_s_wrong"}},
    ]
    assert [await tries(**kinds[n % 3]) for n in range(60)] == [401] * 60
    assert [await tries(**kind) for kind in kinds] == [429, 429, 429]
    assert len(of_limits(await rows(world))) == 1
    assert await limited(world, "address") == 3
    # Valid credentials and log-ins from the same address still work.
    assert (await world.as_("kari", "GET", "/me")).status_code == 200
    await world.services.logins.set_password("kari", PASSWORD)
    answer = await world.client.post("/api/v1/session", json={"name": "kari", "password": PASSWORD})
    assert answer.status_code == 201
    wrong = await world.client.post("/sms/reports", json={"resultCode": 1}, headers={"Authorization": "Bearer x"})
    refused(wrong, 429, "too-many-requests")
    right = {"Authorization": f"Bearer {'s' * 16}"}
    assert (await world.client.post("/sms/reports", json={"resultCode": 1}, headers=right)).status_code == 200
    world.client.cookies.clear()
    world.clock.advance(SECOND)
    assert await tries() == 401


async def test_revoked_token_counts_as_invalid(world: World) -> None:
    await world.as_("kari", "GET", "/me")
    await world.services.agents.revoke(SYSTEM, "kari")
    assert (await world.as_("kari", "GET", "/me")).status_code == 401
