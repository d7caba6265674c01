"""The operator's recordings without scripts: a file is sent, judged, stored, undone; by operators only."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from api.console.pages.prompts import LARGEST
from api.own_commands import OwnCommands
from api.prompts.builds import BuildState, PromptBuilds
from desk.access.permissions import Role
from desk.paths import ROOT
from ivr.prompts.own_recordings import recording_of
from tests.support.desk.audit import everything
from tests.support.fakes import FakeClock
from tests.support.phone.prompts import record
from tests.support.web.api import World, open_world
from tests.support.web.pages import HTML, Form, Visitor, logged_in

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

LINE = "/operate/recordings/nb/welcome"


@pytest.fixture
def prompts_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The catalogue in Bokmål alone. Nothing is recorded or built."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    text = (ROOT / "prompts" / "catalogue.toml").read_text("utf-8")
    (folder / "catalogue.toml").write_text(text[: text.index("[nn]")], "utf-8")
    shutil.copy(ROOT / "prompts" / "sms.toml", folder)
    monkeypatch.setenv("INNRINGING_PROMPTS_DIR", str(folder))
    return folder


@pytest.fixture
async def world(prompts_folder: Path, migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose prompts are in that folder."""
    async with open_world(migrated_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def olga(world: World) -> AsyncIterator[Visitor]:
    """An operator, where commands can be run, and nothing is built meanwhile."""
    commands, builds = OwnCommands([sys.executable, "-m", "innringing"]), PromptBuilds(quiet=timedelta(hours=1))
    world.app.state.services = replace(world.services, commands=commands, prompt_builds=builds)
    await world.token("olga", Role.OPERATOR)
    yield await logged_in(world, "olga")
    await builds.close()


def sound(tmp_path: Path, hertz: float = 440, seconds: float = 2.0) -> bytes:
    return record(tmp_path / "takes" / f"{hertz}.wav", (hertz, seconds, 0.2), (hertz, 0.5, 0.0)).read_bytes()


async def send(someone: Visitor, content: bytes, form: Form | None = None) -> Visitor:
    """Choose a file in the line's form, and send it."""
    given = form or (await someone.goes_to(LINE)).forms(LINE)[0]
    fields = {name: value for name, value in given.fields.items() if name != "recording"}
    someone.answer = await someone.client.post(
        LINE,
        data=fields,
        files={"recording": ("opptak.wav", content, "audio/wav")},
        headers=HTML,
        follow_redirects=True,
    )
    return someone


async def test_file_is_stored_heard_and_undone(olga: Visitor, prompts_folder: Path, tmp_path: Path) -> None:
    await olga.goes_to("/operate/recordings")
    assert "0 av 284 lest inn" in olga.text
    await send(olga, sound(tmp_path))
    assert olga.page.url.path == "/operate/recordings/nb/emergency"
    assert "welcome er lagret." in olga.text and "1 av 284 lest inn" in olga.text
    stored = recording_of(prompts_folder, "nb", "welcome")
    assert stored is not None
    assert (await olga.client.get(f"{LINE}/sound")).content == stored.read_bytes()
    await olga.goes_to(LINE)
    assert "Egen stemme" in olga.text and "ikke tatt i bruk ennå" in olga.text
    await olga.sends(f"{LINE}/remove")
    assert "Maskinstemme" in olga.text
    assert recording_of(prompts_folder, "nb", "welcome") is None
    await olga.sends(f"{LINE}/restore")
    assert "Egen stemme" in olga.text


async def test_changes_are_in_the_audit_with_their_line(world: World, olga: Visitor, tmp_path: Path) -> None:
    await send(olga, sound(tmp_path))
    await (await olga.goes_to(LINE)).sends(f"{LINE}/remove")
    await olga.sends(f"{LINE}/restore")
    changes = [(row.who, row.action, row.why) for row in await everything(world.database) if row.why]
    assert changes == [
        ("olga", "record_prompt", "prompt:nb/welcome"),
        ("olga", "remove_prompt_recording", "prompt:nb/welcome"),
        ("olga", "restore_prompt_recording", "prompt:nb/welcome"),
    ]


async def test_recording_that_is_refused_says_what_to_do(olga: Visitor, prompts_folder: Path, tmp_path: Path) -> None:
    for content, said in (
        (b"", "Ta opp først, eller velg en fil."),
        (b"no sound", "Filen er ikke et opptak i WAV eller FLAC."),
        (sound(tmp_path, seconds=0.4), "er opptaket kuttet, eller av en annen tekst?"),
        (sound(tmp_path)[:100_000], "opptaket er kuttet"),
    ):
        await send(olga, content)
        assert olga.page.status_code == 422
        assert said in olga.text
    assert recording_of(prompts_folder, "nb", "welcome") is None


async def test_later_of_two_operators_is_warned_and_may_insist(world: World, olga: Visitor, tmp_path: Path) -> None:
    await world.token("odd", Role.OPERATOR)
    odd = await (await logged_in(world, "odd")).goes_to(LINE)
    stale = odd.forms(LINE)[0]
    await send(olga, sound(tmp_path))
    await send(odd, sound(tmp_path, 600), stale)
    assert odd.page.status_code == 422
    assert "noen andre har endret dette opptaket" in odd.text
    await send(odd, sound(tmp_path, 600), odd.forms(LINE)[0])
    assert odd.page.status_code == 200


async def test_recording_without_its_token_or_too_large_is_not_read(olga: Visitor, prompts_folder: Path) -> None:
    without = await olga.client.post(LINE, files={"recording": b"RIFF"}, headers=HTML)
    assert without.status_code == 403
    await send(olga, b"RIFF" + bytes(LARGEST))
    assert olga.page.status_code == 413
    elsewhere = await olga.client.post("/operate/check", content=bytes(100_000), headers=HTML)
    assert elsewhere.status_code in (403, 413)
    assert not (prompts_folder / "nb").exists()


async def test_microphone_is_allowed_on_the_pages_of_recordings_only(olga: Visitor) -> None:
    for path, policy in (("/operate", "microphone=()"), (LINE, "microphone=(self)")):
        assert policy in (await olga.goes_to(path)).page.headers["permissions-policy"]


async def test_line_that_does_not_exist_is_not_found(olga: Visitor) -> None:
    for path in ("nb/velkommen", "nb/pause", "de/welcome"):
        assert (await olga.goes_to(f"/operate/recordings/{path}")).page.status_code == 404


async def test_page_says_so_where_commands_cannot_run(world: World) -> None:
    await world.token("olga", Role.OPERATOR)
    someone = await (await logged_in(world, "olga")).goes_to("/operate/recordings")
    assert someone.page.status_code == 503
    assert "Kommandoen svarte ikke." in someone.text


def printing(text: str) -> OwnCommands:
    return OwnCommands([sys.executable, "-c", f"print({text!r})"])


async def test_changes_during_a_build_are_in_one_more(migrated_url: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = f"import json; open({str(runs)!r}, 'a').write('x'); print(json.dumps({{'refused': ''}}))"
    commands = OwnCommands([sys.executable, "-c", program])
    builds = PromptBuilds(every=timedelta(0), quiet=timedelta(0))
    builds.ask(commands, (), FakeClock().now)
    for _ in range(1000):
        if builds.state.is_running:
            break
        await asyncio.sleep(0.001)
    for _ in range(5):
        builds.ask(commands, (), FakeClock().now)
    await builds.ended()
    assert runs.read_text() == "xx"
    assert builds.state == BuildState(ended_at=FakeClock().now())


async def test_build_waits_for_more_recordings_unless_it_is_hurried(migrated_url: str) -> None:
    builds = PromptBuilds(quiet=timedelta(hours=1))
    builds.ask(printing('{"refused": "no"}'), (), FakeClock().now)
    await asyncio.sleep(0)
    assert (builds.state.is_awaited, builds.state.is_running) == (True, False)
    builds.ask(printing('{"refused": "no"}'), (), FakeClock().now, hurry=True)
    await builds.ended()
    assert builds.state.refused == "no"
    builds.ask(printing("{}"), (), FakeClock().now)
    await builds.close()


async def test_build_that_fails_is_said_in_words(world: World, olga: Visitor) -> None:
    services = replace(world.app.state.services, prompt_builds=PromptBuilds(quiet=timedelta(0)))
    world.app.state.services = services
    services.prompt_builds.ask(OwnCommands([sys.executable, "-c", ""]), (), FakeClock().now)
    await services.prompt_builds.ended()
    await olga.goes_to("/operate/recordings")
    assert "Opptakene er ikke tatt i bruk, fordi kommandoen ikke svarte." in olga.text
