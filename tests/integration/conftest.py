"""A migrated database on each engine in turn, a desk on it, and built prompts."""

import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.paths import ROOT
from ivr.prompts.build import build
from ops.machine import tree
from tests.support.desk.desk import make_desk
from tests.support.fakes import FakeClock
from tests.support.oidc.house import as_they_were as as_they_were
from tests.support.oidc.house import forging as forging
from tests.support.oidc.house import opens as opens
from tests.support.oidc.house import provider as provider
from tests.support.phone.prompts import KEYS


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """An empty database with the newest tables."""
    opened = Database(migrated_url)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    """Tuesday 24 November 2026, 09:00 in Oslo."""
    return FakeClock()


@pytest.fixture
def desk(database: Database, clock: FakeClock) -> CallbackServices:
    return make_desk(database, clock)


@pytest.fixture(scope="session")
def tools() -> Path:
    return tree.ensure(tree.ASTERISK) / "bin"


@pytest.fixture(scope="session")
def built(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue's Bokmål and English as drafts. Built once for all test processes of a run. Tests copy it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "built").exists():
            build_drafts(shared / "built", tools)
    return shared / "built"


def build_drafts(folder: Path, tools: Path) -> None:
    folder.mkdir()
    text = (ROOT / "prompts" / "catalogue.toml").read_text("utf-8")
    text = text[: text.index("[nn]")] + text[text.index("[en]") :]  # the third language is built like the others
    (folder / "catalogue.toml").write_text(text, "utf-8")
    steps: list[tuple[int, int]] = []
    report = build(folder, tools=tools, on_step=lambda done, of: steps.append((done, of)))
    assert (report.built, report.kept, report.removed) == (2 * KEYS, 0, 0)
    assert report.drafts == 2 * KEYS - 6  # pauses and tones are not spoken
    assert steps == [(done, 4 * KEYS) for done in range(1, 4 * KEYS + 1)]


@pytest.fixture
def both(built: Path, tmp_path: Path) -> Path:
    """A copy of both languages."""
    return Path(shutil.copytree(built, tmp_path / "both"))


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of Bokmål alone, which is half the work."""
    folder = tmp_path / "prompts"
    (home := folder / "build" / "nb").mkdir(parents=True)
    for path in (built / "build" / "nb").iterdir():
        if path.is_file():  # without the sets of earlier builds
            shutil.copy2(path, home)
    shutil.copy(built / "build" / "manifest.json", folder / "build")
    text = (built / "catalogue.toml").read_text("utf-8")
    (folder / "catalogue.toml").write_text(text[: text.index("[en]")], "utf-8")
    return folder
