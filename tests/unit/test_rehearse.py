"""Rehearsals: simulated callers, the real conversation and the real desk, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner

from desk.clock import OSLO
from desk.paths import ROOT
from innringing import app
from ivr.rehearsal import people, transcript
from ivr.rehearsal.cast import CALLERS, Scene, hanging_up, rehearse
from ivr.rehearsal.explore import ConversationMap, explore, mermaid
from ivr.rehearsal.stage import Stage, open_stage
from ivr.rehearsal.story import Story, StoryEvent
from ivr.rehearsal.virtual_time import VirtualTimeLoop

T = TypeVar("T")
FAILURE = "the conversation failed: KeyError at caller.py:1"
TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=OSLO)
FILES = {"departments_file": ROOT / "dialplan" / "departments.toml", "prompts_dir": ROOT / "prompts"}


def on_stage(work: Callable[[Stage], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_stage(**FILES, at=TUESDAY) as stage:
            return await work(stage)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


@pytest.fixture(scope="module")
def scenes() -> dict[str, Scene]:
    """The calls of all simulated callers to kirurgi, by name."""

    async def work(stage: Stage) -> dict[str, Scene]:
        department = stage.departments().get("kirurgi")
        return {caller.name: scene async for caller, scene in _with_callers(stage, department)}

    async def _with_callers(stage: Stage, department):  # type: ignore[no-untyped-def]
        for caller in CALLERS:
            async for scene in rehearse(stage, department, (caller,)):
                yield caller, scene

    return on_stage(work)


def test_calls_of_all_simulated_callers_have_no_faults(scenes: dict[str, Scene]) -> None:
    assert set(scenes) == {caller.name for caller in CALLERS if not caller.needs}
    catalogue = on_stage(_catalogue)
    assert [fault for scene in scenes.values() for fault in transcript.faults(scene.story, catalogue)] == []


async def _catalogue(stage: Stage):  # type: ignore[no-untyped-def]
    return stage.catalogue


@pytest.mark.parametrize(
    ("caller", "outcome", "record"),
    [
        ("quick", "done", "stored: call back i dag innen klokken 15"),
        ("slow", "done", "stored: call back i dag innen klokken 15"),
        ("mistyping", "done", "stored: call back i dag innen klokken 15"),
        ("silent", "done", "stored: call back i dag innen klokken 15"),
        ("withheld", "done", "stored: call back i dag innen klokken 15"),
        ("skipping", "done", "stored: call back i dag innen klokken 15"),
        ("person", "switchboard", "recorded as an incomplete call"),
        ("english", "done", "stored: call back today by 15:00"),
        ("again", "done", "on the list already"),
        ("declining", "done", "declined"),
    ],
)
def test_each_caller_reaches_the_expected_outcome(
    scenes: dict[str, Scene], caller: str, outcome: str, record: str
) -> None:
    story = scenes[caller].story
    assert story.outcome == outcome
    assert record in [event.what for event in story.events if event.kind == "desk"]


def test_quick_caller_interrupts_the_prompt_and_ends_before_the_slow_caller(scenes: dict[str, Scene]) -> None:
    quick, slow = scenes["quick"].story, scenes["slow"].story
    assert "caller presses nothing" not in quick.said()
    assert quick.events[-1].second < slow.events[-1].second - 20
    assert [event.what for event in slow.events if event.kind == "keys"] != []


def test_hang_up_at_each_step_is_recorded_with_that_step() -> None:
    async def work(stage: Stage) -> list[Scene]:
        return [scene async for scene in hanging_up(stage, stage.departments().get("hjerte"))]

    scenes = on_stage(work)
    assert len(scenes) > 10
    assert {scene.story.outcome for scene in scenes} <= {"hung-up", "done"}
    ends = {event.what for scene in scenes for event in scene.story.events if event.kind == "ends"}
    assert {"hung up at welcome", "hung up at identity", "hung up at confirmation"} <= ends


def test_exploration_finds_and_draws_every_outcome() -> None:
    async def work(stage: Stage) -> tuple[ConversationMap, ConversationMap, str]:
        department = stage.departments().get("kirurgi")
        found = await explore(stage, department)
        return found, await explore(stage, department, on_list=True), mermaid(found, stage.catalogue)

    found, again, picture = on_stage(work)
    assert found.faults == [] and again.faults == []
    assert found.calls < 400  # it came to an end by itself
    said = {prompt for _, prompts in found.nodes() for prompt in prompts}
    heard = {"welcome_kirurgi", "identity_wrong", "no_keys", "confirm_skip", "key_rest", "ask_phone_slow", "received"}
    assert heard <= said
    assert {outcome for outcomes in found.ends.values() for outcome in outcomes} == {"done", "switchboard", "urgent"}
    assert "declined" in {prompt for _, prompts in again.nodes() for prompt in prompts}
    lines = picture.splitlines()
    assert lines[:2] == ["```mermaid", "flowchart TD"] and lines[-1] == "```"
    assert any('|"riktig fødselsnummer"|' in line for line in lines)
    assert any("Vi har mottatt din innringing." in line for line in lines)


CHOICES = """
[kirurgi.choice]
questions = { address = "answer_address", hours = "answer_hours" }
[hjerte.choice]
urgent = true
"""


def test_a_choice_after_the_request_is_rehearsed_and_drawn(tmp_path: Path) -> None:
    file = tmp_path / "departments.toml"
    file.write_text(FILES["departments_file"].read_text("utf-8") + CHOICES, "utf-8")

    async def run() -> tuple[dict[str, Scene], list[ConversationMap], str]:
        async with open_stage(departments_file=file, prompts_dir=FILES["prompts_dir"], at=TUESDAY) as stage:
            kirurgi, hjerte = stage.departments().all()
            callers = tuple(caller for caller in CALLERS if caller.needs)
            scenes = {}
            for department in (kirurgi, hjerte):
                async for scene in rehearse(stage, department, callers):
                    scenes[scene.title.partition(":")[0]] = scene
            maps = [await explore(stage, kirurgi), await explore(stage, hjerte)]
            return scenes, maps, mermaid(maps[0], stage.catalogue)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        scenes, maps, picture = runner.run(run())
    records = {name: [e.what for e in scene.story.events if e.kind == "desk"] for name, scene in scenes.items()}
    assert {name: scene.story.outcome for name, scene in scenes.items()} == {
        "asking": "done",
        "unsure": "done",
        "urgent": "urgent",
    }
    assert records["asking"] == ["recorded as an answered call"]
    assert "stored: call back i dag innen klokken 15" in records["unsure"]
    assert [each.faults for each in maps] == [[], []]
    assert "Vi holder til på Sykehusveien én" in picture and '|"5"|' in picture
    assert {outcome for outcomes in maps[1].ends.values() for outcome in outcomes} == {"done", "switchboard", "urgent"}


def test_failed_conversation_and_early_receipt_are_faults() -> None:
    catalogue = on_stage(_catalogue)
    early = Story([StoryEvent(0, "says", "received", "nb"), StoryEvent(1, "desk", "stored: …")], "done")
    assert transcript.faults(early, catalogue) == ["the receipt was played before the callback was stored"]
    dumb = Story([StoryEvent(0, "says", "no_such_prompt", "nb")], "", FAILURE)
    assert transcript.faults(dumb, catalogue) == [
        FAILURE,
        "there is no text for no_such_prompt in nb",
    ]


def test_synthetic_people_are_fictional_and_all_different() -> None:
    numbers = {people.identity(n) for n in range(500)}
    assert len(numbers) == 500
    assert all(int(number[2:4]) > 80 for number in numbers)
    assert people.wrong_identity(7) not in numbers


def test_rehearse_command_prints_the_transcript_and_uses_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, picture = tmp_path / "departments.toml", tmp_path / "picture.md"
    text = FILES["departments_file"].read_text("utf-8").replace('answer_by = "15:00"', 'answer_by = "15:30"', 1)
    file.write_text(text, "utf-8")
    monkeypatch.setenv("INNRINGING_DEPARTMENTS_FILE", str(file))
    monkeypatch.setenv("INNRINGING_VAR_DIR", str(tmp_path / "var"))
    at = ["--at", "2026-11-24T09:00"]
    run = CliRunner().invoke(app, ["rehearse", "kirurgi", "--caller", "quick", "--diagram", str(picture), *at])
    assert run.exit_code == 0, run.output
    assert "[kirurgi] quick" in run.output
    assert "femten tretti" in run.output  # the new deadline, as it is spoken
    assert picture.read_text("utf-8").startswith("## Kirurgisk poliklinikk\n\n### Første gang")
    for wrong, reason in (
        (["rehearse", "medisin"], "There is no such department."),
        (["rehearse", "--caller", "angry"], "there is no caller angry"),
        (["rehearse", "--at", "noon"], "«noon» is not a time"),
    ):
        run = CliRunner().invoke(app, wrong)
        assert run.exit_code == 1
        assert reason in run.output
