"""GET /callbacks/{id}/recording: for the department's agents, recorded in the history, never cached; both engines."""

import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk.access.actor import CALLER
from desk.access.permissions import Role
from tests.support.web.api import World, open_world, refused

SPEECH = b"\x2a\xaa" * 8000


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


async def test_agent_hears_the_recording_and_the_history_names_them(world: World) -> None:
    callback = await world.rings()
    assert (await world.get(f"/callbacks/{callback.id}"))["has_recording"] is False
    await world.services.recordings.keep(CALLER, callback.id, SPEECH)
    assert (await world.get(f"/callbacks/{callback.id}"))["has_recording"] is True
    (listed,) = (await world.get("/callbacks"))["items"]
    assert listed["has_recording"] is True
    answer = await world.as_("kari", "GET", f"/callbacks/{callback.id}/recording")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"] == 'inline; filename="recording.wav"'
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getnframes(), file.getframerate(), file.getsampwidth()) == (len(SPEECH), 8000, 2)
    rows = (await world.get(f"/callbacks/{callback.id}/history"))["items"]
    assert [(row["event"], row["actor"]) for row in rows[1:]] == [("recorded", "caller"), ("recording_heard", "kari")]


async def test_only_agents_of_the_department_hear_the_recording(world: World) -> None:
    callback = await world.rings()
    await world.services.recordings.keep(CALLER, callback.id, SPEECH)
    await world.token("liv", departments=["hjerte"])
    await world.token("lise", Role.LEADER)
    path = f"/callbacks/{callback.id}/recording"
    assert (await world.as_("liv", "GET", path)).status_code in (403, 404)
    refused(await world.as_("lise", "GET", path), 403, "role-not-allowed")
    rows = (await world.get(f"/callbacks/{callback.id}/history"))["items"]
    assert "recording_heard" not in [row["event"] for row in rows]


async def test_missing_recording_is_not_found(world: World) -> None:
    callback = await world.rings()
    refused(await world.as_("kari", "GET", f"/callbacks/{callback.id}/recording"), 404, "recording-not-found")
    nobody = "/callbacks/00000000-0000-0000-0000-000000000000/recording"
    refused(await world.as_("kari", "GET", nobody), 404, "callback-not-found")
