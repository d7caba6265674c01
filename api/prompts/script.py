"""The script of prompts as the console shows it: read by a command, and again only when a file has changed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from api.own_commands import OwnCommands

UNREAD: Final = frozenset({"build", "set-aside"})
WORDLESS: Final = frozenset({"silence", "tone"})
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ScriptLine:
    """A line to be read aloud. `recording`: the digest of its recording, empty for the draft voice.

    `place`: where it is heard. `built`: whether callers hear it already. `former`: whether there is one to restore.
    """

    language: str
    key: str
    text: str
    place: str
    fragment: bool
    recording: str
    recorded: str
    outdated: bool
    former: bool
    built: bool

    @property
    def is_missing(self) -> bool:
        """Whether it should be read: it has no recording, or one of another text."""
        return not self.recording or self.outdated


class PromptScript:
    """The lines of every language, in the order in which they are read."""

    def __init__(self) -> None:
        self._lines: Sequence[ScriptLine] = ()
        self._stamp: Stamp = ()
        self._lock = asyncio.Lock()

    async def lines(self, commands: OwnCommands, folder: Path) -> Sequence[ScriptLine]:
        """Return the lines of the prompts in `folder`. Raises CommandFailed."""
        async with self._lock:
            stamp = await asyncio.to_thread(_stamp, folder)
            if stamp != self._stamp:
                found = await commands.read("prompts", "list", "--json", "--prompts-dir", str(folder))
                self._lines, self._stamp = [_line(each) for each in found if each["kind"] not in WORDLESS], stamp
            return self._lines


def _line(row: dict[str, Any]) -> ScriptLine:
    return ScriptLine(**{name: row[name] for name in ScriptLine.__dataclass_fields__})


def _stamp(folder: Path) -> Stamp:
    """What changes when a text, a recording or what is built changes."""
    files = [folder / "catalogue.toml", folder / "build" / "manifest.json"]
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.is_dir() and each.name not in UNREAD:
            files += [file for file in each.rglob("*") if file.is_file()]
    stamps = ((file, file.stat()) for file in sorted(files) if file.is_file())
    return tuple((str(file), found.st_mtime_ns, found.st_size) for file, found in stamps)
