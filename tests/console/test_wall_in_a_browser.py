"""The wall screen in a real Chromium: live, honest about a lost connection, and readable from a distance."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from api.auth.cookies import WALL
from desk.access.actor import SYSTEM
from desk.access.agent import WALL_ONLY
from desk.access.permissions import Role
from desk.accounts.tokens.model import TokenScope
from tests.support.web.axe import violations
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
async def console(migrated_url: str, tmp_path: Path) -> AsyncIterator[Console]:
    async with served(migrated_url, tmp_path, recheck_seconds=0.3) as serving, chromium() as browser:
        opened = Console(serving.world, browser, serving.url, [])
        yield opened
        assert opened.faults == []


async def screen(console: Console, *departments: str, **context: Any) -> Page:
    """A wall screen of its own."""
    await console.add("lise", Role.LEADER)
    scope = TokenScope(frozenset(departments or ("kirurgi", "hjerte")), WALL_ONLY)
    tokens = console.world.services.agents.tokens
    secret = (await tokens.issue(SYSTEM, "lise", "gangen", scope=scope)).secret
    profile = await console.browser.new_context(base_url=console.address, **{"locale": "nb-NO", **context})
    page = await console.page(profile, "/wall")
    await page.locator("#token").fill(secret)
    await page.locator("main button").click()
    await expect(page.locator("#board")).to_be_visible()
    await page.wait_for_load_state()  # its style sheets too
    assert secret not in page.url
    (kept,) = await profile.cookies()
    assert (kept["name"], kept["httpOnly"], kept["sameSite"]) == (WALL, True, "Strict")
    return page


async def test_new_callback_and_an_overdue_one_show_by_themselves(console: Console) -> None:
    page = await screen(console)
    waiting = page.locator("#wall-kirurgi .wall-queue dd").nth(0)
    overdue = page.locator("#wall-kirurgi .wall-queue dd").nth(2)
    await expect(waiting).to_have_text("0")
    first = await console.world.rings(1)
    await expect(waiting).to_have_text("1")
    await expect(overdue).to_have_text("0")
    console.world.clock.advance(first.promise.by - console.world.clock.now() + timedelta(minutes=1))
    await console.world.rings(2, department="hjerte")
    await expect(overdue).to_have_text("1")
    await expect(page.locator("#wall-kirurgi [data-urgency=overdue]")).to_be_visible()
    await expect(page.locator("#lost")).to_be_hidden()


async def test_lost_connection_is_shown_with_the_time_of_the_figures(console: Console) -> None:
    page = await screen(console)
    known = await page.locator("#board").get_attribute("data-clock")
    await page.context.set_offline(True)
    await expect(page.locator("#lost")).to_have_text(
        f"Ingen forbindelse. Tallene er fra klokken {known}.", timeout=30_000
    )
    await console.world.rings(1)
    await page.context.set_offline(False)
    await expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
    await expect(page.locator("#wall-kirurgi .wall-queue dd").nth(0)).to_have_text("1")
    console.faults[:] = [each for each in console.faults if "ERR_" not in each and "Failed to fetch" not in each]


async def test_revoked_screen_shows_nothing_more_by_itself(console: Console) -> None:
    page = await screen(console)
    tokens = console.world.services.agents.tokens
    (found,) = [each for each in await tokens.list(SYSTEM, "lise") if each.scope.is_wall_screen]
    await tokens.revoke(SYSTEM, found.id)
    await expect(page.get_by_text("Tilgangen er trukket tilbake eller har gått ut.")).to_be_visible(timeout=30_000)
    await expect(page.locator("#board")).to_have_count(0)
    console.faults[:] = [each for each in console.faults if "401" not in each]


async def test_leader_makes_this_browser_a_wall_screen_in_one_form(console: Console) -> None:
    await console.add("lise", Role.LEADER, "kirurgi")
    page = await console.open("lise", "/desk")
    await page.get_by_role("link", name="Veggskjermer").click()
    assert await violations(page) == []
    await page.get_by_label("Navn").fill("gangen")
    await page.get_by_role("button", name="Vis på denne skjermen").click()
    await expect(page.locator("#wall-kirurgi")).to_be_visible()
    await page.goto("/queue")
    await expect(page.get_by_role("heading", name="Logg inn")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "looks"), [("nb", "light"), ("nb", "dark"), ("nb", "forced"), ("nn", "light"), ("en", "light")]
)
async def test_axe_finds_nothing_on_the_wall(console: Console, language: str, looks: str) -> None:
    late = await console.world.rings(1)
    world = console.world
    world.clock.advance(late.promise.by - world.clock.now() + timedelta(minutes=1))
    now = world.clock.now()
    await world.services.callbacks.closures.close_queue(
        SYSTEM, "kirurgi", from_=now - timedelta(minutes=1), until=now + timedelta(hours=1)
    )
    how: dict[str, Any] = {"locale": language, "color_scheme": "dark" if looks == "dark" else "light"}
    if looks == "forced":
        how["forced_colors"] = "active"
    page = await screen(console, **how)
    await expect(page.locator(".wall-closed")).to_be_visible()
    assert await violations(page) == []
    await page.context.set_offline(True)
    await expect(page.locator("#lost")).to_be_visible(timeout=30_000)
    assert await violations(page) == []
    await page.context.set_offline(False)
    await page.get_by_role("contentinfo").get_by_role("button").click()
    await expect(page.locator("#token")).to_be_visible()
    assert await violations(page) == []
    console.faults[:] = [each for each in console.faults if "ERR_" not in each and "Failed to fetch" not in each]


@pytest.mark.parametrize("width", [320, 1920])
async def test_wall_fits_its_screen_and_is_read_from_afar(console: Console, width: int) -> None:
    height = 640 if width == 320 else 1080
    page = await screen(console, viewport={"width": width, "height": height}, reduced_motion="reduce")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = "[...document.querySelectorAll('{}')].map(each => parseFloat(getComputedStyle(each).fontSize))"
    figures = await page.evaluate(sizes.format(".wall-queue dd"))
    words = await page.evaluate(sizes.format(".wall-queue dt, .wall-facts dt, .wall-facts dd"))
    if width == 1920:  # on a screen one metre wide: 43 mm and 13 mm
        assert min(figures) >= 80 and min(words) >= 25
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    else:
        assert min(figures) >= 40 and min(words) >= 18
        lines = "all => all.map(each => Math.round(each.clientHeight / parseFloat(getComputedStyle(each).lineHeight)))"
        names = dict(
            zip(await page.locator("h2").all_inner_texts(), await page.locator("h2").evaluate_all(lines), strict=True)
        )
        assert names["Hjertepoliklinikken"] == 1, "one word is on one line"
