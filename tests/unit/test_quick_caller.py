"""Someone who knows the service and keys in the welcome: the first sentence of the receipt within twelve seconds."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from desk.clock import OSLO
from desk.paths import ROOT
from ivr.prompts.keys import Prompt, department_welcome
from ivr.rehearsal import people
from ivr.rehearsal.stage import open_stage
from ivr.rehearsal.story import CallerAnswer, Story
from ivr.rehearsal.virtual_time import VirtualTimeLoop

WITHIN = 12.0
PERSON = 1


def ring(language: str) -> Story:
    """Call a department that answers in this language first."""

    async def run() -> Story:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)) as stage:
            others = tuple(each for each in ("nb", "nn", "en") if each != language)
            department = replace(stage.departments().get("kirurgi"), languages=(language, *others))
            quick = {each: people.identity(PERSON) for each in (department_welcome(department.slug), Prompt.WELCOME)}
            return await stage.ring(department, lambda _: CallerAnswer(), person=PERSON, interrupts=quick)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
def test_quick_caller_hears_the_first_sentence_of_the_receipt_in_twelve_seconds(language: str) -> None:
    story = ring(language)
    said = [event for event in story.events if event.kind == "says"]
    place = next(place for place, event in enumerate(said) if event.what == Prompt.RECEIVED)
    assert said[place].language == language
    assert said[place + 1].second <= WITHIN
    assert story.registered == (people.identity(PERSON), people.number(PERSON))
