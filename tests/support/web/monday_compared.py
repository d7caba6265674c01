"""What the desk has after a Monday, compared with what happened at the phones and what the pages said."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx

from desk.clock import OSLO
from desk.promises.rules import SHORT_DAYS
from tests.support.phone.town import Reply
from tests.support.web.monday_story import AGAIN, PROMISED, Monday, Worked
from tests.support.web.secretary import Line, Person

CLOSED = {Reply.REACHED: "reached", Reply.WRONG: "wrong_number"}
"""Outcomes that close a callback, and the reason that it then has."""
SAID = {Reply.REACHED: "avsluttet: nådd", Reply.WRONG: "avsluttet: feil nummer"}


async def compared(monday: Monday) -> list[str]:
    """Each difference in a sentence."""
    expected = {each.number: list(each.replies) for worked in monday.worked for each in worked.people}
    rang = dict(monday.town.rang)
    wrong = [
        f"{number} was called with {rang.get(number)}, not {expected.get(number)}"
        for number in sorted(expected.keys() | rang.keys())
        if rang.get(number) != expected.get(number)
    ]
    async with monday.system.system.client() as client:
        found = await _everyone(client)
        if len(found) != len(expected):
            wrong.append(f"{len(found)} callbacks, not {len(expected)}")
        for worked in monday.worked:
            wrong += _first_the_urgent(worked)
            for person in worked.people:
                mine = [each for each in found if each["phone"] == person.number]
                for callback in mine:
                    history = (await client.get(f"/callbacks/{callback['id']}/history")).raise_for_status().json()
                    wrong += _one(worked, person, callback, [each["event"] for each in history["items"]])
                if len(mine) != 1:
                    wrong.append(f"{person.number} has {len(mine)} callbacks")
    return wrong


async def _everyone(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 50}
    while True:
        page = (await client.get("/callbacks", params=query)).raise_for_status().json()
        found += page["items"]
        if not page["next_cursor"]:
            return found
        query["cursor"] = page["next_cursor"]


def _first_the_urgent(worked: Worked) -> Iterator[str]:
    """What was marked as urgent is offered first, and then the others."""
    urgent = {each.number for each in worked.people if each.urgent}
    first = {line.number for line in worked.diary[: len(urgent)]}
    yield from (f"{number} was offered before an urgent one" for number in sorted(first - urgent))


def _one(worked: Worked, person: Person, callback: dict[str, Any], events: Sequence[str]) -> Iterator[str]:
    """One person's callback: the right topic, exactly the outcomes that the phone had, one end, and the right words."""
    closed = CLOSED.get(person.replies[-1])
    tries = len(person.replies)
    counted = ("registered", "claimed", "dial_requested", "dial_ended")
    facts: dict[str, tuple[object, object]] = {
        "identity": ((callback["patient"] or {}).get("masked", "none")[:6], person.identity[:6]),
        "department": (callback["department"], worked.desk.slug),
        "topic": (callback["topic"], person.topic),
        "priority": (callback["priority"] == "urgent", person.urgent),
        "promise": (callback["promise"]["spoken"], PROMISED if tries == 1 else AGAIN),
        "outcomes": ([each["outcome"] for each in callback["attempts"]], [each.value for each in person.replies]),
        "closed_reason": (callback["closed_reason"], closed),
        "status": (callback["status"], "closed" if closed else "unreachable"),
        "events": ([events.count(each) for each in counted], [1, tries, tries, tries]),
        "ends": (events.count("closed") + events.count("unreachable"), 1),
        **dict(_words(person, callback, [each for each in worked.diary if each.number == person.number])),
    }
    yield from (f"{person.number}: {name} is {has}, not {due}" for name, (has, due) in facts.items() if has != due)


def _words(
    person: Person, callback: dict[str, Any], lines: Sequence[Line]
) -> Iterator[tuple[str, tuple[object, object]]]:
    """What the page said after each try, and what it should have said by the rules."""
    last = person.replies[-1]
    local = [datetime.fromisoformat(each["at"]).astimezone(OSLO) for each in callback["attempts"]]
    ready = f"ringt x{len(local)}: " + ", ".join(f"{SHORT_DAYS[at.weekday()]} {at:%H:%M}" for at in local)
    final = SAID.get(last, f"ikke nådd, {ready}")
    yield "diary", ([line.reply for line in lines], list(person.replies))
    yield "words", ([line.said for line in lines], [f"ringes igjen {AGAIN}"] * (len(person.replies) - 1) + [final])
    yield "copied", ([line.copied for line in lines[-1:]], [None if last in SAID else final])
    if last not in SAID:
        yield "note", (callback["note"], ready)
