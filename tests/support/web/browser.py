"""A real Chromium in front of a served world: the setup for the console's tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from api.auth.cookies import SESSION
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.sessions.model import LoginSource
from ops.machine.tree import CHROMIUM, ensure
from tests.support.web.api import World

SWITCHES: Final = (
    "--no-sandbox",  # tests may run as root; only our own pages are opened
    "--no-zygote",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@asynccontextmanager
async def chromium(*switches: str) -> AsyncIterator[Browser]:
    """A headless Chromium from Debian's package, which reaches nothing but loopback."""
    program = await asyncio.to_thread(lambda: ensure(CHROMIUM) / "bin" / "chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=[*SWITCHES, *switches])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Console:
    """The console of a world on a real socket, and a browser."""

    world: World
    browser: Browser
    address: str
    faults: list[str]
    """What the browser reports: errors of scripts, refusals by the content security policy."""

    async def open(
        self, agent: str, path: str = "/queue", profile: BrowserContext | None = None, **context: Any
    ) -> Page:
        """Open a page in which that agent is logged in; without `profile` in a browser profile of its own."""
        await self.world.token(agent)
        session = await self.world.services.sessions.open(SYSTEM, agent, source=LoginSource.PASSWORD)
        if profile is None:
            profile = await self.browser.new_context(base_url=self.address, **{"locale": "nb-NO", **context})
        await profile.add_cookies([{"name": SESSION, "value": session.token, "url": self.address}])
        return await self.page(profile, path)

    async def page(self, profile: Any, path: str) -> Page:
        """Open a page in that profile, and collect what goes wrong on it."""
        page: Page = await profile.new_page()
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        await page.goto(path)
        return page

    async def add(self, agent: str, role: Role, *departments: str) -> None:
        """Add an agent with that role."""
        await self.world.token(agent, role, departments or ("*",))
