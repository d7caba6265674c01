"""What each door holds of the operators' files, as it reports it; on both engines."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from desk.access.actor import SYSTEM
from desk.database.engine import Database
from desk.departments.file import DepartmentsFile
from desk.doors.doors import DoorReporter, Doors
from desk.doors.model import FORGOTTEN_AFTER, SILENT_AFTER, DoorKind
from desk.files.state import FileRefusal, FileState, TakenBy
from ivr.prompts import sets
from ivr.start import prompts_state
from tests.support.desk.edited_departments import GOOD, Time
from tests.support.fakes import FakeClock


def edit(file: Path, old: str, new: str, *, at: float = 20) -> None:
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    os.utime(file, (at, at))


@pytest.fixture
def doors(database: Database, clock: FakeClock) -> Doors:
    return Doors(database=database, clock=clock)


async def test_report_says_what_the_process_holds_and_why_the_last_edit_was_refused(
    doors: Doors, clock: FakeClock, tmp_path: Path
) -> None:
    file, time = tmp_path / "departments.toml", Time()
    file.write_text(GOOD, "utf-8")
    departments = DepartmentsFile(file, seconds=time, wall=time)
    reporter = DoorReporter(doors, DoorKind.IVR, lambda: [departments.checked()])
    [door] = await reporter.all()
    [held] = door.files
    assert (door.kind, door.seen_at, held.file, held.taken_by) == (
        DoorKind.IVR,
        clock.now(),
        "departments.toml",
        TakenBy.START,
    )
    assert held.taken_at is not None and held.taken_at.timestamp() == time.now and held.refusal is None
    edit(file, "14:00", "13:00")
    time.now += 10
    departments.checked()
    await departments.settled()
    [door] = await reporter.all()
    [held] = door.files
    assert (held.taken_by, held.edited_at and held.edited_at.timestamp()) == (TakenBy.EDIT, 20)
    taken_at = held.taken_at
    edit(file, 'policy = "deadline"', 'policy = "dedline"', at=30)
    time.now += 10
    departments.checked()
    await departments.settled()
    [door] = await reporter.all()
    [held] = door.files
    assert (held.taken_at, held.refusal and held.refusal.line) == (taken_at, 5), "the last good version is still used"
    assert (held.refusal is not None and "dedline" in held.refusal.reason) or "policy" in str(held.refusal)


async def test_door_that_replaced_another_on_its_machine_is_the_only_one_of_its_kind(
    doors: Doors, clock: FakeClock
) -> None:
    await doors.report(SYSTEM, "killed", DoorKind.IVR, "one", [])
    await doors.report(SYSTEM, "elsewhere", DoorKind.IVR, "two", [])
    await doors.report(SYSTEM, "other", DoorKind.STANDBY, "one", [])
    clock.advance(SILENT_AFTER)
    await doors.report(SYSTEM, "next", DoorKind.IVR, "one", [])
    assert {each.id for each in await doors.all(SYSTEM)} == {"killed", "elsewhere", "other", "next"}
    clock.advance(timedelta(seconds=1))
    await doors.report(SYSTEM, "next", DoorKind.IVR, "one", [])
    found = {each.id: each.is_silent(clock.now()) for each in await doors.all(SYSTEM)}
    assert found == {"elsewhere": True, "other": True, "next": False}
    clock.advance(FORGOTTEN_AFTER)
    await doors.report(SYSTEM, "next", DoorKind.IVR, "one", [])
    assert [each.id for each in await doors.all(SYSTEM)] == ["next"]


async def test_door_that_stops_is_forgotten_at_once(doors: Doors) -> None:
    reporter = DoorReporter(doors, DoorKind.API, lambda: [])
    await reporter.report()
    await reporter.leave()
    assert await doors.all(SYSTEM) == []


def test_prompts_are_reported_with_their_build_and_its_refusal(tmp_path: Path) -> None:
    assert prompts_state(tmp_path) is None
    build = tmp_path / "build"
    build.mkdir()
    (build / sets.LIST).write_text('[{"id": "x", "built": "2026-11-24T08:00:00+00:00", "prompts": 9, "drafts": 0}]')
    state = prompts_state(tmp_path)
    assert state is not None and state.taken_at is not None and state.taken_at.hour == 8 and state.refusal is None
    (build / sets.REFUSED).write_text("catalogue.toml:7: digit_7 has no text\n")
    state = prompts_state(tmp_path)
    assert isinstance(state, FileState) and isinstance(state.refusal, FileRefusal)
    assert state.refusal.reason == "catalogue.toml:7: digit_7 has no text"
