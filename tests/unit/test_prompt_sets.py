"""A call uses one set of prompts from start to end."""

import json
from pathlib import Path

import pytest

from desk.callbacks.model import CallKey
from desk.settings.settings import Settings
from ivr.app import lengths_now, sounds_now
from ivr.calls.call import Call, CallerId
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import on_virtual_time


@pytest.mark.parametrize(
    ("ari_url", "sounds"), [("", "innringing/abc"), ("http://asterisk.hospital.test:8088", "innringing")]
)
def test_new_call_uses_the_latest_build_that_asterisk_has(tmp_path: Path, ari_url: str, sounds: str) -> None:
    settings = Settings.load(environment="demo", var_dir=tmp_path, prompts_dir=tmp_path, ari_url=ari_url)
    assert sounds_now(settings) == "innringing"  # nothing is built yet
    (tmp_path / "build").mkdir()
    entry = {"id": "abc", "built": "2026-11-24T08:00:00+00:00", "prompts": 1, "drafts": 0}
    (tmp_path / "build" / "sets.json").write_text(json.dumps([entry]), "utf-8")
    assert sounds_now(settings) == sounds


def test_lengths_of_prompts_come_from_the_latest_build(tmp_path: Path) -> None:
    settings = Settings.load(environment="demo", var_dir=tmp_path, prompts_dir=tmp_path)
    assert lengths_now(settings) == {}
    (tmp_path / "build").mkdir()
    for id, samples in (("abc", 16_000), ("def", 40_000)):
        prompts = {"nb/welcome": {"fingerprint": "f", "kind": "recording", "samples": samples}}
        (tmp_path / "build" / "manifest.json").write_text(json.dumps({"prompts": prompts}), "utf-8")
        entry = {"id": id, "built": "2026-11-24T08:00:00+00:00", "prompts": 1, "drafts": 0}
        (tmp_path / "build" / "sets.json").write_text(json.dumps([entry]), "utf-8")
        assert lengths_now(settings) == {"nb/welcome": samples / 16_000}


@on_virtual_time
async def test_call_keeps_the_set_of_prompts_it_started_with() -> None:
    line = FakeChannel()
    key, caller = CallKey("asterisk-1", line.id), CallerId(None)
    call = Call(line, key=key, department="kirurgi", language="nb", caller=caller, sounds="innringing/abc")
    line.attach(call)
    await call.play("welcome", "emergency")
    assert line.prompts == ["abc/welcome", "abc/emergency"]
