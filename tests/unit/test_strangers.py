"""What a call hears and may change, by the phone it comes from and the number that is keyed: every cell.

The real conversation and desk. In a second call the person has an open callback on their own phone; so has a stranger,
on another phone. Calls over SIP: tests/support/stories/strangers.py.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import pytest

from desk.clock import OSLO
from desk.paths import ROOT
from ivr.rehearsal import people
from ivr.rehearsal.stage import open_stage
from ivr.rehearsal.story import CallerAnswer, Question, Story
from ivr.rehearsal.virtual_time import VirtualTimeLoop

PERSON, STRANGER, ELSEWHERE = 1, 2, 3
PHONES = {"own": PERSON, "other": ELSEWHERE, "withheld": ELSEWHERE}
KEYED = {"own": people.identity(PERSON), "somebody else's": people.identity(STRANGER), "none": ""}


@dataclass(frozen=True)
class Cell:
    """`hears` are prompts that are said, `never` are not. `done` is what the desk did."""

    hears: frozenset[str]
    never: frozenset[str]
    done: str


ALL = Cell(
    frozenset({"already_on_list", "ring_number", "change_or_decline"}), frozenset({"received"}), "on the list already"
)
TIME_ONLY = Cell(
    frozenset({"already_on_list", "we_ring", "change_number"}),
    frozenset({"ring_number", "change_or_decline", "on_list_since", "received"}),
    "on the list already",
)
NO_TIME = Cell(
    frozenset({"already_on_list", "we_ring_as_told", "other_person"}),
    frozenset({"we_ring", "ring_number", "change_or_decline", "received"}),
    "on the list already",
)
NEW = Cell(frozenset({"received", "ring_number"}), frozenset({"already_on_list", "change_or_decline"}), "stored")
MATRIX = {
    ("own", "own"): ALL,
    ("own", "somebody else's"): TIME_ONLY,
    ("own", "none"): NO_TIME,
    ("other", "own"): TIME_ONLY,
    ("other", "somebody else's"): TIME_ONLY,
    ("other", "none"): NEW,
    ("withheld", "own"): TIME_ONLY,
    ("withheld", "somebody else's"): TIME_ONLY,
    ("withheld", "none"): NEW,
}
ASKED_FIRST = Cell(NEW.hears | {"phone_withheld", "ask_phone"}, NEW.never, "stored")
NOT_ASKED = Cell(NEW.hears, NEW.never | {"ask_phone"}, "stored")
FIRST_CALL = {(phone, keyed): ASKED_FIRST if phone == "withheld" else NOT_ASKED for phone in PHONES for keyed in KEYED}
"""With no one on the list, someone else's phone or number looks like one's own."""


def ring(phone: str, keyed: str, *on_list: int) -> Story:
    """Make a call. `on_list`: the people who have an open callback."""

    def keys(question: Question) -> CallerAnswer:
        if question.digits == 11:
            return CallerAnswer(KEYED[keyed] or "#")
        if question.prompts[-1] == "confirm_skip":
            return CallerAnswer("#")
        return CallerAnswer(people.number(ELSEWHERE + 100).removeprefix("+47") if question.digits == 8 else "")

    async def run() -> Story:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)) as stage:
            department = stage.departments().get("kirurgi")
            for each in on_list:
                await stage.register(department, each)
            return await stage.ring(department, keys, person=PHONES[phone], withheld=phone == "withheld")

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def check(story: Story, cell: Cell) -> None:
    assert story.failure is None
    assert cell.hears <= set(story.said())
    assert not cell.never & set(story.said())
    assert any(event.what.startswith(cell.done) for event in story.events if event.kind == "desk")


@pytest.mark.parametrize(("phone", "keyed"), list(MATRIX))
def test_second_call_hears_and_may_change_only_what_its_cell_allows(phone: str, keyed: str) -> None:
    check(ring(phone, keyed, PERSON, STRANGER), MATRIX[phone, keyed])


@pytest.mark.parametrize(("phone", "keyed"), list(FIRST_CALL))
def test_first_call_is_stored_with_what_is_keyed_and_the_number_to_call(phone: str, keyed: str) -> None:
    story = ring(phone, keyed)
    check(story, FIRST_CALL[phone, keyed])
    number = people.number(ELSEWHERE + 100 if phone == "withheld" else PHONES[phone])
    assert story.registered == (KEYED[keyed] or None, number)
