"""Read an operator's TOML file. What prevents that is reported in the same way for every file."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fault = Callable[[Path, int | None, str], Exception]
"""The error of a kind of file, made from file, line (from 1, or None) and reason."""


def read_text(file: Path, fault: Fault, *, missing: str | None = None, not_utf8: str = "this is not UTF-8") -> str:
    """Return the file's text without a byte order mark, as Windows' Notepad writes one. Raises what `fault` makes.

    `missing` is the reason for a file that is not there.
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
    """Parse the text. Raises what `fault` makes, with the line, when it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(place[1]) if place else text.rstrip().count("\n") + 1
        raise fault(file, line, f"this is not TOML: {error}") from None
