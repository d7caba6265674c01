"""docs/examples/round.py, as it stands in the documentation, works a round against a running api."""

import asyncio
import os
import sys
from pathlib import Path

from desk.access.permissions import Scope
from desk.inquiries.model import ClosedReason, Status
from desk.paths import ROOT
from tests.support.desk.desk import as_agent
from tests.support.web.api_process import environment, running_api
from tests.support.web.api_queue import open_queue, people_ring

EXAMPLE = ROOT / "docs" / "examples" / "round.py"
ANSWERS = "reached\nnonsense\nbusy\ndropped\nreached\nwrong_number\n"


async def test_example_works_a_round(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    async with open_queue(url, tmp_path) as desk:
        await people_ring(desk, "kirurgi", 4)
        with running_api(environment(url, tmp_path)) as api:
            variables = {**os.environ, "INNRINGING_API": api.url, "INNRINGING_TOKEN": api.token, "NO_PROXY": "*"}
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, str(EXAMPLE), "kirurgi"),
                env=variables,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(child.communicate(ANSWERS.encode()), 60)
        assert (child.returncode, err.decode()) == (0, "")
        said = out.decode()
        assert "brutt: først i køen" in said
        assert "ringes igjen" in said
        assert said.strip().endswith("Ingen venter.")
        page = await desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=10)
    ends = sorted((callback.status, callback.closed_reason or "") for callback in page.items)
    assert ends == [
        (Status.CLOSED, ClosedReason.REACHED),
        (Status.CLOSED, ClosedReason.REACHED),
        (Status.CLOSED, ClosedReason.WRONG_NUMBER),
        (Status.WAITING, ""),
    ]


def test_example_is_short_and_has_no_dependencies() -> None:
    text = EXAMPLE.read_text("utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 65
    assert not any(f"import {other}" in text for other in ("httpx", "requests", "aiohttp", "desk", "api"))
