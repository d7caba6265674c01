"""Operators' files that no editor writes: nothing in them, and nothing in their place, takes the service down."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.accounts.oidc.groups_file import AccessFile, load_access
from desk.departments.file import DepartmentsFile, load_departments
from desk.files.edited_file import EVERY_SECONDS, EditedFile
from desk.files.errors import OperatorsFileError
from desk.files.toml_files import LARGEST
from desk.files.toml_lines import key_lines
from desk.messages.texts import SmsTextsFile, load_sms_texts
from desk.paths import ROOT
from ivr.prompts.catalogue import CatalogueError, load_catalogue

GOOD = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
BAD: dict[str, Callable[[Path], object]] = {
    "nested brackets": lambda file: file.write_text("a = " + "[" * 3000 + "]" * 3000),
    "brackets that stay open": lambda file: file.write_text("a = " + "[{b=" * 3000),
    "a number of 5,000 digits": lambda file: file.write_text("a = " + "9" * 5000),
    "a float without end": lambda file: file.write_text("a = 1e" + "9" * 5000),
    "a pipe": os.mkfifo,
    "a folder": lambda file: file.mkdir(),
    "a huge file": lambda file: file.write_text("# " + "x" * LARGEST),
    "a device": lambda file: file.symlink_to("/dev/zero"),
    "a link to itself": lambda file: file.symlink_to(file.name),
    "zeros": lambda file: file.write_bytes(bytes(1000)),
    "a long list": lambda file: file.write_text("a = [\n" + '"x",\n' * 20_000 + "]\n"),
}
LOADERS: list[tuple[Callable[[Path], Any], type[Exception]]] = [
    (load_departments, OperatorsFileError),
    (load_sms_texts, OperatorsFileError),
    (load_access, OperatorsFileError),
    (load_catalogue, CatalogueError),
]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize(("load", "fault"), LOADERS, ids=["departments", "sms", "access", "catalogue"])
def test_bad_file_is_a_fault_of_that_file(
    load: Callable[[Path], Any], fault: type[Exception], bad: Callable[[Path], object], tmp_path: Path
) -> None:
    file = tmp_path / "file.toml"
    bad(file)
    with pytest.raises(fault) as raised:
        load(file)
    assert str(file) in str(raised.value)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_bad_file_keeps_the_last_good_one_in_use(bad: Callable[[Path], object], tmp_path: Path) -> None:
    now = [1_000_000.0]
    file = tmp_path / "departments.toml"
    file.write_text(GOOD, "utf-8")
    departments = DepartmentsFile(file, seconds=lambda: now[0], wall=lambda: now[0] + 10**10)
    before = departments()
    file.unlink()
    bad(file)
    now[0] += EVERY_SECONDS
    await asyncio.wait_for(departments.settled(), 20)
    assert departments() is before
    assert departments.fault_on_disk() is not None


@pytest.mark.parametrize("kind", [SmsTextsFile, AccessFile])
async def test_file_that_can_not_be_read_at_the_start_is_a_fault(kind: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file.toml")
    assert kind(tmp_path / "file.toml").fault is not None


async def test_file_is_read_beside_the_event_loop(tmp_path: Path) -> None:
    """What the file is read with waits for the loop, so the loop must go on."""
    file = tmp_path / "file.toml"
    file.write_text("first")
    now, loop = [1_000_000.0], asyncio.get_running_loop()

    async def next_content() -> str:
        return "read while the loop went on"

    def load(path: Path) -> str:
        if path.read_text() == "first":
            return "first"
        return asyncio.run_coroutine_threadsafe(next_content(), loop).result(10)

    class Edited(EditedFile[str, OperatorsFileError]):
        refused = reloaded = "file"

    edited = Edited(file, load, OperatorsFileError, seconds=lambda: now[0], wall=lambda: now[0] + 10**10)
    file.write_text("second")
    now[0] += EVERY_SECONDS
    assert edited._current() == "first"
    await edited.settled()
    assert edited._current() == "read while the loop went on"


def test_lines_of_a_very_long_statement_are_given_up() -> None:
    text = "first = 1\nsecond = [\n" + "1,\n" * 50_000 + "]\nthird = 1\n"
    assert key_lines(text) == {("first",): 1}
