"""`innringing rehearse`: run each department's conversation with simulated callers, using the files on disk."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from desk.clock import OSLO
from desk.departments.departments import Department
from desk.errors import DeskError
from desk.settings.settings import Settings
from ivr.prompts.catalogue import PromptsError
from ivr.rehearsal.cast import CALLERS, Scene, SimulatedCaller, hanging_up, rehearse
from ivr.rehearsal.explore import explore, mermaid
from ivr.rehearsal.fingers import PEOPLE_ENOUGH, HandReport, converse_many
from ivr.rehearsal.stage import Stage, open_stage
from ivr.rehearsal.transcript import faults, lines
from ivr.rehearsal.virtual_time import VirtualTimeLoop
from ops.commands.terminal import load_settings, say, show
from ops.messages.translation import translated

IDENTITY = re.compile(r"\b([0-9]{6})[0-9]{5}\b")
TITLES = (("Første gang", False, False), ("Allerede på listen", True, False), ("Skjult nummer", False, True))


def rehearse_command(
    departments: Annotated[list[str] | None, typer.Argument(help="slugs; every department when left out")] = None,
    caller: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(each.name for each in CALLERS)}")] = None,
    at: Annotated[str | None, typer.Option(help="when they call, as 2026-12-24T09:00; default: now")] = None,
    diagram: Annotated[Path | None, typer.Option(help="draw all paths of the conversation in this file")] = None,
    fingers: Annotated[
        int | None, typer.Option(min=1, help="conversations with doubled, dropped and late keys; prints a report")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="the first seed of --fingers; one conversation is printed")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only what is wrong")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the calls as JSON, for programs")] = False,
) -> None:
    """Let simulated callers call every department, in seconds and without Asterisk, and print what they hear.

    Exit code 1 when a conversation fails, never ends, or needs a prompt that has no text.
    """
    # The transcript shows what went wrong, so logging is off.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        callers = _callers(caller or [])
        when = _moment(at)
        settings = load_settings()
        if as_json:
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                print(json.dumps(runner.run(_scenes(settings, departments or [], callers, when))))
            return
        if fingers:
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                is_fine = runner.run(_fingers(settings, departments or [], when, fingers, seed))
            raise typer.Exit(0 if is_fine else 1)
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            wrong, pictures = runner.run(
                _rehearse(settings, departments or [], callers, when, quiet=quiet, draw=diagram is not None)
            )
        if diagram:
            diagram.write_text("\n\n".join(pictures) + "\n", "utf-8")
            show(f"All paths of the conversation are drawn in {diagram}.")
    except (DeskError, PromptsError, ValueError, OSError) as error:
        say(f"innringing rehearse: {error}")
        raise typer.Exit(1) from None
    if wrong:
        raise typer.Exit(1)


async def _scenes(
    settings: Settings, slugs: Sequence[str], callers: tuple[SimulatedCaller, ...], at: datetime
) -> list[dict[str, Any]]:
    """Return the calls: what is said and keyed, the prompts that are played in the call's main language, and faults."""
    files = {"departments_file": settings.files.departments, "prompts_dir": settings.files.prompts}
    found = []
    async with open_stage(**files, at=at) as stage:
        for department in [stage.departments().get(slug) for slug in slugs] or stage.departments().all():
            async for scene in rehearse(stage, department, callers):
                said = [event for event in scene.story.events if event.kind == "says"]
                language = said[-1].language if said else ""
                found.append(
                    {
                        "department": department.slug,
                        "title": translated(scene.title),
                        "lines": [_masked(translated(line).strip()) for line in lines(scene.story, stage.catalogue)],
                        "faults": [translated(fault) for fault in faults(scene.story, stage.catalogue)],
                        "language": language,
                        "prompts": [event.what for event in said if event.language == language],
                    }
                )
    return found


def _masked(line: str) -> str:
    """The simulated caller's identity number as the service would show it."""
    return IDENTITY.sub(r"\1*****", line)


async def _rehearse(
    settings: Settings,
    slugs: Sequence[str],
    callers: tuple[SimulatedCaller, ...],
    at: datetime,
    *,
    quiet: bool,
    draw: bool,
) -> tuple[int, list[str]]:
    """Return how many calls went wrong, and the diagrams."""
    pictures: list[str] = []
    began, calls, wrong = time.monotonic(), 0, 0
    files = {"departments_file": settings.files.departments, "prompts_dir": settings.files.prompts}
    async with open_stage(**files, at=at) as stage:
        chosen = [stage.departments().get(slug) for slug in slugs] or stage.departments().all()
        for department in chosen:
            async for scene in rehearse(stage, department, callers):
                calls, wrong = calls + 1, wrong + _show(department, scene, stage, quiet=quiet)
            if callers == CALLERS:
                async for scene in hanging_up(stage, department):
                    calls, wrong = calls + 1, wrong + _show(department, scene, stage, quiet=True)
        for department in chosen if draw else ():
            picture, found = await _picture(stage, department)
            pictures.append(picture)
            wrong += found
    seconds = time.monotonic() - began
    if wrong:
        show(f"{calls} calls to {len(chosen)} departments in {seconds:.1f} s: {wrong} went wrong.")
    else:
        show(f"{calls} calls to {len(chosen)} departments in {seconds:.1f} s: all went well.")
    return wrong, pictures


async def _fingers(settings: Settings, slugs: Sequence[str], at: datetime, count: int, seed: int) -> bool:
    """Print the report of these seeds; a single conversation as well. False when a goal is missed."""
    files = {"departments_file": settings.files.departments, "prompts_dir": settings.files.prompts}
    report = HandReport(())
    for first in range(seed, seed + count, PEOPLE_ENOUGH):
        async with open_stage(**files, at=at) as stage:  # a new one, so that no one has called before
            departments = [stage.departments().get(slug) for slug in slugs] or stage.departments().all()
            part = await converse_many(stage, departments[0], min(PEOPLE_ENOUGH, seed + count - first), first=first)
            report = HandReport((*report.stories, *part.stories))
            if count == 1:
                show("\n".join(lines(part.stories[0].story, stage.catalogue)))
    show("\n".join(report.lines()))
    return report.meets_goals


def _show(department: Department, scene: Scene, stage: Stage, *, quiet: bool) -> int:
    """Print the call unless it is fine and `quiet`. Return 1 if it went wrong, else 0."""
    found = faults(scene.story, stage.catalogue)
    if found or not quiet:
        show(f"\n[{department.slug}] {scene.title}")
        show("\n".join(lines(scene.story, stage.catalogue)))
    for fault in found:
        show(f"  WRONG: {fault}")
    return min(1, len(found))


async def _picture(stage: Stage, department: Department) -> tuple[str, int]:
    """Return the department's diagrams in Markdown, and the number of faults found while drawing them."""
    parts, wrong = [f"## {department.name}"], 0
    for title, on_list, withheld in TITLES:
        if on_list and department.identity == "off":
            continue
        found = await explore(stage, department, on_list=on_list, withheld=withheld)
        parts += [f"### {title}", mermaid(found, stage.catalogue)]
        for fault in found.faults:
            show(f"[{department.slug}] WRONG: {fault}")
        wrong += len(found.faults)
    return "\n\n".join(parts), wrong


def _callers(names: Sequence[str]) -> tuple[SimulatedCaller, ...]:
    known = {caller.name: caller for caller in CALLERS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"there is no caller {unknown[0]}; choose from {', '.join(known)}")
    return tuple(known[name] for name in names) or CALLERS


def _moment(at: str | None) -> datetime:
    if at is None:
        return datetime.now(OSLO)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise ValueError(f"«{at}» is not a time like 2026-12-24T09:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=OSLO)
