"""The api, a provider and browsers: the setup for tests of log-ins at a provider.

The integration tests get the fixtures through their conftest.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select

from api.web.errors import NotSignedIn
from desk.access.permissions import Grant, Role
from desk.accounts.sessions.model import Session
from desk.clock import SystemClock
from desk.schema.tables import sessions
from tests.support.oidc.providers import ACCESS, OURS, PEOPLE, Running, forger, log_in_at, provided
from tests.support.web.api import World, open_world

LOGIN: Final = "/api/v1/login/oidc"
CHECK: Final = timedelta(minutes=15)
KIRURGI: Final = Grant(Role.AGENT, "kirurgi")
SESSION: Final = "__Host-innringing"
CLICKED: Final = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-User": "?1"}
"""The headers of a browser for a click on one of our pages."""

Opens = Callable[..., AbstractAsyncContextManager["House"]]


@pytest.fixture(scope="module")
def provider() -> Iterator[Running]:
    with provided() as running:
        yield running


@pytest.fixture(scope="module")
def forging() -> Iterator[Running]:
    with forger() as running:
        yield running


@pytest.fixture
def as_they_were(provider: Running) -> Iterator[Running]:
    yield provider
    provider.control(accounts=PEOPLE, skew=0)


@dataclass
class House:
    """The api, a provider, and their browsers."""

    world: World
    provider: Running
    gone_by: timedelta = timedelta()

    def browser(self) -> httpx.AsyncClient:
        """A browser without any of our cookies."""
        transport = httpx.ASGITransport(app=self.world.app)
        return httpx.AsyncClient(transport=transport, base_url=OURS, headers={"Accept": "text/html", **CLICKED})

    async def goes(self, browser: httpx.AsyncClient, person: str = "kari", after: str | None = None) -> str:
        """The address to which the provider redirects the browser."""
        answer = await browser.get(LOGIN, params={"after": after} if after else {})
        assert answer.status_code == 303, answer.text
        return await log_in_at(answer.headers["location"], person)

    async def logs_in(self, browser: httpx.AsyncClient, person: str = "kari") -> Session:
        """Log in through the provider. Returns the session."""
        answer = await browser.get(await self.goes(browser, person))
        assert answer.status_code == 303, answer.text
        return await self.session(browser)

    async def session(self, browser: httpx.AsyncClient) -> Session:
        found = await self.found(browser)
        assert found is not None
        return found

    async def found(self, browser: httpx.AsyncClient) -> Session | None:
        return await self.world.services.sessions.verify(browser.cookies[SESSION])

    def passes(self, time: timedelta) -> None:
        """Let time pass, at the provider and here."""
        self.world.clock.advance(time)
        self.gone_by += time
        self.provider.control(skew=self.gone_by.total_seconds())

    async def open_sessions(self) -> int:
        async with self.world.database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(sessions))).scalar_one())


@pytest.fixture
def opens(migrated_url: str, tmp_path: Path) -> Opens:
    """`opens(provider, **settings)`: a house whose people log in at that provider, on each engine in turn."""
    (tmp_path / "access.toml").write_text(ACCESS, "utf-8")

    @asynccontextmanager
    async def opened(running: Running, **settings: Any) -> AsyncIterator[House]:
        given = {"access_file": tmp_path / "access.toml", **running.settings, **settings}
        async with open_world(migrated_url, tmp_path, allowed_hosts="innringing.test", **given) as world:
            world.clock.set(SystemClock().now())
            yield House(world, running)

    return opened


async def still(house: House, browser: httpx.AsyncClient) -> frozenset[Grant]:
    """The access of the browser's user at the next request."""
    single_sign_on = house.world.services.single_sign_on
    assert single_sign_on is not None
    found = await house.found(browser)
    if found is None:
        raise NotSignedIn
    return (await single_sign_on.current_agent(found)).grants


async def logout_token(forging: Running, **way: Any) -> str:
    forging.control(**{"claims": {}, **way})
    async with httpx.AsyncClient(trust_env=False) as client:
        return str((await client.get(f"{forging.issuer}/logout-token")).json()["logout_token"])


class _Served(uvicorn.Server):
    """A server in the test's process that leaves the signal handlers alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: Any, port: int) -> AsyncIterator[None]:
    """The api on a real port, for a provider that calls it."""
    server = _Served(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
