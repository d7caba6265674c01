"""No library can get a number past the log's filter, and no line is lost."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from desk.logging.log import Scrubber
from desk.logging.outlets import LONGEST_LINE
from desk.paths import ROOT
from tests.support.environment import without_ours
from tests.support.synthetic import synthetic_identity

NUMBER = synthetic_identity(555_001)
WORDS = (
    *("own-handler", "forced-config", "dict-config", "to-a-file", "to-a-queue", "extra-and-stack", "own-factory"),
    *("badly-formatted", "structured", "chained-inner", "chained-group", "chained-note", "sql-echo", "access-lines"),
    *("loop-task", "loop-callback", "warned", "in-a-thread", "unraisable", "printed", "printed-err"),
    *("printed-original", "printed-half", "printed-bytes", "from-c", "by-a-child", "uncaught"),
)


def said(folder: Path, guarded: str) -> tuple[bytes, bytes]:
    """The output of the leaky service on its descriptors, and in a library's own file."""
    file = folder / "library.log"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.canaries.leaky", NUMBER, guarded],
        cwd=ROOT,
        env={**without_ours(), "LEAK_FILE": str(file)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout, file.read_bytes()


async def test_no_output_path_leaks_a_number_or_loses_a_line(tmp_path: Path) -> None:
    out, file = await asyncio.to_thread(said, tmp_path, "guarded")
    missing = [word for word in WORDS if word.encode() not in out]
    assert not missing, out.decode()
    assert NUMBER.encode() not in out
    assert NUMBER[4:].encode() not in out.replace(b"\n", b"")  # seven digits: longer than any fraction of a second
    assert file == b""


async def test_each_output_path_leaks_without_the_guard(tmp_path: Path) -> None:
    """Proof that the test above can fail: without the guard each of these paths leaks the number."""
    out, file = await asyncio.to_thread(said, tmp_path, "open")
    lines = [line for line in (out + file).decode().splitlines() if NUMBER in line]
    quiet = {"extra-and-stack", "structured", "printed-half"}  # fields not shown, or shown on a line of their own
    quiet |= {"badly-formatted", "access-lines"}
    missing = [word for word in WORDS if word not in quiet and not any(word in line for line in lines)]
    assert not missing, missing


@pytest.mark.parametrize("length", [0, 11, LONGEST_LINE - 5, LONGEST_LINE, LONGEST_LINE * 3])
async def test_line_of_any_length_is_scrubbed_completely(length: int, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom desk.logging.outlets import Outlets\nfrom desk.logging.log import Scrubber\n"
        "Outlets(Scrubber())\n"
        f"sys.stdout.write('x' * {length} + ' {NUMBER} ' + 'y' * {length} + ' {NUMBER} the end')"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert out.decode() == Scrubber()("x" * length + f" {NUMBER} " + "y" * length + f" {NUMBER} the end")
    assert NUMBER.encode() not in out


async def test_unexpected_failure_of_a_command_shows_no_number() -> None:
    program = (
        "import sys, typer\nimport innringing\n"
        "@innringing.app.command('breaks')\n"
        f"def breaks() -> None:\n    seen = '{NUMBER}'\n    raise ValueError(f'it breaks on {{seen}}')\n"
        "sys.argv[1:] = ['breaks']\ninnringing.app()"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert b"it breaks on ***" in out
    assert b"Traceback" in out
    assert NUMBER.encode() not in out
