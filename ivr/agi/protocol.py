"""One FastAGI connection: Asterisk describes the call, then carries out one command at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivr.asterisk.errors import AriError, ChannelGone

LONGEST_LINE: Final = 2048  # characters
MOST_LINES: Final = 100  # of a call's description
_ANSWER: Final = re.compile(r"200 result=(-?\d+)(?: \((.*)\))?(?:.* endpos=(\d+))?")
_UNWRITTEN: Final = "writefile"  # Asterisk's word for a file that it could not write
_PLAIN: Final = re.compile(r"[\w./:()-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class AgiAnswer:
    """Asterisk's answer to a command. The repr shows no result: it may be a key that the caller pressed."""

    result: int
    end: int  # samples of a sound that were played
    text: str = ""  # what stands in parentheses: the value of a variable

    def __repr__(self) -> str:
        return "AgiAnswer()"


class AgiConnection:
    """Asterisk's end of a call. Not for concurrent use: each command waits for its answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`reader` must have a limit of LONGEST_LINE."""
        self._reader = reader
        self._writer = writer

    async def description(self) -> Mapping[str, str]:
        """Read what Asterisk says about the call, by name without «agi_». Raises ChannelGone at a malformed one."""
        found: dict[str, str] = {}
        for _ in range(MOST_LINES):
            line = await self._line()
            if not line:
                return found
            name, _, value = line.partition(":")
            found[name.removeprefix("agi_")] = value.strip()
        raise ChannelGone

    async def command(self, *words: str) -> AgiAnswer:
        """Send a command and return its answer.

        Raises ChannelGone when the caller is gone, and AriError when Asterisk refuses the command.
        """
        try:
            self._writer.write((" ".join(map(_quoted, words)) + "\n").encode("ascii"))
            await self._writer.drain()
        except OSError:
            raise ChannelGone from None
        line = await self._line()
        while line == "HANGUP" or line.startswith(("100", "520-")):  # 520: the usage follows, and then the end
            line = await self._line()
        if line.startswith("511"):  # the channel is dead
            raise ChannelGone
        answer = _ANSWER.match(line)
        if answer is None:
            raise AriError(f"AGI {line[:3]}")
        if answer[1] == "-1":
            raise AriError(_UNWRITTEN) if answer[2] == _UNWRITTEN else ChannelGone
        return AgiAnswer(int(answer[1]), int(answer[3] or 0), answer[2] or "")

    def close(self) -> None:
        """End the connection. Asterisk goes on in the dialplan."""
        self._writer.close()

    async def _line(self) -> str:
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            raise ChannelGone from None
        return line.decode("utf-8", "replace").rstrip("\r\n")


def _quoted(word: str) -> str:
    """Write a word of a command. Raises ValueError for one that could end it."""
    if not word.isascii() or not word.isprintable() or '"' in word or "\\" in word:
        raise ValueError("not a word of an AGI command")
    return word if _PLAIN.fullmatch(word) else f'"{word}"'
