"""Seven tasks of a secretary, done in a real Chromium: the keys, clicks and fields that each takes are in the docs."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.departments.departments import Departments
from desk.paths import ROOT
from tests.support.web.api import DEPARTMENTS
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

HEAD = "| task | keys | clicks | fields | Zammad: keys, clicks, fields | counted from |"
THREE = Departments(
    [*DEPARTMENTS.all(), replace(DEPARTMENTS.get("hjerte"), slug="ortopedi", name="Ortopedisk", extension="3000")]
)
"""With two departments there is nothing to choose when one transfers."""


def documented() -> dict[str, tuple[int, ...]]:
    """The table in docs/benchmarks.md: the keys, clicks and fields of each task."""
    _, _, rest = (ROOT / "docs" / "benchmarks.md").read_text("utf-8").partition(HEAD)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in rest.strip().split("\n\n")[0].split("\n")]
    return {row[0]: tuple(int(cell) for cell in row[1:4]) for row in rows[1:]}


@dataclass
class Hand:
    """Does on a page what a person does, and counts it. A chord such as Alt+N is one key."""

    page: Page
    keys: int = 0
    clicks: int = 0
    fields: int = 0

    async def press(self, key: str) -> None:
        self.keys += 1
        await self.page.keyboard.press(key)

    async def click(self, place: Locator) -> None:
        self.clicks += 1
        await place.click()

    async def types(self, text: str) -> None:
        self.fields += 1
        await self.page.keyboard.type(text)


@pytest.fixture
async def console(migrated_url: str, tmp_path: Path) -> AsyncIterator[Console]:
    async with served(migrated_url, tmp_path, departments=THREE) as serving, chromium() as browser:
        opened = Console(serving.world, browser, serving.url, [])
        agents = serving.world.services.agents
        serving.world.tokens["kari"] = await agents.add(SYSTEM, "kari", Role.AGENT, ["*"], phone="kari-phone")
        yield opened
        assert opened.faults == []


async def claims_and_rings(console: Console) -> Hand:
    await console.world.rings()
    hand = Hand(await console.open("kari"))
    await hand.press("Alt+n")
    await expect(hand.page.get_by_role("button", name="Ring", exact=True)).to_be_visible()
    await hand.press("Alt+c")
    await expect(hand.page.get_by_role("button", name="Legg på")).to_be_visible()
    return hand


async def records_an_outcome(console: Console) -> Hand:
    callback = await console.world.rings()
    await console.world.post(f"/callbacks/{callback.id}/claim")
    hand = Hand(await console.open("kari", f"/callbacks/{callback.id}"))
    await hand.press("Alt+2")
    await expect(hand.page.locator("#next-step")).to_be_visible()
    return hand


async def finds_a_caller(console: Console) -> Hand:
    callback = await console.world.rings(7)
    hand = Hand(await console.open("kari"))
    await hand.press("Alt+s")
    await expect(hand.page.locator("#search-text")).to_be_focused()
    await hand.types("68 05 00 07")
    await hand.press("Enter")
    await expect(hand.page.locator(f"#row-{callback.id}")).to_be_visible()
    return hand


async def transfers(console: Console) -> Hand:
    callback = await console.world.rings()
    hand = Hand(await console.open("kari", f"/callbacks/{callback.id}"))
    await hand.press("Alt+t")
    await hand.press("o")
    await hand.press("Enter")
    await expect(hand.page.get_by_text("sendt til den andre avdelingen")).to_be_visible()
    assert (await console.world.get(f"/callbacks/{callback.id}"))["department"] == "ortopedi"
    return hand


async def writes_a_note(console: Console) -> Hand:
    callback = await console.world.rings()
    hand = Hand(await console.open("kari", f"/callbacks/{callback.id}"))
    await hand.press("Alt+m")
    await hand.types("Trenger tolk")
    await hand.press("Tab")
    await hand.press("Enter")
    await expect(hand.page.locator("#next-step")).to_have_text("Notatet er lagret.")
    return hand


async def sorts_ten(console: Console) -> Hand:
    ten = [await console.world.rings(n) for n in range(1, 11)]
    hand = Hand(await console.open("kari", "/monday"))
    await hand.click(hand.page.get_by_role("button", name="Velg alle: Uten tema"))
    await hand.press("Alt+2")
    await expect(hand.page.get_by_text("10 er sortert.")).to_be_visible()
    assert {(await console.world.get(f"/callbacks/{each.id}"))["topic"] for each in ten} == {"resept"}
    return hand


async def sees_earlier_callbacks(console: Console) -> Hand:
    earlier = await console.world.rings(1, department="hjerte")
    await console.world.as_("ola", "POST", f"/callbacks/{earlier.id}/close", json={"reason": "other"})
    callback = await console.world.rings(1)
    hand = Hand(await console.open("kari", f"/callbacks/{callback.id}"))
    others = hand.page.get_by_role("region", name="Andre tilbakeringinger til pasienten")
    await expect(others.locator("li")).to_have_text(re.compile("Hjertepoliklinikken · annet"))
    return hand


TASKS: dict[str, Callable[[Console], Awaitable[Hand]]] = {
    "claim the next and ring": claims_and_rings,
    "record an outcome": records_an_outcome,
    "find a caller": finds_a_caller,
    "transfer to another department": transfers,
    "write a note": writes_a_note,
    "set the topic of ten": sorts_ten,
    "see the patient's other callbacks": sees_earlier_callbacks,
}


@pytest.mark.parametrize("task", TASKS)
async def test_task_takes_what_the_docs_say(console: Console, task: str) -> None:
    hand = await TASKS[task](console)
    assert (hand.keys, hand.clicks, hand.fields) == documented()[task]


def test_every_task_is_documented(migrated_url: str) -> None:
    assert list(documented()) == list(TASKS)
