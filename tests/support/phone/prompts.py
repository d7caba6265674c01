"""Shared by the tests of prompts: recordings made of tones, and checks of what was built."""

import wave
from pathlib import Path

import numpy as np

from desk.paths import ROOT
from ivr.prompts.catalogue import load_catalogue
from ivr.prompts.check import PromptCheck
from ivr.prompts.levels import Samples, from_alaw, from_pcm16

KEYS = len(load_catalogue(ROOT / "prompts" / "catalogue.toml").keys("nb"))


def edit(folder: Path, old: str, new: str) -> None:
    catalogue = folder / "catalogue.toml"
    text = catalogue.read_text("utf-8")
    assert old in text
    catalogue.write_text(text.replace(old, new, 1), "utf-8")


def record(path: Path, *tones: tuple[float, float, float], rate: int = 44_100, channels: int = 2) -> Path:
    """A WAV of tones (hertz, seconds, amplitude) after half a second of silence."""
    parts = [np.zeros(rate // 2)]
    parts += [
        amplitude * np.sin(2 * np.pi * hertz * np.arange(round(s * rate)) / rate) for hertz, s, amplitude in tones
    ]
    frames = np.repeat((np.concatenate(parts) * 32767).astype("<i2"), channels)
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return path


def wide(folder: Path, name: str) -> Samples:
    return from_pcm16((folder / "build" / f"{name}.sln16").read_bytes())


def narrow(folder: Path, name: str) -> Samples:
    return from_alaw((folder / "build" / f"{name}.alaw").read_bytes())


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (folder / "build").glob("*/*") if path.is_file()}


def one(lines: list[PromptCheck], name: str) -> PromptCheck:
    (line,) = [line for line in lines if line.source.name == name]
    return line


def texts(folder: Path) -> tuple[str, dict[str, bytes]]:
    """The catalogue and the recordings of Bokmål."""
    recordings = {path.name: path.read_bytes() for path in sorted((folder / "nb").glob("*"))}
    return (folder / "catalogue.toml").read_text("utf-8"), recordings
