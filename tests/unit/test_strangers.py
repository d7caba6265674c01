"""What a second call hears and may change, by the phone it comes from and the number that is keyed: every cell.

The real conversation and desk. The person has an open callback on their own phone; so has a stranger, on another phone.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import pytest

from desk.clock import OSLO
from desk.paths import ROOT
from ivr.rehearsal import people
from ivr.rehearsal.stage import open_stage
from ivr.rehearsal.story import CallerAnswer, Question
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


def ring(phone: str, keyed: str) -> tuple[set[str], list[str]]:
    """Make the second call. Returns the prompts said, and what the desk did."""

    def keys(question: Question) -> CallerAnswer:
        if question.digits == 11:
            return CallerAnswer(KEYED[keyed] or "#")
        if question.prompts[-1] == "confirm_skip":
            return CallerAnswer("#")
        return CallerAnswer(people.number(ELSEWHERE + 100).removeprefix("+47") if question.digits == 8 else "")

    async def run() -> tuple[set[str], list[str]]:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)) as stage:
            department = stage.departments().get("kirurgi")
            await stage.register(department, PERSON)
            await stage.register(department, STRANGER)
            story = await stage.ring(department, keys, person=PHONES[phone], withheld=phone == "withheld")
            assert story.failure is None
            return set(story.said()), [event.what for event in story.events if event.kind == "desk"]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize(("phone", "keyed"), list(MATRIX))
def test_second_call_hears_and_may_change_only_what_its_cell_allows(phone: str, keyed: str) -> None:
    said, done = ring(phone, keyed)
    cell = MATRIX[phone, keyed]
    assert cell.hears <= said
    assert not cell.never & said
    assert any(each.startswith(cell.done) for each in done)
