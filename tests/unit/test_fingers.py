"""Seeded callers with human fingers: doubled, dropped and late keys lose no one and take no one for someone else."""

import asyncio
from datetime import datetime

from desk.clock import OSLO
from desk.paths import ROOT
from ivr.rehearsal.fingers import HandReport, converse_many
from ivr.rehearsal.stage import open_stage
from ivr.rehearsal.virtual_time import VirtualTimeLoop

CONVERSATIONS = 60


def conversations(count: int) -> HandReport:
    async def run() -> HandReport:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)) as stage:
            return await converse_many(stage, stage.departments().get("kirurgi"), count)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


def test_callers_with_human_fingers_get_a_true_receipt() -> None:
    report = conversations(CONVERSATIONS)
    assert [each.story.failure for each in report.stories if each.story.failure] == []
    assert report.meets_goals, report.lines()
    assert report.with_person > 0.9


def test_same_seed_is_the_same_conversation() -> None:
    one, other = (conversations(3).stories for _ in range(2))
    assert [each.story.events for each in one] == [each.story.events for each in other]
