"""A line is recorded in a real Chromium by keyboard alone, and built: callers hear what the microphone heard."""

import re
import shutil
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import expect

from api.own_commands import OwnCommands
from desk.access.permissions import Role
from desk.paths import ROOT
from ivr.prompts.levels import from_pcm16, resampled
from ivr.prompts.own_recordings import recording_of
from ivr.prompts.voices import sound_of
from tests.support.web.axe import violations
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

RATE = 48_000
HERTZ = 600
SECONDS = 30_000  # milliseconds that a busy machine may take


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The texts in Bokmål. Nothing is recorded or built."""
    source, folder = ROOT / "prompts", tmp_path / "prompts"
    folder.mkdir()
    shutil.copy(source / "sms.toml", folder)
    text = (source / "catalogue.toml").read_text("utf-8")
    (folder / "catalogue.toml").write_text(text[: text.index("[nn]")], "utf-8")
    monkeypatch.setenv("INNRINGING_PROMPTS_DIR", str(folder))
    return folder


@pytest.fixture
def built(prompts: None, folder: Path) -> Path:
    """Bokmål as it is built, so that only what is recorded is built again."""
    (home := folder / "build" / "nb").mkdir(parents=True)
    for file in (ROOT / "prompts" / "build" / "nb").iterdir():
        if file.is_file():
            shutil.copy2(file, home)
    shutil.copy(ROOT / "prompts" / "build" / "manifest.json", folder / "build")
    return folder


@pytest.fixture
async def console(migrated_url: str, folder: Path, tmp_path: Path) -> AsyncIterator[Console]:
    """The console, and a browser whose microphone hears someone say half a second, again and again."""
    voice = tmp_path / "voice.wav"
    at = np.arange(RATE) / RATE
    with wave.open(str(voice), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.where(at < 0.5, 0.3 * np.sin(2 * np.pi * HERTZ * at), 0) * 32767).astype("<i2").tobytes())
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    async with (
        served(migrated_url, tmp_path, commands=OwnCommands([sys.executable, "-m", "innringing"])) as serving,
        chromium(*microphone, f"--use-file-for-fake-audio-capture={voice}") as browser,
    ):
        opened = Console(serving.world, browser, serving.url, [])
        await opened.add("olga", Role.OPERATOR)
        yield opened
        await serving.world.services.prompt_builds.close()
        assert opened.faults == []


async def test_line_is_recorded_by_keyboard_alone_and_heard(built: Path, console: Console) -> None:
    page = await console.open("olga", "/operate")
    await page.get_by_role("link", name="Les inn tekstene").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Les inn tekstene")).to_be_visible(timeout=SECONDS)
    await page.keyboard.press("Alt+n")
    await expect(page.locator("#read-this")).to_have_text("Hei. Du har ringt sykehuset.")
    await page.keyboard.press("Alt+r")
    await expect(page.locator("#record-state")).to_contain_text("Les nå", timeout=SECONDS)
    await expect(page.locator("#seconds")).to_have_text(re.compile("^[2-9] s$"), timeout=SECONDS)
    await page.keyboard.press("Alt+r")
    await expect(page.locator("#record-state")).to_contain_text("Hør på det")
    await page.keyboard.press("Alt+p")
    await page.keyboard.press("Alt+n")
    await expect(page.get_by_text("welcome er lagret.")).to_be_visible(timeout=SECONDS)
    await expect(page.locator("#read-this")).to_contain_text("Er det akutt")
    await page.get_by_role("link", name="Alle linjene").click()
    await page.get_by_role("button", name="Ta i bruk nå").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("1 av 284 lest inn")).to_be_visible(timeout=SECONDS)
    builds = console.world.services.prompt_builds
    await builds.ended()
    assert (builds.state.refused, builds.state.failed) == ("", False)
    stored = recording_of(built, "nb", "welcome")
    assert stored is not None
    sound, rate = sound_of(stored)
    said, played = resampled(sound, rate, 16_000), from_pcm16((built / "build" / "nb" / "welcome.sln16").read_bytes())
    assert rate == RATE
    assert np.argmax(np.abs(np.fft.rfft(said))) * 16_000 / len(said) == pytest.approx(HERTZ, abs=3)
    alike = np.max(np.correlate(said, played, "full")) / np.sqrt(np.sum(said**2) * np.sum(played**2))
    assert alike > 0.98


async def test_refused_recording_can_be_heard_and_made_again(console: Console, folder: Path) -> None:
    page = await console.open("olga", "/operate/recordings/nb/ask_identity_slow")
    await page.keyboard.press("Alt+r")
    await expect(page.locator("#seconds")).to_have_text("0 s", timeout=SECONDS)
    await page.keyboard.press("Alt+r")
    await page.keyboard.press("Alt+n")
    await expect(page.get_by_role("alert").filter(has_text="Ikke lagret")).to_be_visible(timeout=SECONDS)
    await expect(page.locator("#listen")).to_be_enabled()
    assert recording_of(folder, "nb", "ask_identity_slow") is None
    console.faults[:] = [fault for fault in console.faults if "422" not in fault]


@pytest.mark.parametrize(
    ("language", "looks"), [("nb", "light"), ("nb", "dark"), ("nb", "forced"), ("nn", "light"), ("en", "light")]
)
async def test_axe_finds_nothing_and_a_narrow_screen_fits(
    console: Console, folder: Path, language: str, looks: str
) -> None:
    how: dict[str, Any] = {"locale": language, "color_scheme": "dark" if looks == "dark" else "light"}
    if looks == "forced":
        how["forced_colors"] = "active"
    page = await console.open("olga", "/operate/recordings", viewport={"width": 320, "height": 640}, **how)
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= 320")
    await page.keyboard.press("Alt+n")
    await expect(page.locator("#record")).to_be_visible(timeout=SECONDS)
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= 320")
    await page.keyboard.press("Alt+r")
    await expect(page.locator("#seconds")).to_have_text(re.compile("[1-9] s"), timeout=SECONDS)
    assert await violations(page) == []
    await page.keyboard.press("Alt+r")
    await expect(page.locator("#listen")).to_be_enabled()
    await page.locator("#send-file summary").click()
    assert await violations(page) == []
    await page.keyboard.press("Alt+n")
    await expect(page.locator("main .ds-alert")).to_be_visible(timeout=SECONDS)
    assert await violations(page) == []
    console.faults[:] = [fault for fault in console.faults if "422" not in fault]
