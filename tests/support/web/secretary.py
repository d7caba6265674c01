"""A secretary's Monday at the console: the backlog sorted, then one callback after another until the queue is empty."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from playwright.async_api import expect

from tests.support.phone.town import Reply, Town
from tests.support.web.hands import SOON, Hands

OUTCOMES: Final = (Reply.REACHED, Reply.SILENT, Reply.BUSY, Reply.MACHINE, Reply.WRONG)
"""In the order of the keys Alt+1 to Alt+5."""
SPOKE: Final = "Snakket sammen. Skal ringe igjen ved behov."


@dataclass(frozen=True)
class Person:
    """Someone who rings in the weekend. `topic` and `urgent`: what the secretary decides on Monday."""

    number: str
    identity: str
    topic: str
    urgent: bool
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class Line:
    """A line of what the secretary did: whom she rang, what came of it, and what the page said happens next."""

    number: str
    reply: Reply
    said: str
    copied: str | None


@dataclass
class Secretary:
    """One at her desk. `shows`: the number that her department shows when it rings her. All share the clipboard."""

    hands: Hands
    people: Sequence[Person]
    topics: Sequence[str]
    town: Town
    shows: str
    clipboard: asyncio.Lock
    diary: list[Line] = field(default_factory=list)

    async def sort(self) -> None:
        """Sort everything that waits by topic, many at a time, and mark what is urgent."""
        page = self.hands.page
        await self.hands.use('nav a[href="/monday"]')
        await expect(page.locator("#rows [data-id]")).to_have_count(len(self.people), timeout=SOON)
        left = len(self.people)
        for place, topic in enumerate(self.topics, start=1):
            of_topic = [each.number for each in self.people if each.topic == topic]
            if not of_topic:
                continue
            await self.hands.choose(await self._items(of_topic))
            await self.hands.use(f'button[name="topic"][value="{topic}"]', f"Alt+{place}")
            left -= len(of_topic)
            await expect(page.locator('[data-group^=" "]')).to_have_count(left, timeout=SOON)
            await self.hands.rest()
        urgent = [each.number for each in self.people if each.urgent]
        await self.hands.choose(await self._items(urgent))
        await self.hands.use('button[name="priority"][value="urgent"]', "Alt+u")
        await expect(page.locator("#rows [data-urgent]")).to_have_count(len(urgent), timeout=SOON)
        await self.hands.rest()
        await self.hands.use('nav a[href="/queue"]')

    async def empty_the_queue(self) -> None:
        """Take one after another, ring, say how it went, until no one waits."""
        page = self.hands.page
        await expect(page.locator("#queue-table")).to_be_visible(timeout=SOON)
        before = ""
        while True:
            await self.hands.use('[data-action="next"]', "Alt+n")
            await expect(page.locator(f"#card:not([data-id='{before}']), #queue .ds-alert").first).to_be_visible(
                timeout=SOON
            )
            await self.hands.rest()
            if "/queue" in page.url:
                return
            before = await page.locator("#card").get_attribute("data-id") or ""
            await self._work()

    async def _work(self) -> None:
        page = self.hands.page
        number = "+47" + re.sub(r"\D", "", await page.locator("h1 .number").inner_text())
        turn = len(self.town.rang[number])
        reply = next(each for each in self.people if each.number == number).replies[turn]
        await self.hands.use('#dial [data-action="ring"]', "Alt+c")
        if reply.lifts:
            await expect(page.locator(".dial-state")).to_contain_text("I samtale", timeout=SOON)
            await self.town.hangs_up(self.shows)
            await expect(page.locator('#dial [data-action="ring"]')).to_be_visible(timeout=SOON)
            if reply is Reply.REACHED:
                await self.hands.write("#attempt-note", SPOKE)
            key = OUTCOMES.index(reply) + 1
            await self.hands.use(f'[data-action="outcome-{key}"]', f"Alt+{key}")
        said = page.locator("#next-step")
        await expect(said).to_be_visible(timeout=SOON)
        await self.hands.rest()
        self.diary.append(Line(number, reply, (await said.inner_text()).strip(), await self._copied()))

    async def _copied(self) -> str | None:
        """The ready note for the patient's record, as the clipboard has it."""
        page = self.hands.page
        if not await page.locator("#ready-note").count():
            return None
        async with self.clipboard:
            await self.hands.use('[data-copies="ready-note"]')
            await expect(page.locator('[data-copies="ready-note"]')).to_have_text("Kopiert", timeout=SOON)
            return str(await page.evaluate("navigator.clipboard.readText()"))

    async def _items(self, numbers: Sequence[str]) -> list[str]:
        """The ids of those people's callbacks on the board."""
        script = "rows => rows.map(each => [each.querySelector('.number').innerText, each.dataset.id])"
        found = await self.hands.page.locator("#rows [data-id]").evaluate_all(script)
        ids: Mapping[str, str] = {re.sub(r"\D", "", number): id for number, id in found}
        return [ids[each.removeprefix("+47")] for each in numbers]
