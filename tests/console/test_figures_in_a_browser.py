"""The page of figures in a real Chromium: with charts to show, in each language and colour scheme."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from desk.access.permissions import Role
from tests.support.web.axe import violations
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "forced": {"color_scheme": "light", "forced_colors": "active"},
}


@pytest.fixture
async def console(migrated_url: str, tmp_path: Path) -> AsyncIterator[Console]:
    """A console with a promise kept, one broken, and a leader."""
    async with served(migrated_url, tmp_path) as serving, chromium() as browser:
        world = serving.world
        kept, _ = await world.rings(1), await world.rings(2)
        fence = (await world.post(f"/callbacks/{kept.id}/claim"))["fence"]
        await world.post(f"/callbacks/{kept.id}/attempts", {"fence": fence, "outcome": "reached"})
        world.clock.advance(timedelta(hours=7))
        await world.services.statistics.tallies.follow()
        opened = Console(world, browser, serving.url, [])
        await opened.add("lise", Role.LEADER)
        yield opened
        assert opened.faults == []


@pytest.mark.parametrize("looks", list(LOOKS))
@pytest.mark.parametrize("language", ["nb", "nn", "en"])
async def test_axe_finds_nothing_on_the_figures(console: Console, language: str, looks: str) -> None:
    page = await console.open("lise", "/figures", locale=language, **LOOKS[looks])
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await expect(page.locator("svg.chart rect.broken").last).to_be_visible()
    await page.locator("details.more summary").click()
    assert await violations(page) == []


async def test_each_chart_has_its_table_and_the_menu_leads_agents_there(console: Console) -> None:
    page = await console.open("kari")
    await page.get_by_role("navigation").get_by_role("link", name="Tall").click()
    await expect(page.locator("svg.chart")).to_be_visible()
    for section in await page.locator("section:has(svg[role=img])").all():
        await section.locator("details.more summary").click()
        await expect(section.get_by_role("table")).to_be_visible()


async def test_tables_are_read_without_scrolling_sideways_on_a_narrow_screen(console: Console) -> None:
    page = await console.open("lise", "/figures", viewport={"width": 320, "height": 640})
    await page.locator("details.more summary").click()
    tables = await page.locator("table.figures").all()
    assert len(tables) > 5
    for table in tables:
        assert await table.evaluate("each => each.parentElement.scrollWidth <= each.parentElement.clientWidth")
        heads = [await each.text_content() for each in await table.locator("thead th").all()]
        rows = await table.locator("tbody tr").all()
        for row in rows:
            cells = await row.locator("td[data-label]").all()
            assert [await each.get_attribute("data-label") for each in cells] == heads[1:]
            for each in cells:
                label = await each.evaluate(
                    "each => (({ content, textAlign }) => [content, textAlign])(getComputedStyle(each, '::before'))"
                )
                assert (label[0] != "none", label[1]) == (True, "start")
                assert await each.evaluate("each => getComputedStyle(each).overflowWrap") == "normal", (
                    "85,2 is one word"
                )
    assert await violations(page) == []


async def test_tables_are_read_without_scrolling_sideways_on_a_wide_screen(console: Console) -> None:
    page = await console.open("lise", "/figures", viewport={"width": 1280, "height": 900})
    await page.locator("details.more summary").click()
    await expect(page.locator("#figure-overview")).to_be_visible()
    too_wide = "each => each.filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)"
    assert await page.locator(".scroll").evaluate_all(too_wide) == []


async def test_chosen_days_are_said_in_words_whatever_order_the_browser_shows_them_in(console: Console) -> None:
    page = await console.open("lise", "/figures?from=2026-11-03&to=2026-11-24")
    first = page.locator("#from")
    await expect(first).to_have_accessible_description("tirsdag 3. november 2026")
    await expect(page.locator("#to-day")).to_have_text("tirsdag 24. november 2026")
    await first.fill("2026-11-04")
    await expect(first).to_have_accessible_description("onsdag 4. november 2026")
    await page.locator("#bucket").select_option("week")
    await expect(page).to_have_url(re.compile("from=2026-11-04.*bucket=week"))
    await expect(first).to_have_accessible_description("onsdag 4. november 2026")
    await first.fill("")
    await expect(page.locator("#from-day")).to_have_text("")
    page = await console.open("lise", "/desk", locale="nn")
    await page.locator("details.more summary").first.click()
    await page.locator("#from-kirurgi").fill("2026-12-04T07:30")
    await expect(page.locator("#from-kirurgi-day")).to_have_text("fredag 4. desember 2026 kl. 07:30")
    page = await console.open("lise", "/figures?from=2026-11-03", locale="en")
    await expect(page.locator("#from-day")).to_have_text("Tuesday, November 3, 2026")
