"""departments.toml edited while we run: used at once or refused as a whole, and never in the middle of a call."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from desk.departments.errors import DepartmentsFileError
from desk.departments.file import DepartmentsFile
from tests.support.desk.edited_departments import GOOD, Time


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "departments.toml"
    path.write_text(GOOD, "utf-8")
    os.utime(path, (10, 10))
    return path


@pytest.fixture
def departments(file: Path, time: Time) -> DepartmentsFile:
    return DepartmentsFile(file, seconds=time, wall=time)


@pytest.fixture
def logged() -> Iterator[list[dict[str, object]]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def edit(file: Path, old: str, new: str, *, at: float = 20) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
    os.utime(file, (at, at))


def test_edit_takes_effect_at_the_next_check(file: Path, departments: DepartmentsFile, time: Time) -> None:
    edit(file, "14:00", "13:00")
    assert departments().get("kirurgi").cutoff.hour == 14  # type: ignore[union-attr]  # looked a moment ago
    time.now += 1
    assert departments().get("kirurgi").cutoff.hour == 13  # type: ignore[union-attr]


def test_mistake_keeps_the_old_file_in_use_and_is_reported_once(
    file: Path, departments: DepartmentsFile, time: Time, logged: list[dict[str, object]]
) -> None:
    before = departments()
    edit(file, 'cutoff = "14:00"', 'cutof = "13:00"')
    for _ in range(3):
        time.now += 1
        assert departments() is before
    fault = departments.fault
    assert fault and (fault.file, fault.line) == (str(file), 6)
    assert fault.reason == "unknown key «cutof»: did you mean «cutoff»?"
    (line,) = [line for line in logged if line["log_level"] == "error"]
    assert (line["file"], line["line"], line["reason"]) == (str(file), 6, fault.reason)
    edit(file, "cutof ", "cutoff ", at=30)
    time.now += 1
    assert departments().get("kirurgi").cutoff.hour == 13  # type: ignore[union-attr]
    assert departments.fault is None


def test_replaced_file_with_the_same_time_and_size_is_noticed(
    file: Path, departments: DepartmentsFile, time: Time, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(GOOD.replace("14:00", "12:00"), "utf-8")
    os.utime(other, (10, 10))
    other.replace(file)
    time.now += 1
    assert departments().get("kirurgi").cutoff.hour == 12  # type: ignore[union-attr]


def test_deleted_file_is_a_mistake_like_any_other(file: Path, departments: DepartmentsFile, time: Time) -> None:
    file.unlink()
    time.now += 1
    assert list(departments()) == ["kirurgi"]
    assert departments.fault and departments.fault.line is None
    file.write_text(GOOD.replace("[kirurgi]", "[medisin]"), "utf-8")
    os.utime(file, (10, 10))
    time.now += 1
    assert list(departments()) == ["medisin"]


def test_file_is_not_read_while_it_is_being_written(file: Path, departments: DepartmentsFile, time: Time) -> None:
    time.now += 1
    edit(file, "14:00", "13:00", at=time.now - 0.1)
    assert departments().get("kirurgi").cutoff.hour == 14  # type: ignore[union-attr]
    time.now += 1
    assert departments().get("kirurgi").cutoff.hour == 13  # type: ignore[union-attr]


async def test_call_keeps_the_rules_it_started_with(file: Path, departments: DepartmentsFile, time: Time) -> None:
    edited, heard = asyncio.Event(), []

    async def call() -> None:
        with departments.held():
            heard.append(departments().get("kirurgi").cutoff)
            await edited.wait()
            heard.append(departments().get("kirurgi").cutoff)
        heard.append(departments().get("kirurgi").cutoff)

    running = asyncio.create_task(call())
    await asyncio.sleep(0)
    edit(file, "14:00", "13:00")
    time.now += 1
    await departments.settled()
    assert departments().get("kirurgi").cutoff.hour == 13  # type: ignore[union-attr]  # for new callers
    edited.set()
    await running
    assert [time.hour for time in heard if time] == [14, 14, 13]


def test_start_fails_without_a_valid_file(tmp_path: Path) -> None:
    with pytest.raises(DepartmentsFileError):
        DepartmentsFile(tmp_path / "none.toml")
