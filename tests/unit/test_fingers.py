"""Seeded callers with human fingers: doubled, dropped and late keys lose no one and take no one for someone else."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from desk.clock import OSLO
from desk.paths import ROOT
from ivr.rehearsal.fingers import HandReport, converse
from ivr.rehearsal.stage import open_stage
from ivr.rehearsal.virtual_time import VirtualTimeLoop

SEEDS = range(300)
FOUND_FAULTY = (
    *(101_664, 102_702, 107_547, 107_587, 109_666, 109_776, 109_867, 902_003, 902_045, 902_385, 904_871),
    *(1_015, 106_623, 900_258, 901_420, 901_581, 902_795),
)
"""Seeds that ended badly once: as someone else (the first line), on a wrong number, or with a late receipt."""
LONGEST_WAIT = 3.1
"""Seconds from the last key to the receipt, for someone who may be starting the number over."""


def conversations(seeds: Sequence[int]) -> HandReport:
    async def run() -> HandReport:
        files = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}
        async with open_stage(**files, at=datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)) as stage:
            department = stage.departments().get("kirurgi")
            return HandReport(tuple([await converse(stage, department, seed) for seed in seeds]))

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


@pytest.fixture(scope="module")
def callers() -> HandReport:
    return conversations(SEEDS)


def test_callers_with_human_fingers_get_a_true_receipt(callers: HandReport) -> None:
    assert [each.story.failure for each in callers.stories if each.story.failure] == []
    assert callers.meets_goals, callers.lines()
    assert callers.with_person > 0.97


def test_receipt_follows_the_last_key(callers: HandReport) -> None:
    waits = [each.receipt_after for each in callers.stories if each.receipt_after is not None]
    assert max(waits) <= LONGEST_WAIT
    assert sum(wait <= 2.0 for wait in waits) >= 0.99 * len(waits)


def test_caller_who_was_once_taken_for_someone_else_is_marked_or_right() -> None:
    report = conversations(FOUND_FAULTY)
    assert [each.story.failure for each in report.stories if each.story.failure] == []
    assert [each.hand.seed for each in report.stories if each.is_wrong or each.is_sent_elsewhere] == []
    assert max(each.receipt_after or 0.0 for each in report.stories) <= LONGEST_WAIT


def test_same_seed_is_the_same_conversation() -> None:
    one, other = (conversations(range(3)).stories for _ in range(2))
    assert [each.story.events for each in one] == [each.story.events for each in other]
