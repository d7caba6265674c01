"""Streams of the console's pages: as limited as those of programs, and over when the session is."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.auth.cookies import CSRF_HEADER, SESSION
from desk.access.actor import SYSTEM
from desk.accounts.sessions.model import LoginSource, csrf_of
from desk.audit.actions import AuditAction
from tests.support.web.live import Served, listening_to, served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
"""Nothing here depends on the engine."""


@pytest.fixture
async def api(migrated_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(migrated_url, tmp_path, recheck_seconds=600) as api:
        yield api


@pytest.mark.parametrize("path", ["/api/v1/events", "/queue/events"])
async def test_log_out_ends_the_streams_of_its_session_at_once(api: Served, path: str) -> None:
    await api.token("kari")
    sessions = [await api.world.services.sessions.open(SYSTEM, "kari", source=LoginSource.PASSWORD) for _ in range(2)]
    one, other = [each.token for each in sessions]
    async with (
        listening_to(api.url, cookie=one, path=path) as ending,
        listening_to(api.url, cookie=other, path=path) as staying,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        await ending.opened()
        await staying.opened()
        headers = {"Cookie": f"{SESSION}={one}", CSRF_HEADER: csrf_of(one)}
        assert (await client.delete(f"{api.url}/api/v1/session", headers=headers)).status_code == 204
        await ending.rest()
        await api.world.rings()
        assert len(await staying.changes(1)) == 1


async def test_streams_of_pages_leave_room_for_others(api: Served) -> None:
    await api.token("kari")
    login = await api.world.services.sessions.open(SYSTEM, "kari", source=LoginSource.PASSWORD)
    api.live.most_of_one = 1
    async with listening_to(api.url, cookie=login.token, path="/queue/events") as stream:
        await stream.opened()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{api.url}/queue/events", headers={"Cookie": f"{SESSION}={login.token}"})
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:innringing:problem:too-many-streams")


async def test_changed_rows_come_with_the_stream_and_are_audited_before(api: Served) -> None:
    await api.token("kari", "kirurgi")
    login = await api.world.services.sessions.open(SYSTEM, "kari", source=LoginSource.PASSWORD)
    async with listening_to(api.url, cookie=login.token, path="/queue/events") as stream:
        await stream.opened()
        await api.world.rings(1, department="hjerte")
        callback = await api.world.rings(2)
        while (block := await stream.block()) is not None and block.event != "rows":
            continue
        assert block is not None
        sent = [each for each in api.world.witness.heard if each.action is AuditAction.EVENTS_SENT]
        assert [set(each.callbacks) for each in sent] == [{callback.id}]
    assert list(block.data["rows"]) == [callback.id]
    assert f'id="row-{callback.id}"' in block.data["rows"][callback.id]
    assert "1 venter" in block.data["counts"]
