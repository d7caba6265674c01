"""Every page in its states, for people with disabilities: axe-core finds nothing in any language and any colours.

Each state is checked in light, dark and forced colours, and in the widths of a narrow screen and of 200 % zoom. What
is found is collected, so that a run names all of it. Charts and recording have tests of their own.
"""

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from api.own_commands import OwnCommands
from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.callbacks.model import CallKey, IncompleteStep, WhyEnded
from desk.numbers.phone_number import parse_phone
from tests.support.synthetic import synthetic_identity
from tests.support.web.axe import violations
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

PASSWORD = "fire ord som ingen gjetter"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced": {"color_scheme": "light", "forced_colors": "active"},
}
NARROW = (320, 640)
"""A narrow screen, and a screen of 1280 pixels at 200 % zoom."""
FAULTS = [{"file": "departments.toml", "line": 7, "reason": "«cutoff» is missing", "note": False}]
CALLS = [
    {
        "title": "x",
        "lines": ["«Hei.»", "innringeren taster"],
        "faults": ["no end"],
        "prompts": ["welcome"],
        "language": "nb",
    }
]
ANSWERS = f"import sys; print({json.dumps(FAULTS)!r} if 'check' in sys.argv else {json.dumps(CALLS)!r})"


@dataclass
class States:
    """Checks one state of a page after another, and collects what is wrong."""

    console: Console
    language: str
    found: list[str] = field(default_factory=list)
    count: int = 0

    async def open(self, agent: str, path: str) -> Page:
        return await self.console.open(agent, path, locale=self.language, reduced_motion="reduce")

    async def stranger(self, path: str) -> Page:
        how = {"locale": self.language, "reduced_motion": "reduce"}  # a dialog that fades in has too little contrast
        profile = await self.console.browser.new_context(base_url=self.console.address, **how)
        return await self.console.page(profile, path)

    async def check(self, page: Page, state: str) -> None:
        self.count += 1
        await expect(page.locator("html")).to_have_attribute("lang", self.language)
        for name, how in LOOKS.items():
            await page.emulate_media(**how)
            self.found += [f"{state}, {name}: {each}" for each in await violations(page)]
        size = page.viewport_size
        assert size is not None
        for width in NARROW:
            await page.set_viewport_size({"width": width, "height": size["height"]})
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                self.found.append(f"{state}: wider than {width} pixels")
        await page.set_viewport_size(size)

    async def each(self, page: Page, *paths: str) -> None:
        """Check each of these pages as it opens."""
        for path in paths:
            await page.goto(path)
            await self.check(page, path)


@pytest.fixture(params=["nb", "nn", "en"])
async def states(request: pytest.FixtureRequest, migrated_url: str, tmp_path: Path) -> AsyncIterator[States]:
    commands = OwnCommands([sys.executable, "-c", ANSWERS])
    async with served(migrated_url, tmp_path, commands=commands) as serving, chromium() as browser:
        console = Console(serving.world, browser, serving.url, [])
        world = serving.world
        world.tokens["kari"] = await world.services.agents.add(SYSTEM, "kari", Role.AGENT, ["*"], phone="kari-phone")
        for agent, role in (("lise", Role.LEADER), ("alf", Role.AUDITOR), ("olga", Role.OPERATOR)):
            await console.add(agent, role)
        checked = States(console, request.param)
        yield checked
        assert checked.found == []
        expected = ("404", "401", "403", "409", "412", "422", "ERR_", "Failed to fetch")
        assert [each for each in console.faults if not any(words in each for words in expected)] == []


async def hangs_up(console: Console, n: int) -> None:
    await console.world.services.callbacks.registration.record_call(
        CALLER,
        CallKey("node-1", f"left-{n}"),
        "kirurgi",
        phone=parse_phone(f"+476805{n:04}"),
        step=IncompleteStep.PHONE,
        why=WhyEnded.HUNG_UP,
    )


async def test_log_in_and_settings(states: States) -> None:
    world = states.console.world
    await world.token("ola")
    await world.services.logins.set_password("ola", PASSWORD, first_for=timedelta(days=1))
    await world.services.logins.set_password("kari", PASSWORD)
    page = await states.stranger("/log-in")
    await states.check(page, "log-in")
    for password in ("feil", PASSWORD):
        await page.locator("#name").fill("ola")
        await page.locator("#password").fill(password)
        await page.locator("#log-in form button").first.click()
        if password == "feil":
            await expect(page.get_by_role("alert").filter(has_text=".")).to_be_visible()
            await states.check(page, "log-in refused")
    await expect(page.locator("#old")).to_be_visible()
    await states.check(page, "first password")
    await page.locator("#old").fill("feil")
    await page.locator("#new").fill("kort")
    await page.locator(".narrow button").click()
    await expect(page.get_by_role("alert").filter(has_text=".")).to_be_visible()
    await states.check(page, "first password refused")
    own = await states.open("kari", "/log-in/second-factor")
    await states.check(own, "second factor")
    await own.locator(".narrow button").click()
    await expect(own.locator(".qr svg")).to_be_visible()
    await states.check(own, "second factor with its QR code")
    await own.locator("#code").fill("000000")
    await own.locator(".narrow button").click()
    await expect(own.get_by_role("alert").filter(has_text=".")).to_be_visible()
    await states.check(own, "second factor refused")
    await own.goto("/settings")
    await own.locator("#label").fill("program")
    await own.locator("#label").press("Enter")
    await expect(own.locator(".secret")).to_be_visible()
    await states.check(own, "settings with a new token")
    await own.keyboard.press("Alt+Shift+K")
    await expect(own.locator("#keys")).to_be_visible()
    await states.check(own, "keys")
    await states.each(own, "/settings", "/nothing", "/audit")


async def test_queue_and_card(states: States) -> None:
    console = states.console
    world = console.world
    page = await states.open("kari", "/queue")
    await states.check(page, "empty queue")
    await states.each(page, "/queue?empty=1&sent=1", "/queue?text=finnesikke", "/queue?text=68050001")
    callbacks = [await world.rings(n) for n in range(1, 7)]
    await world.rings(1)
    async with world.database.begin() as connection:
        for change in (
            "update inquiries set suspected = true where id = :b",
            "update inquiries set priority = 0, note = 'Gjelder kontroll', topic = 'time' where id = :a",
        ):
            given = {"a": callbacks[0].id, "b": callbacks[1].id}
            await connection.execute(text(change), {key: given[key] for key in given if f":{key}" in change})
    await world.services.recordings.keep(SYSTEM, callbacks[2].id, bytes(8000))
    await world.post(f"/callbacks/{callbacks[3].id}/claim", by="ola")
    world.clock.advance(timedelta(hours=5, minutes=30))  # soon: 14:30
    page = await states.open("kari", "/queue")  # the session has ended meanwhile
    await states.check(page, "queue")
    await page.evaluate("document.getElementById('connection').hidden = false")
    await page.evaluate("document.getElementById('show-new').hidden = false")
    await page.evaluate("document.getElementById('show-new').textContent = 'Oppdater (1 ny)'")
    await states.check(page, "queue without a connection, with a new row")
    await page.evaluate("document.getElementById('staying').showModal()")
    await states.check(page, "about to be logged out")
    await page.evaluate("document.getElementById('staying').close()")
    await page.evaluate("document.getElementById('again-code-field').hidden = false")
    await page.evaluate("document.getElementById('log-in-dialog').showModal()")
    await states.check(page, "logged out, with the code asked for")
    await states.each(page, f"/callbacks/{callbacks[3].id}", f"/callbacks/{callbacks[2].id}")
    await page.keyboard.press("Alt+n")
    await expect(page.locator(".outcomes")).to_be_visible()
    for folded in await page.locator("details.more > summary").all():
        await folded.click()
    await page.locator('form[action$="/patient"] button').click()
    await expect(page.locator("#identity")).to_be_visible()
    await states.check(page, "card being worked on, with its number")
    await page.keyboard.press("Alt+c")
    await expect(page.locator("#dial[data-polls]")).to_be_visible()
    await states.check(page, "card while it rings")
    await page.locator("#note").fill(synthetic_identity(1))
    await page.locator("#note-form button").click()
    await expect(page.get_by_role("alert").filter(has_text=".")).to_be_visible()
    await states.check(page, "note refused")
    await page.goto(f"/callbacks/{callbacks[4].id}")
    await page.keyboard.press("Alt+n")
    await expect(page.locator(".outcomes")).to_be_visible()
    await world.as_("ola", "PATCH", f"/callbacks/{callbacks[4].id}", json={"note": "Olas"}, headers={"If-Match": "*"})
    await expect(page.locator("#newer")).to_be_visible()
    await states.check(page, "card that a colleague has changed")
    await page.locator("#note").fill("mitt")
    await page.locator("#note-form button").click()
    await expect(page.locator("blockquote")).to_be_visible()
    await states.check(page, "colleague's newer note")
    await page.keyboard.press("Alt+1")
    await expect(page.locator("#next-step")).to_be_visible()
    await states.check(page, "closed card")


async def test_lists_and_the_board(states: States) -> None:
    console = states.console
    world = console.world
    page = await states.open("kari", "/monday")
    await states.check(page, "empty board")
    await states.each(page, "/incomplete", "/search", "/monday?department=hjerte")
    for n in range(1, 5):
        await world.rings(n)
    await hangs_up(console, 21)
    await page.goto("/monday")
    await page.keyboard.press("Alt+2")
    await expect(page.get_by_role("alert").filter(has_text=".")).to_be_visible()
    await states.check(page, "board with nothing chosen")
    for box in (await page.locator("#rows input").all())[:2]:
        await box.check()
    await states.check(page, "board with two chosen")
    await page.keyboard.press("Alt+2")
    await expect(page.locator("#board [role=status] p")).to_be_visible()
    await states.check(page, "board after a sort")
    await states.each(page, "/incomplete")
    await page.goto("/incomplete")
    (call,) = (await world.get("/calls", params={"incomplete": True}))["items"]
    await world.as_("ola", "POST", f"/calls/{call['id']}/dismiss", json={"reason": "reached"})
    await page.locator("td.actions form button").first.click()
    await expect(page.get_by_role("alert").filter(has_text=".")).to_be_visible()
    await states.check(page, "call that a colleague has dealt with")
    for what, state in (("68050001", "found"), ("finnesikke", "not found"), ("1", "search refused")):
        await page.goto("/search")
        await page.locator("#search-text").fill(what)
        await page.locator("#search-text").press("Enter")
        await expect(page.locator('main [role="status"], main [role="alert"]').first).to_be_visible()
        await states.check(page, state)


async def test_pages_of_leaders_auditors_and_operators(states: States) -> None:
    console = states.console
    world = console.world
    lise = await states.open("lise", "/desk")
    await states.check(lise, "leader's desk")
    await lise.locator("details.more summary").first.click()
    await lise.locator("#from-kirurgi").fill("2026-11-25T12:00")
    await lise.locator("#until-kirurgi").fill("2026-11-25T10:00")
    await lise.locator("#until-kirurgi").press("Enter")
    await expect(lise.get_by_role("alert").filter(has_text=".")).to_be_visible()
    await states.check(lise, "closure refused")
    await lise.locator("details.more summary").first.click()
    await lise.locator("#from-kirurgi").fill("2026-11-25T10:00")
    await lise.locator("#until-kirurgi").fill("2026-11-25T12:00")
    await lise.locator("#until-kirurgi").press("Enter")
    await expect(lise.locator("ul.history")).to_be_visible()
    await states.check(lise, "leader's desk with a closure")
    await states.each(lise, "/figures", "/figures?from=2026-12-01&to=2026-11-01")
    callback = await world.rings()
    await world.get(f"/callbacks/{callback.id}/patient")
    alf = await states.open("alf", "/audit")
    await states.check(alf, "audit")
    await states.each(alf, "/audit?who=finnesikke")
    await alf.goto("/audit")
    await alf.locator("#identity").fill(synthetic_identity(1))
    await alf.locator("button[value=page]").click()
    await expect(alf.locator("#main table")).to_be_visible()
    await states.check(alf, "extract")
    await alf.goto("/audit")
    await alf.locator('form[action="/audit/verify"] button').click()
    await expect(alf.locator("dl.facts")).to_be_visible()
    await states.check(alf, "verified")
    olga = await states.open("olga", "/operate")
    await states.check(olga, "operate")
    await olga.locator('form[action="/operate/check"] button').click()
    await expect(olga.locator("code").filter(has_text="departments.toml:7")).to_be_visible()
    await states.check(olga, "mistakes in files")
    await olga.locator('form[action="/operate/rehearse"] button').click()
    await expect(olga.locator("audio")).to_be_visible()
    await states.check(olga, "rehearsed call")
