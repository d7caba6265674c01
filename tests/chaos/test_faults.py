"""The short form of `make chaos`: ten people call on each engine while something breaks."""

import asyncio
import sys
from pathlib import Path

from desk.paths import ROOT
from tests.chaos.__main__ import read_results


async def test_no_receipt_is_false_and_no_callback_is_doubled_while_something_breaks(
    prompts: None, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--short", "--seed", "11", "--out", str(tmp_path)]
    child = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    results = read_results(tmp_path)
    assert len(results) == 2, said.decode()
    for result in results:
        assert (result.lost, result.doubled, result.wrong, result.orphans) == (0, 0, 0, 0), said.decode()
        assert result.receipts > 0, said.decode()
        assert result.faults == () and result.error == "", said.decode()
