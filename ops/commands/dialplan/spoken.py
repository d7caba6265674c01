"""Check that what the dialplan plays exists: the prompts of the catalogue, in a language that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.commands.dialplan.config_file import ConfigFile
from ops.commands.dialplan.parser import Dialplan, Step
from ops.commands.dialplan.words import nearest

FOLDER = "innringing/"


@dataclass(frozen=True)
class Prompts:
    """The languages of the catalogue, and the keys that all of them have."""

    languages: tuple[str, ...]
    keys: frozenset[str]


def in_dialplan(plan: Dialplan, prompts: Prompts) -> Iterator[tuple[int, str]]:
    """What is wrong with the prompts and languages of extensions.conf."""
    for _, _, step in plan.steps():
        if step.is_application("Playback"):
            yield from _played(step, prompts)
        name, _, language = step.arguments.replace(" ", "").partition("=")
        sets = step.is_application("Set") and name == "CHANNEL(language)" and "${" not in language
        if sets and (reason := _language(language, prompts)):
            yield step.line, reason


def in_endpoints(files: Mapping[Path, ConfigFile], prompts: Prompts) -> Iterator[tuple[Path, int, str]]:
    """What is wrong with the languages of pjsip.conf."""
    for path, file in files.items():
        for setting in (setting for section in file.sections for setting in section.settings):
            if setting.key == "language" and (reason := _language(setting.value, prompts)):
                yield path, setting.line, reason


def _played(step: Step, prompts: Prompts) -> Iterator[tuple[int, str]]:
    for sound in step.arguments.split(",")[0].split("&"):
        key = sound.strip().removeprefix(FOLDER)
        if "${" in sound:
            continue
        if not sound.strip().startswith(FOLDER):
            near = f"{FOLDER}{key}" if key in prompts.keys else f"{FOLDER}…"
            yield step.line, f"Playback({sound.strip()}): only our own prompts are installed: write {near}"
        elif key not in prompts.keys:
            reason = f"prompts/catalogue.toml has no «{key}»{nearest(key, prompts.keys)}"
            yield step.line, f"Playback({sound.strip()}): {reason}"


def _language(language: str, prompts: Prompts) -> str | None:
    if language in prompts.languages:
        return None
    return f"language {language}: prompts/catalogue.toml has {', '.join(prompts.languages)}"
