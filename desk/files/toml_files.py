"""Reading an operator's TOML file: what keeps it from being read at all is told in one way, whatever it holds."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fault = Callable[[Path, int | None, str], Exception]
"""Makes the error of a kind of file from file, line (from 1; None without a place) and reason."""


def read_text(file: Path, fault: Fault, *, missing: str | None = None, not_utf8: str = "this is not UTF-8") -> str:
    """The file's text. A byte order mark, as Windows' Notepad leaves, is no part of it. Raises what `fault` makes.

    `missing`: the reason for a file that is not there, where the system's own words say too little.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        if missing is not None and isinstance(error, FileNotFoundError):
            raise fault(file, None, missing) from None
        raise fault(file, None, f"it can't be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise fault(file, line, f"{not_utf8}: save the file as UTF-8") from None


def parse(file: Path, text: str, fault: Fault) -> dict[str, Any]:
    """What the text holds. Raises what `fault` makes, with the line, when it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(place[1]) if place else text.rstrip().count("\n") + 1
        raise fault(file, line, f"this is not TOML: {error}") from None
