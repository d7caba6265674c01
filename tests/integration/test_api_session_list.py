"""The list of one's sessions, which can be ended one by one after a new log-in. On both engines."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.sessions.model import LoginSource
from tests.support.web.api import World, open_world, refused

FIELDS = {"id", "agent", "source", "created_at", "seen_at", "ends_at", "current"}
OLD = timedelta(minutes=10)


class Browser:
    """A browser in which an agent has just logged in."""

    def __init__(self, world: World, name: str, token: str, csrf: str) -> None:
        self._world, self.name = world, name
        self._headers = {"Cookie": f"innringing={token}", "X-CSRF-Token": csrf}

    @classmethod
    async def of(cls, world: World, name: str, source: LoginSource = LoginSource.PASSWORD) -> "Browser":
        opened = await world.services.sessions.open(SYSTEM, name, source=source)
        return cls(world, name, opened.token, opened.csrf)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self._world.client.request(method, f"/api/v1{path}", headers=self._headers, **more)

    async def sessions(self, **query: Any) -> list[Any]:
        answer = await self.ask("GET", "/sessions", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def number(self) -> int:
        return next(int(each["id"]) for each in await self.sessions() if each["current"])

    async def is_in(self) -> bool:
        return (await self.ask("GET", "/session")).status_code == 200


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(migrated_url, tmp_path))
        await world.token("kari", Role.AGENT, ["kirurgi", "hjerte"])
        await world.token("ola", Role.AGENT, ["kirurgi"])
        await world.token("ada", Role.ADMIN, ["kirurgi"])
        await world.token("alma", Role.ADMIN)
        yield world


async def test_own_sessions_are_listed_newest_first_without_their_secrets(world: World) -> None:
    first = await Browser.of(world, "kari")
    world.clock.advance(timedelta(minutes=5))
    second, others = await Browser.of(world, "kari", LoginSource.OIDC), await Browser.of(world, "ola")
    assert [(each["source"], each["current"]) for each in await first.sessions()] == [
        ("oidc", False),
        ("password", True),
    ]
    assert [each["current"] for each in await second.sessions(agent="kari")] == [True, False]
    assert all(set(each) == FIELDS for each in await first.sessions())
    assert {each["agent"] for each in await others.sessions()} == {"ola"}
    world.clock.advance(timedelta(minutes=29))
    assert await second.is_in()
    world.clock.advance(timedelta(minutes=2))
    assert len(await second.sessions()) == 1, "the first has been left alone for half an hour"


async def test_one_session_is_ended_and_the_others_continue(world: World) -> None:
    here, there, elsewhere = [await Browser.of(world, "kari") for _ in range(3)]
    number = await there.number()
    out = await here.ask("DELETE", f"/sessions/{number}")
    assert out.status_code == 204 and "clear-site-data" not in out.headers and "set-cookie" not in out.headers
    assert not await there.is_in() and await here.is_in() and await elsewhere.is_in()
    refused(await here.ask("DELETE", f"/sessions/{number}"), 404, "session-not-found")


async def test_ending_the_current_session_logs_out(world: World) -> None:
    here = await Browser.of(world, "kari")
    number = await here.number()
    world.clock.advance(OLD)
    out = await here.ask("DELETE", f"/sessions/{number}")
    assert (out.status_code, out.headers["clear-site-data"]) == (204, '"cache", "storage"')
    assert "Max-Age=0" in out.headers["set-cookie"] and not await here.is_in()


async def test_old_session_cannot_end_others_or_make_tokens(world: World) -> None:
    here, there = await Browser.of(world, "kari"), await Browser.of(world, "kari")
    number = await there.number()
    world.clock.advance(OLD)
    refused(await here.ask("DELETE", f"/sessions/{number}"), 403, "log-in-again")
    refused(await here.ask("DELETE", "/sessions"), 403, "log-in-again")
    refused(await here.ask("POST", "/tokens", json={"label": "x"}), 403, "log-in-again")
    assert await there.is_in()
    anew = await Browser.of(world, "kari")
    assert (await anew.ask("POST", "/tokens", json={"label": "x"})).status_code == 201
    assert (await anew.ask("DELETE", f"/sessions/{number}")).status_code == 204
    assert (await anew.ask("DELETE", "/sessions")).status_code == 204
    assert not await there.is_in() and not await here.is_in()


async def test_sessions_of_others_need_access_management_in_all_their_departments(world: World) -> None:
    kari, ola, ada, alma = [await Browser.of(world, name) for name in ("kari", "ola", "ada", "alma")]
    of_kari, of_ola = await kari.number(), await ola.number()
    refused(await kari.ask("GET", "/sessions", params={"agent": "ola"}), 403, "role-not-allowed")
    refused(await kari.ask("DELETE", f"/sessions/{of_ola}"), 404, "session-not-found")
    for name in ("kari", "alma", "nobody"):
        refused(await ada.ask("GET", "/sessions", params={"agent": name}), 404, "agent-not-found")
    refused(await ada.ask("DELETE", f"/sessions/{of_kari}"), 404, "session-not-found")
    assert [(each["id"], each["current"]) for each in await ada.sessions(agent="ola")] == [(of_ola, False)]
    assert (await ada.ask("DELETE", f"/sessions/{of_ola}")).status_code == 204
    assert not await ola.is_in() and await kari.is_in()
    assert [each["id"] for each in await alma.sessions(agent="kari")] == [of_kari]
    assert (await alma.ask("DELETE", f"/sessions/{of_kari}")).status_code == 204
    refused(await world.as_("alma", "GET", "/sessions"), 401, "not-signed-in")
