"""Read an operator's TOML file. What prevents that is reported in the same way for every file."""

import os
import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

LARGEST: Final = 512 * 1024
"""Bytes of a file. The longest that is shipped has 31 kB."""

Fault = Callable[[Path, int | None, str], Exception]
"""The error of a kind of file, made from file, line (from 1, or None) and reason."""


def read_text(file: Path, fault: Fault, *, missing: str | None = None, not_utf8: str = "this is not UTF-8") -> str:
    """Return the file's text without a byte order mark, as Windows' Notepad writes one. Raises what `fault` makes.

    `missing` is the reason for a file that is not there.
    """
    try:
        raw = _read_regular(file)
    except OSError as error:
        if missing is not None and isinstance(error, FileNotFoundError):
            raise fault(file, None, missing) from None
        raise fault(file, None, f"it can't be read: {error.strerror}") from None
    if raw is None:
        raise fault(file, None, "it can't be read: it is not an ordinary file")
    if len(raw) > LARGEST:
        raise fault(file, None, f"it is larger than {LARGEST // 1024} kB")
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
    except RecursionError:
        raise fault(file, None, "brackets are nested too deeply in it") from None
    except ValueError:  # of int(): more digits than Python reads
        raise fault(file, None, "a number in it has too many digits") from None


def _read_regular(file: Path) -> bytes | None:
    """Return the file's content, cut one byte past the limit; None for anything else than an ordinary file.

    A pipe without a writer would block, and a device might never end. Raises OSError.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return opened.read(LARGEST + 1)
