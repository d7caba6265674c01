"""Take the pictures: each page in two widths, light and dark, and an outline of it in words for comparison."""

import asyncio
import base64
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from playwright.async_api import Page, expect

from api.health.readiness import Asterisk
from api.own_commands import OwnCommands
from api.services import Services
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.connections.health import Component
from desk.controllers.model import Load
from desk.paths import ROOT
from tests.screens import story
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

FOLDER: Final = ROOT / "docs" / "screens"
WIDTHS: Final = {1280: 1600, 320: 1600}
"""The widths in CSS pixels, and how much of a long page is shown."""
LOOKS: Final = ("light", "dark")
QUALITY: Final = 72
SHAPES: Final = re.compile(
    r"^\s*- (?:banner|navigation|main|region|group|search|form|heading|table|columnheader|button|link|combobox|textbox"
    r"|searchbox|checkbox|img|term|status)\b.*"
)
"""Lines of an outline that are compared: landmarks, headings and what can be used, with their names."""


@dataclass(frozen=True)
class Screen:
    """A page to show. `prepared`: what is done on it first. `height`: of a wide window, for a page that fills it."""

    name: str
    agent: str
    path: str
    prepared: Callable[[Page], Awaitable[None]] | None = None
    height: int | None = None


async def two_chosen(page: Page) -> None:
    for box in (await page.locator('#rows input[name="id"]').all())[:2]:
        await box.check()


def hung(token: str) -> Callable[[Page], Awaitable[None]]:
    """Open the wall with that token."""

    async def opened(page: Page) -> None:
        await page.locator("#token").fill(token)
        await page.locator("main button").click()
        await expect(page.locator("#board")).to_be_visible()

    return opened


async def rehearsed(page: Page) -> None:
    await page.get_by_role("button", name="Prøv").click()
    await expect(page.locator("ol.history")).to_be_visible(timeout=60_000)


@dataclass(frozen=True)
class Stage:
    """The served story, a browser, and the pages that it shows."""

    console: Console
    screens: list[Screen]

    @asynccontextmanager
    async def opened(self, screen: Screen, width: int = 1280, look: str = "light") -> AsyncIterator[Page]:
        """The page, prepared, in a browser profile of its own."""
        height = screen.height if screen.height and width > 320 else WIDTHS[width]
        how: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": look}
        page = await self.console.open(screen.agent, screen.path, **how)
        if screen.prepared:
            await screen.prepared(page)
        yield page
        await page.context.close()


class AllIsWell(Asterisk):
    """An Asterisk of which every question is answered as a healthy one answers it."""

    async def check(self) -> Component:
        return Component(True, "answers")

    async def read(self, resource: str) -> Any:
        return {"state": "NOT_INUSE", "formats": [{"language": each} for each in ("nb", "nn", "en")]}


@asynccontextmanager
async def agents_stage(database_url: str, folder: Path) -> AsyncIterator[Stage]:
    """The pages of agents and leaders."""
    async with served(database_url, folder, departments=story.DEPARTMENTS) as serving, chromium() as browser:
        worked_on = await story.tell(serving.world)
        token = await story.wall_token(serving.world)
        screens = [
            Screen("queue", story.SECRETARY, "/queue"),
            Screen("card", story.SECRETARY, f"/callbacks/{worked_on.id}"),
            Screen("monday", story.SECRETARY, "/monday?department=kirurgi", two_chosen),
            Screen("figures", story.LEADER, "/figures"),
            Screen("wall", story.LEADER, "/wall", hung(token), height=560),
        ]
        yield Stage(Console(serving.world, browser, serving.url, []), screens)


@asynccontextmanager
async def operators_stage(database_url: str, folder: Path) -> AsyncIterator[Stage]:
    """The operators' page, where every part is in order, and a call that has been rehearsed beforehand is shown."""
    at = f"{story.NOW:%Y-%m-%dT%H:%M}"
    ours = OwnCommands([sys.executable, "-m", "innringing"])
    call = await ours.run("rehearse", "kirurgi", "--caller", "quick", "--json", "--language", "nb", "--at", at)
    rehearsal = folder / "rehearsal.json"
    rehearsal.write_bytes(call)

    def well(services: Services) -> Services:
        return replace(services, asterisk=AllIsWell(services.settings.ari))

    async with (
        standby() as port,
        served(
            database_url,
            folder,
            departments=story.DEPARTMENTS,
            commands=OwnCommands([sys.executable, "-c", f"print(open({str(rehearsal)!r}).read())"]),
            changed=well,
            standby_port=port,
        ) as serving,
        chromium() as browser,
    ):
        world = serving.world
        world.clock.set(story.NOW)
        await world.token(story.OPERATOR, Role.OPERATOR)
        await world.services.controllers.take(SYSTEM, "asterisk-1", "one/x", Load(calls=2, spooled=0, damaged=0))
        yield Stage(
            Console(world, browser, serving.url, []), [Screen("operate", story.OPERATOR, "/operate", rehearsed)]
        )


STAGES: Final = (agents_stage, operators_stage)


@asynccontextmanager
async def standby() -> AsyncIterator[int]:
    """Something that answers as the standby does. Yields its port."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(answers, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def outline(page: Page) -> str:
    """The page in words: its landmarks, its headings and what can be used, in their order."""
    lines = (await page.locator("body").aria_snapshot()).splitlines()
    kept = [line.rstrip(":") for line in lines if SHAPES.match(line)]
    return "\n".join(kept) + "\n"


async def picture(page: Page, width: int, format: str = "webp") -> bytes:
    """The page, as much of it as pictures show."""
    height = await page.evaluate("Math.ceil(document.getElementById('main').getBoundingClientRect().bottom)")
    session = await page.context.new_cdp_session(page)
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, WIDTHS[width]), "scale": 1}
    taken = await session.send(
        "Page.captureScreenshot",
        {"format": format, "captureBeyondViewport": True, "clip": clip}
        | ({"quality": QUALITY} if format == "webp" else {}),
    )
    return base64.b64decode(cast(str, taken["data"]))


def file_of(screen: str, width: int, look: str) -> Path:
    """Where that picture is."""
    return FOLDER / f"{screen}-{width}-{look}.webp"


def outline_of(screen: str) -> Path:
    """Where that page's outline is."""
    return FOLDER / f"{screen}.outline"
