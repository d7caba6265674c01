"""An operator records a prompt in the console, and the next caller hears it: the sound is recognised on the line."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.paths import ROOT
from tests.support.machine.system import System, run, running_system
from tests.support.phone.callers import ringing
from tests.support.web.recording_operator import another_voice, hears, operator_at, records

CALLER = "+4768050141"
KEY = "ask_identity"


@pytest.fixture(scope="module")
def own_system(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with prompts of its own."""
    folder = tmp_path_factory.mktemp("recorded")
    own = Path(shutil.copytree(ROOT / "prompts", folder / "prompts"))
    (var := folder / "var").mkdir()
    with running_system(var, prompts_dir=own) as system:
        yield system


async def test_next_caller_hears_what_the_operator_has_recorded(own_system: System) -> None:
    settings = own_system.settings
    folder = settings.files.prompts
    draft = (folder / "build" / "nb" / f"{KEY}.alaw").read_bytes()
    added = run(settings, "agents", "add", "olga", "--role", "operator", "--all-departments")
    assert added.returncode == 0, added.stderr
    password = run(settings, "agents", "password", "olga", "--random").stdout.split()[-1]
    async with operator_at(f"http://127.0.0.1:{settings.api.port}", "olga", password) as olga:
        await records(olga, f"nb/{KEY}", another_voice(folder / "build" / "en" / f"{KEY}.sln16"))
    async with ringing(settings, "1000", CALLER) as caller:
        assert await hears(caller.call, folder / "nb" / f"{KEY}.wav", draft) == ["recorded"]
