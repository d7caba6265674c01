"""Two agents and a leader side by side: what each page shows, compared all the time with what the database has.

Every row of a page is a statement. It is right while the database says the same; when the database changes, it is
wrong until the page has followed. The longest such time is what this measures. A row that a person is asked to bring in
(«Oppdater») is no wrong statement: the page says that there is more.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser, Page

from api.auth.cookies import SESSION
from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import ALL_DEPARTMENTS, Role
from desk.accounts.agents import Agents
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.callbacks.model import CallKey
from desk.callbacks.services import CallbackServices
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.inquiries.model import InquiryFilter, Priority, Status
from tests.support.desk.desk import person, phone
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue

DEPARTMENTS: Final = ("kirurgi", "hjerte")
OPEN: Final = frozenset({Status.WAITING, Status.CLAIMED, Status.UNREACHABLE})
AT_FIRST: Final = 12
LOOK_EVERY: Final = 0.02
_ROWS: Final = """() => {
  const list = document.getElementById("queue-table");
  if (!list) return null;
  const rows = [...list.querySelectorAll("#rows [data-id]:not([data-gone])")].map((row) => [row.dataset.id, row.dataset.version, row.querySelector("td:nth-of-type(4)").innerText.split(" ·")[0].split("\\n")[0].trim(), row.dataset.urgent !== undefined]);
  return { rows, offers: !document.getElementById("show-new").hidden };
}"""  # noqa: E501
_FACTS: Final = """() => [...document.querySelectorAll(".cards [data-facts]")].map((facts) => {
  const link = facts.querySelector(`a[href="/queue?department=${facts.dataset.facts}"]`);
  return [facts.dataset.facts, Number(link.innerText)];
})"""

Value = tuple[Any, ...] | None
"""What is said about one row; None where it is not on the list."""


@dataclass(frozen=True)
class State:
    """A callback as the database has it."""

    version: int
    status: str
    claimed_by: str | None
    urgent: bool
    department: str

    def as_seen(self, by: str) -> Value:
        """The row that this person should see."""
        words = {"waiting": "Venter", "unreachable": "Ikke nådd"}.get(self.status)
        words = words or ("Din" if self.claimed_by == by else f"Tatt av {self.claimed_by}")
        return (str(self.version), words, self.urgent)


@dataclass
class Truth:
    """Everything the database has said, with the time at which it was read."""

    desk: CallbackServices
    said: list[tuple[float, Mapping[str, State]]] = field(default_factory=list)

    async def read(self) -> None:
        """Read it now, and remember it if it is new."""
        page = await self.desk.lists.queue(SYSTEM, InquiryFilter(status=OPEN))
        now = {
            each.id: State(
                each.version, each.status.value, each.claimed_by, each.priority is Priority.URGENT, each.department
            )
            for each in page.items
        }
        if not self.said or self.said[-1][1] != now:
            self.said.append((time.monotonic(), now))

    async def follow(self) -> None:
        """Read it again and again."""
        while True:
            await self.read()
            await asyncio.sleep(LOOK_EVERY)

    def wrong_for(self, seen: Value, of: Any) -> float:
        """For how long that has been wrong; 0 while it is right. `of`: what a state of the database says about it.

        What was right between two reads only is counted from the newest of them.
        """
        until = None
        for at, states in reversed(self.said):
            if of(states) == seen:
                return 0.0 if until is None else time.monotonic() - until
            until = at
        return time.monotonic() - self.said[-1][0]


@dataclass
class Screen:
    """One person's page. `longest`: how long a statement of it was wrong at most, and which."""

    name: str
    page: Page
    truth: Truth
    longest: float = 0.0
    what: str = ""
    looks: int = 0

    async def watch(self) -> None:
        """Compare it again and again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> float:
        """Compare it with the database. Returns for how long the worst statement has been wrong."""
        return await (self._figures() if "/desk" in self.page.url else self._rows())

    async def _rows(self) -> float:
        shown = await self.page.evaluate(_ROWS)
        await self.truth.read()
        if shown is None:
            return 0.0
        self.looks += 1
        rows = {id: (version, words, urgent) for id, version, words, urgent in shown["rows"]}
        worst = 0.0
        for id in rows.keys() | self.truth.said[-1][1].keys():
            seen = rows.get(id)
            if seen is None and shown["offers"]:
                continue

            def of(states: Mapping[str, State], id: str = id) -> Value:
                return states[id].as_seen(self.name) if id in states else None

            worst = max(worst, self._count(self.truth.wrong_for(seen, of), f"row {id[:8]} as {seen}"))
        return worst

    async def _figures(self) -> float:
        self.looks += 1
        shown, worst = await self.page.evaluate(_FACTS), 0.0
        await self.truth.read()
        for slug, n in shown:

            def of(states: Mapping[str, State], slug: str = slug) -> Value:
                return (
                    sum(each.department == slug and each.status in ("waiting", "claimed") for each in states.values()),
                )

            worst = max(worst, self._count(self.truth.wrong_for((n,), of), f"{n} in {slug}"))
        return worst

    def _count(self, seconds: float, what: str) -> float:
        if seconds > self.longest:
            self.longest, self.what = seconds, what
        return seconds


@dataclass
class SideBySide:
    """Three people at three screens, and hands that change things at random."""

    api: ApiProcess
    desk: CallbackServices
    truth: Truth
    screens: list[Screen]
    tokens: Mapping[str, str]
    dice: random.Random
    rung: int = 0
    fences: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)

    async def someone_rings(self) -> None:
        """A new caller."""
        self.rung += 1
        department = self.dice.choice(DEPARTMENTS)
        key = CallKey("node-1", f"caller-{self.rung}")
        await self.desk.registration.register(CALLER, key, department, person(self.rung), phone(self.rung))

    async def change(self) -> None:
        """One change: by REST, by a click, or by a caller."""
        agent = self.dice.choice(("kari", "ola"))
        what = self.dice.choice(
            ("rings", "claim", "claim", "release", "transfer", "priority", "note", "outcome", "click")
        )
        self.done[what] = self.done.get(what, 0) + 1
        if what == "rings":
            await self.someone_rings()
        elif what == "click":
            await self._click(next(each for each in self.screens if each.name == agent))
        else:
            await self._by_rest(agent, what)

    async def _by_rest(self, agent: str, what: str) -> None:
        base, headers = f"{self.api.url}/api/v1/callbacks", {"Authorization": f"Bearer {self.tokens[agent]}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
            found = (await client.get(base, params={"status": ["waiting", "claimed"], "limit": 100})).json()["items"]
            mine = [each for each in found if each["claimed_by"] == agent and (agent, each["id"]) in self.fences]
            free = [each for each in found if each["status"] == "waiting"]
            one = self.dice.choice(mine if what in ("release", "outcome") and mine else free or found)
            fence = self.fences.get((agent, one["id"]), {}) if one["claimed_by"] == agent else {}
            url = f"{base}/{one['id']}"
            if what == "claim":
                answer = await client.post(f"{url}/claim")
                if answer.status_code == 200:
                    self.fences[agent, one["id"]] = {"fence": answer.json()["fence"]}
            elif what == "release" and fence:
                await client.post(f"{url}/release", json=fence)
            elif what == "outcome" and fence:
                outcome = self.dice.choice(("reached", "no_answer", "dropped"))
                await client.post(f"{url}/attempts", json={**fence, "outcome": outcome})
            elif what == "transfer":
                to = next(each for each in DEPARTMENTS if each != one["department"])
                await client.post(f"{url}/transfer", json={**fence, "department": to, "keep_promise": True})
            elif what in ("priority", "note"):
                urgent = "normal" if one["priority"] == "urgent" else "urgent"
                body = {"priority": urgent} if what == "priority" else {"note": f"notat {self.dice.randrange(1000)}"}
                await client.patch(url, json=body, headers={"If-Match": "*"})

    async def _click(self, screen: Screen) -> None:
        """Take one from the list with the mouse, and put it back; then the pointer leaves the list."""
        page = screen.page
        button = page.locator("#rows form button").first
        if not await button.count():
            return
        await button.click(timeout=60_000)
        await page.locator('#card [data-action="release"], #alert .ds-alert').first.wait_for(timeout=60_000)
        if await page.locator('#card [data-action="release"]').count():
            await page.locator('[data-action="release"]').click(timeout=60_000)
        await page.locator("#queue-table").wait_for(timeout=60_000)
        await page.mouse.move(5, 5)
        await page.evaluate("document.activeElement.blur()")


async def side_by_side(
    stack: AsyncExitStack, browser: Browser, database_url: str, folder: Path, seed: int
) -> SideBySide:
    """Start an api, and open three screens: two agents at the queue, a leader at the desk. The stack ends it all."""
    desk = await stack.enter_async_context(open_queue(database_url, folder))
    api = stack.enter_context(running_api(environment(database_url, folder)))
    database, clock = Database(database_url), SystemClock()
    stack.push_async_callback(database.close)
    agents, sessions = Agents(database=database, clock=clock), Sessions(database=database, clock=clock)
    people = {"kari": (Role.AGENT, "/queue"), "ola": (Role.AGENT, "/queue"), "lise": (Role.LEADER, "/desk")}
    tokens = {name: await agents.add(SYSTEM, name, role, [ALL_DEPARTMENTS]) for name, (role, _) in people.items()}
    made = SideBySide(api, desk, Truth(desk), [], tokens, random.Random(seed))
    for _ in range(AT_FIRST):
        await made.someone_rings()
    await made.truth.read()
    for name, (_, path) in people.items():
        session = await sessions.open(SYSTEM, name, source=LoginSource.PASSWORD)
        profile = await browser.new_context(base_url=api.url, locale="nb-NO")
        await profile.add_cookies([{"name": SESSION, "value": session.token, "url": api.url}])
        page = await profile.new_page()
        await page.goto(path)
        made.screens.append(Screen(name, page, made.truth))
    return made
