"""A mistake in an operators' file, from the edit to the operator's page of a running api."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from api.auth.cookies import SESSION
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.clock import SystemClock
from desk.database.engine import Database
from tests.support.desk.edited_departments import GOOD
from tests.support.web.api_process import environment, running_api

PATIENCE = 90.0
"""Seconds; a limit against hanging, not a measure."""


async def session_of_an_operator(url: str) -> str:
    database, clock = Database(url), SystemClock()
    try:
        await Agents(database=database, clock=clock).add(SYSTEM, "olga", Role.OPERATOR, ["*"])
        return (await Sessions(database=database, clock=clock).open(SYSTEM, "olga", source=LoginSource.PASSWORD)).token
    finally:
        await database.close()


@pytest.mark.parametrize("language", ["nb", "nn"])
async def test_refused_edit_is_on_the_operators_page_with_file_line_and_reason_in_norwegian(
    tmp_path: Path, language: str
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    (file := tmp_path / "departments.toml").write_text(GOOD, "utf-8")
    with running_api(environment(url, tmp_path, departments_file=str(file))) as api:
        cookies = {SESSION: await session_of_an_operator(url)}
        headers = {"Accept": "text/html", "Accept-Language": language}
        file.write_text(GOOD.replace('cutoff = "14:00"', 'cutoff = "25:00"'), "utf-8")
        async with httpx.AsyncClient(base_url=api.url, cookies=cookies, headers=headers, trust_env=False) as client:
            until, page = time.monotonic() + PATIENCE, ""
            while "departments.toml:6</code>" not in page and time.monotonic() < until:
                await asyncio.sleep(0.5)
                page = (await client.get("/operate", timeout=30)).text
    assert '<code>departments.toml:6</code> <span lang="nb">«cutoff» må være' in page
