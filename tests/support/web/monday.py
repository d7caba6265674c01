"""A whole Monday: people ring in the weekend by real SIP calls, and two secretaries ring them all back in a browser.

One works with the mouse alone, the other with the keyboard alone, each in a department of her own. Those who do not
answer in the morning are called again before noon. At the end the database is compared with what really happened at
the phones.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser, expect

from api.auth.cookies import SESSION
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.clock import OSLO
from desk.promises.rules import SHORT_DAYS
from desk.wire import open_database
from tests.support.machine.other_time import AT_OTHER_TIME, MovedClock
from tests.support.phone import sipp
from tests.support.phone.dial_system import Exchange, running_exchange
from tests.support.phone.town import Reply, Town, town
from tests.support.synthetic import synthetic_identity
from tests.support.web.hands import SOON, KeyboardHands, MouseHands, watch
from tests.support.web.secretary import Line, Person, Secretary

SATURDAY: Final = datetime(2026, 11, 21, 11, tzinfo=UTC)
MORNING: Final = datetime(2026, 11, 23, 7, 5, tzinfo=UTC)  # five past eight in Oslo
NOON: Final = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)  # two hours after the last try of the morning
TOPICS: Final = ("time", "resept", "prove")
PROMISED: Final = "mandag innen klokken 15"
AGAIN: Final = "i dag innen klokken 15"
_DEPARTMENT: Final = """
[{slug}]
name = "{name}"
extension = "{extension}"
hospital_number = "{number}"
policy = "deadline"
cutoff = "14:00"
answer_by = "15:00"
max_attempts = 2
[{slug}.topics]
time = "Time"
resept = "Resept"
prove = "Prøvesvar"
"""


@dataclass(frozen=True)
class Desk:
    """Where one secretary works, and how."""

    slug: str
    name: str
    extension: str
    number: str
    agent: str
    hands: str
    first: int
    """The first of her people: numbers and persons are counted from it."""


DESKS: Final = (
    Desk("kirurgi", "Kirurgisk poliklinikk", "1000", "+4768059000", "mari", "mouse", 100),
    Desk("hjerte", "Hjertepoliklinikken", "2000", "+4768059001", "kari", "keyboard", 200),
)
REPLIES: Final = (
    (Reply.REACHED,),
    (Reply.BUSY, Reply.REACHED),
    (Reply.SILENT, Reply.SILENT),
    (Reply.WRONG,),
    (Reply.MACHINE, Reply.BUSY),
    (Reply.REACHED,),
    (Reply.SILENT, Reply.REACHED),
    (Reply.REACHED,),
    (Reply.REACHED,),
    (Reply.REACHED,),
)
"""How people answer, one after another: in the morning, and at noon those who did not."""


def people(desk: Desk, count: int) -> list[Person]:
    """Those who ring a department in the weekend."""
    return [
        Person(
            number=f"+476805{desk.first + n:04}",
            identity=synthetic_identity(desk.first + n),
            topic=TOPICS[n % len(TOPICS)],
            urgent=n % 4 == 3,
            replies=REPLIES[n % len(REPLIES)],
        )
        for n in range(count)
    ]


@dataclass
class Monday:
    """What happened. `seconds`: what each part took."""

    system: Exchange
    town: Town
    worked: list[tuple[Desk, Sequence[Person], list[Line]]]
    seconds: dict[str, float]
    used: dict[str, set[str]]
    faults: list[str]
    """What the browser reported, and each moment at which the focus could not be seen."""
    pressed: int


async def play(folder: Path, browser: Browser, count: int, **given: object) -> Monday:
    """Play it with that many people in each department, and check it. `given` are settings."""
    clock = MovedClock(folder)
    clock.set(SATURDAY)
    departments = "".join(_DEPARTMENT.format(**vars(desk)) for desk in DESKS)
    settings = {"patient_rings": 3, **given}
    with running_exchange(folder, departments=departments, interpreter=AT_OTHER_TIME, **settings) as exchange:
        return await _play(exchange, browser, clock, count)


async def _play(exchange: Exchange, browser: Browser, clock: MovedClock, count: int) -> Monday:
    ours = {desk: people(desk, count) for desk in DESKS}
    replies = {each.number: list(each.replies) for every in ours.values() for each in every}
    async with town(exchange, replies) as living:
        monday = Monday(exchange, living, [(desk, every, []) for desk, every in ours.items()], {}, {}, [], 0)
        begun = time.monotonic()
        for desk in DESKS:
            await _add(exchange, desk)
        await asyncio.gather(*(_weekend(exchange, desk, every) for desk, every in ours.items()))
        begun = _lap(monday, "calls", begun)
        for name, moment in (("morning", MORNING), ("noon", NOON)):
            clock.set(moment)
            clipboard = asyncio.Lock()
            await asyncio.gather(
                *(_work(monday, browser, clock, clipboard, each, first=moment is MORNING) for each in monday.worked)
            )
            begun = _lap(monday, name, begun)
        await exchange.nothing_is_left()
        await check(monday)
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
    """Everyone rings, keys an identity number, and hears the receipt to its end."""
    folder, port = exchange.system.folder / desk.slug, exchange.system.settings.sip.port
    callers = [(each.number, each.identity) for each in every]
    outcome = await sipp.ring(folder, port, desk.extension, callers, rate=3, before_keys=1.0)
    assert (outcome.successful, outcome.failed) == (len(every), 0)


async def _work(
    monday: Monday,
    browser: Browser,
    clock: MovedClock,
    clipboard: asyncio.Lock,
    worked: tuple[Desk, Sequence[Person], list[Line]],
    *,
    first: bool,
) -> None:
    """One secretary's morning, or her second round."""
    desk, every, diary = worked
    settings = monday.system.system.settings
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
    await page.goto("/queue")
    hands = MouseHands(page) if desk.hands == "mouse" else KeyboardHands(page)
    secretary = Secretary(hands, every, TOPICS, monday.town, desk.number, clipboard, diary)
    if first:
        await expect(page.locator("#rows tr")).to_have_count(len(every), timeout=SOON)
        await expect(page.locator("#rows time").first).to_have_text("i dag innen 15:00")
        await secretary.sort()
    await secretary.empty_the_queue()
    monday.used[desk.hands] = monday.used.get(desk.hands, set()) | used
    if isinstance(hands, KeyboardHands):
        monday.faults += hands.hidden
        monday.pressed += hands.pressed
    await profile.close()


async def check(monday: Monday) -> None:
    """Compare what the desk has with what happened at the phones. Raises AssertionError."""
    expected_calls = {each.number: list(each.replies) for _, every, _ in monday.worked for each in every}
    assert dict(monday.town.rang) == expected_calls, "someone else was rung, or someone too often"
    async with monday.system.system.client() as client:
        found = await _everyone(client)
        assert len(found) == len(expected_calls), "a callback was lost, or there is one too many"
        for desk, every, diary in monday.worked:
            _first_the_urgent(every, diary)
            for person in every:
                (callback,) = (each for each in found if each["phone"] == person.number)
                history = (await client.get(f"/callbacks/{callback['id']}/history")).raise_for_status().json()["items"]
                _one(desk, person, callback, [each["event"] for each in history])
                _as_said(person, callback, [each for each in diary if each.number == person.number])


async def _everyone(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 50}
    while True:
        page = (await client.get("/callbacks", params=query)).raise_for_status().json()
        found += page["items"]
        if not page["next_cursor"]:
            return found
        query["cursor"] = page["next_cursor"]


def _first_the_urgent(every: Sequence[Person], diary: Sequence[Line]) -> None:
    """What was marked as urgent was offered first, and then the others as they had rung."""
    urgent = {each.number for each in every if each.urgent}
    morning = [line.number for line in diary[: len(every)]]
    assert set(morning[: len(urgent)]) == urgent, "others came before the urgent ones"


def _one(desk: Desk, person: Person, callback: dict[str, Any], events: list[str]) -> None:
    """One person's callback: the right topic, exactly the outcomes that the phone had, and one end."""
    last = person.replies[-1]
    closed = {Reply.REACHED: "reached", Reply.WRONG: "wrong_number"}.get(last)
    assert callback["patient"]["masked"][:6] == person.identity[:6]
    assert (callback["department"], callback["topic"]) == (desk.slug, person.topic)
    assert (callback["priority"] == "urgent") == person.urgent
    assert callback["promise"]["spoken"] == (PROMISED if len(person.replies) == 1 else AGAIN)
    assert [each["outcome"] for each in callback["attempts"]] == [each.value for each in person.replies]
    assert callback["closed_reason"] == closed
    assert callback["status"] == ("closed" if closed else "unreachable")
    tries = len(person.replies)
    assert events.count("registered") == 1
    assert events.count("claimed") == events.count("dial_requested") == events.count("dial_ended") == tries
    assert events.count("closed") + events.count("unreachable") == 1


def _as_said(person: Person, callback: dict[str, Any], lines: Sequence[Line]) -> None:
    """What the page said after each try is what the rules say."""
    assert [line.reply for line in lines] == list(person.replies)
    for line in lines[:-1]:
        assert line.said == f"ringes igjen {AGAIN}"
    final = lines[-1]
    if callback["status"] == "closed":
        assert final.said == {"reached": "avsluttet: nådd", "wrong_number": "avsluttet: feil nummer"}[final.reply.value]
        assert final.copied is None
        return
    local = [datetime.fromisoformat(each["at"]).astimezone(OSLO) for each in callback["attempts"]]
    ready = f"ringt x{len(local)}: " + ", ".join(f"{SHORT_DAYS[at.weekday()]} {at:%H:%M}" for at in local)
    assert final.said == final.copied == f"ikke nådd, {ready}"
    assert callback["note"] == ready
