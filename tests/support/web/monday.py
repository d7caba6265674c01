"""A whole Monday: people ring in the weekend by real SIP calls, and two secretaries ring them all back in a browser.

One works with the mouse alone, the other with the keyboard alone, each in a department of her own. Those who do not
answer in the morning are called again before noon. At the end the database is compared with what really happened at
the phones.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, expect

from api.auth.cookies import SESSION
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.wire import open_database
from tests.support.machine.other_time import AT_OTHER_TIME, MovedClock
from tests.support.phone import sipp
from tests.support.phone.dial_system import Exchange, running_exchange
from tests.support.phone.town import town
from tests.support.web.hands import SOON, KeyboardHands, MouseHands, watch
from tests.support.web.monday_compared import compared
from tests.support.web.monday_story import DEPARTMENTS, DESKS, TOPICS, Desk, Monday, Worked, people
from tests.support.web.secretary import Person, Secretary

SATURDAY: Final = datetime(2026, 11, 21, 11, tzinfo=UTC)
MORNING: Final = datetime(2026, 11, 23, 7, 5, tzinfo=UTC)  # five past eight in Oslo
NOON: Final = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)  # two hours after the last try of the morning

WAVE: Final = 25
"""Callers of one department at once: two departments have about fifty calls then."""


async def play(folder: Path, browser: Browser, count: int, **given: object) -> Monday:
    """Play it with that many people in each department, and compare. `given` are settings."""
    clock = MovedClock(folder)
    clock.set(SATURDAY)
    settings = {"patient_rings": 3, **given}
    with running_exchange(folder, departments=DEPARTMENTS, interpreter=AT_OTHER_TIME, **settings) as exchange:
        return await _play(exchange, browser, clock, count)


async def _play(exchange: Exchange, browser: Browser, clock: MovedClock, count: int) -> Monday:
    ours = [Worked(desk, people(desk, count)) for desk in DESKS]
    replies = {each.number: list(each.replies) for worked in ours for each in worked.people}
    async with town(exchange, replies) as living:
        monday = Monday(exchange, living, ours)
        begun = time.monotonic()
        for desk in DESKS:
            await _add(exchange, desk)
        await asyncio.gather(*(_weekend(exchange, each.desk, each.people) for each in ours))
        begun = _lap(monday, "calls", begun)
        for name, moment in (("morning", MORNING), ("noon", NOON)):
            clock.set(moment)
            clipboard = asyncio.Lock()
            first = moment is MORNING
            await asyncio.gather(*(_work(monday, browser, clock, clipboard, each, first=first) for each in ours))
            begun = _lap(monday, name, begun)
        await exchange.nothing_is_left()
        monday.wrong += await compared(monday)
    return monday


def _lap(monday: Monday, name: str, begun: float) -> float:
    now = time.monotonic()
    monday.seconds[name] = now - begun
    return now


async def _add(exchange: Exchange, desk: Desk) -> None:
    settings = exchange.system.settings
    async with open_database(settings.database) as database:
        agents = Agents(database=database, clock=MovedClock(exchange.system.folder))
        await agents.add(SYSTEM, desk.agent, Role.AGENT, [desk.slug], phone="demo-phone")


async def _weekend(exchange: Exchange, desk: Desk, every: Sequence[Person]) -> None:
    """Everyone rings, one wave after another, keys an identity number, and hears the receipt to its end."""
    folder, port = exchange.system.folder / desk.slug, exchange.system.settings.sip.port
    callers = [(each.number, each.identity) for each in every]
    for wave in (callers[first : first + WAVE] for first in range(0, len(callers), WAVE)):
        outcome = await sipp.ring(folder, port, desk.extension, wave, rate=3, before_keys=1.0)
        assert (outcome.successful, outcome.failed) == (len(wave), 0)


async def _work(
    monday: Monday, browser: Browser, clock: MovedClock, clipboard: asyncio.Lock, worked: Worked, *, first: bool
) -> None:
    """One secretary's morning, or her second round."""
    desk, settings = worked.desk, monday.system.system.settings
    async with open_database(settings.database) as database:
        session = await Sessions(database=database, clock=clock).open(SYSTEM, desk.agent, source=LoginSource.PASSWORD)
    address = f"http://127.0.0.1:{settings.api.port}"
    may = ["clipboard-read", "clipboard-write"]
    profile = await browser.new_context(base_url=address, locale="nb-NO", permissions=may)
    await profile.add_cookies([{"name": SESSION, "value": session.token, "url": address}])
    used = await watch(profile)
    page = await profile.new_page()
    page.on("console", lambda said: monday.faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: monday.faults.append(str(error)))
    begun = time.monotonic()
    await page.goto("/queue")
    hands = MouseHands(page) if desk.hands == "mouse" else KeyboardHands(page)
    secretary = Secretary(hands, worked.people, TOPICS, monday.town, desk.number, clipboard, worked.diary)
    if first:
        await expect(page.locator("#rows tr")).to_have_count(len(worked.people), timeout=SOON)
        await expect(page.locator("#rows time").first).to_have_text("i dag innen 15:00")
        await secretary.sort()
        worked.sorting = hands.acts
    await secretary.empty_the_queue()
    worked.seconds += time.monotonic() - begun
    worked.calling += hands.acts - (worked.sorting if first else 0)
    worked.letters += hands.letters
    worked.used |= used
    if isinstance(hands, KeyboardHands):
        monday.faults += hands.hidden
    await profile.close()
