"""Production uses nothing of the demo: its softphone and trunk are not loaded, and its departments are refused."""

import asyncio
import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine import asterisk, instance
from ops.machine.demo_parts import demo_parts
from ops.softphone.errors import SipRefusal
from ops.softphone.phone import Phone
from tests.integration.test_ivr_start import SQLITE, last_words
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run
from tests.support.web.api_process import environment

KEYS: dict[str, Any] = {
    "environment": "production",
    "identity_key": base64.b64encode(bytes(32)).decode(),
    "index_key": base64.b64encode(b"i" * 32).decode(),
    "ari_password": "not-the-demos",
}
DEPARTMENTS = "dialplan/departments.toml:17: [kirurgi] is the demo's, its number is made up"
StartAsterisk = Callable[..., asterisk.AsteriskServer]


async def test_asterisk_has_no_softphone_and_no_trunk_unless_set(
    start_asterisk: StartAsterisk,
) -> None:
    running = await asyncio.to_thread(start_asterisk, **KEYS)
    endpoints = running.console("pjsip show endpoints")
    assert "switchboard" in endpoints and "trunk" in endpoints and "demo-phone" not in endpoints
    assert "No objects found" in running.console("pjsip show identifies")
    assert set(running.instance.passwords) == {"switchboard"}
    assert running.instance.complaints() == []
    async with Phone("127.0.0.1", running.settings.sip.port) as stranger:
        with pytest.raises(SipRefusal) as refusal:
            await stranger.ring("1000", caller="+4768050778", patience=30)
        assert refusal.value.status == 401


def test_switchboard_keeps_its_password_when_the_demo_is_removed(tmp_path: Path) -> None:
    demo = machine_settings(tmp_path)
    production = Settings.load(var_dir=tmp_path, **KEYS)
    made = instance.prepare(demo, tmp_path / "asterisk", Path("/"))
    loaded = made.folder / "etc" / "demo.conf"
    assert "demo-phone" in loaded.read_text("utf-8") and set(made.passwords) == {"switchboard", "demo-phone"}
    after = instance.prepare(production, tmp_path / "asterisk", Path("/"))
    assert not loaded.exists() and "demo-phone" not in (made.folder / "phones.json").read_text("utf-8")
    assert after.passwords == {"switchboard": made.passwords["switchboard"]}


def test_phone_of_an_operator_gets_a_password() -> None:
    phone = "[{0}](line)\nauth={0}\naors={0}\n[{0}]\ntype=aor\n"
    kept_by_hand = "[kari]\ntype=auth\nusername=kari\npassword=hers\n"
    assert instance.phones_of(f"{phone.format('anne')}{phone.format('kari')}{kept_by_hand};auth=nobody\n") == ["anne"]
    assert instance.phones_of((ROOT / "dialplan" / "pjsip.conf").read_text("utf-8")) == ["switchboard"]


@pytest.fixture
def operators(tmp_path: Path) -> Path:
    """The operators' files as a hospital has written them."""
    folder = Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))
    for name, *pairs in (
        ("departments.toml", ("+47680500", "+47680599")),
        ("extensions.conf", ("PJSIP/demo-phone", "PJSIP/anne&PJSIP/kari")),
        ("pjsip.conf", (";[trunk]", "[trunk]"), (";type", "type"), (";endpoint", "endpoint"), (";match", "match")),
    ):
        text = (folder / name).read_text("utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (folder / name).write_text(text, "utf-8")
    return folder


def test_hospitals_own_files_are_accepted(operators: Path) -> None:
    assert demo_parts(operators / "departments.toml", operators, root=operators) == []


def test_each_line_of_the_demo_is_reported(operators: Path) -> None:
    for name in ("departments.toml", "extensions.conf", "pjsip.conf"):
        shutil.copy(ROOT / "dialplan" / name, operators)
    found = demo_parts(operators / "departments.toml", operators, root=operators)
    told = [(fault.place.partition(":")[0], fault.reason.partition(":")[0], fault.note) for fault in found]
    assert told == [
        ("departments.toml", "[kirurgi] is the demo's, its number is made up", False),
        ("departments.toml", "[hjerte] is the demo's, its number is made up", False),
        ("extensions.conf", "demo-phone belongs to the demo", False),
        ("extensions.conf", "demo-phone belongs to the demo", False),
        ("pjsip.conf", "no match= has your telephone company's addresses", True),
    ]
    lines = (operators / "extensions.conf").read_text("utf-8").splitlines()
    assert all("PJSIP/demo-phone" in lines[fault.line - 1] for fault in found[2:4] if fault.line)


async def test_nothing_starts_with_the_demos_departments_in_production(tmp_path: Path) -> None:
    assert DEPARTMENTS in await last_words(environment(SQLITE, tmp_path, **KEYS))
    settings = machine_settings(tmp_path)
    production: dict[str, Any] = {name.upper(): value for name, value in KEYS.items()}
    done = await asyncio.to_thread(run, settings, "run", **production)
    assert done.returncode == 1
    assert done.stderr.startswith(f"innringing run: {DEPARTMENTS}") and len(done.stderr.splitlines()) == 1


async def test_check_lists_what_production_still_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    (prompts := tmp_path / "prompts").mkdir()  # not built: nothing is measured, which takes long
    for name in ("catalogue.toml", "sms.toml"):
        shutil.copy(ROOT / "prompts" / name, prompts)
    production: dict[str, Any] = {name.upper(): value for name, value in KEYS.items()} | {"PROMPTS_DIR": str(prompts)}
    done = await asyncio.to_thread(run, machine_settings(tmp_path), "check", **production)
    assert done.returncode == 1
    assert done.stdout.count("is the demo's, its number is made up") == 2
    assert done.stdout.count("demo-phone belongs to the demo") == 2
