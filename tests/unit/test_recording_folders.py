"""The folders of recordings, for a process that may write in them but not beside them."""

import shutil
from pathlib import Path

from desk.paths import ROOT
from ivr.prompts.own_recordings import make_folders, restore, store
from tests.support.phone.prompts import record


def test_recordings_need_no_folder_but_those_that_were_made(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    shutil.copy(ROOT / "prompts" / "catalogue.toml", folder)
    made = make_folders(folder)
    assert made == make_folders(folder)
    before = {path for path in folder.rglob("*") if path.is_dir() or path.name == ".lock"}
    assert {folder / name for name in ("build", "former", "nb", "nn", "en")} == set(made) < before
    for hertz in (440, 600):
        assert not store(folder, "nb", "welcome", record(tmp_path / "in" / f"{hertz}.wav", (hertz, 2.0, 0.3))).refusals
    restore(folder, "nb", "welcome")
    assert {path for path in folder.rglob("*") if path.is_dir() or path.name == ".lock"} == before
