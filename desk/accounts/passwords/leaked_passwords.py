"""Passwords that have leaked somewhere, searched in a file on this machine, without any request to the outside.

The file is Pwned Passwords of Have I Been Pwned, ordered by hash: a line for each password, the SHA-1 of its UTF-8 in
40 hexadecimal digits, a colon and how often it was seen. It is about 40 GB, so it is searched in place, by about forty
short reads. SHA-1 only names a password in the list and protects nothing here: passwords are stored by argon2id.
"""

import hashlib
import re
from io import BufferedReader
from pathlib import Path
from typing import Final

from desk.accounts.errors import LeakedPasswordsFault

LINE: Final = re.compile(rb"([0-9A-Fa-f]{40}):[0-9]{1,12}(?:\r?\n)?")
LONGEST_LINE: Final = 56
"""In bytes: forty digits, a colon, twelve digits, the end of a line, and one more to notice a longer line."""
SAMPLES: Final = 256
"""Lines that are read before the list is trusted."""


class LeakedPasswords:
    """The list in one file. It is opened for each search, so that a newer one may replace it at any time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def check(self) -> None:
        """Read the file's ends and lines between. Raises LeakedPasswordsFault unless they are lines of such a list."""
        try:
            with self._file.open("rb") as lines:
                self._sample(lines)
        except OSError as error:
            raise self._unreadable(error) from None

    def has(self, password: str) -> bool:
        """Whether exactly this password is in the list. Blocks while reading. Raises LeakedPasswordsFault."""
        wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
        try:
            with self._file.open("rb") as lines:
                return self._found(lines, wanted)
        except OSError as error:
            raise self._unreadable(error) from None

    def _sample(self, lines: BufferedReader) -> None:
        size = _size(lines)
        before = b""
        for part in range(SAMPLES):
            found = self._hash_from(lines, size * part // SAMPLES)
            if found is None:
                break
            if found < before:
                raise self._fault("its lines are not in order: download the list that is ordered by hash")
            before = found
        lines.seek(max(0, size - LONGEST_LINE))
        last = (lines.read().splitlines() or [b""])[-1][-LONGEST_LINE:]
        if not (whole := LINE.fullmatch(last)):
            raise self._fault("it is empty, or its last line is cut off")
        if whole[1].upper() < before:
            raise self._fault("its lines are not in order: download the list that is ordered by hash")

    def _found(self, lines: BufferedReader, wanted: bytes) -> bool:
        """Search until `low` is the first place from which on every line is at least `wanted`."""
        low, high = 0, _size(lines)
        while low < high:
            middle = (low + high) // 2
            found = self._hash_from(lines, middle)
            if found is None or found >= wanted:
                high = middle
            else:
                low = middle + 1
        return self._hash_from(lines, low) == wanted

    def _hash_from(self, lines: BufferedReader, place: int) -> bytes | None:
        """The hash on the first line that starts at `place` or later; None at the end of the file."""
        lines.seek(max(0, place - 1))
        if place:
            lines.readline(LONGEST_LINE)
        at = lines.tell()
        line = lines.readline(LONGEST_LINE)
        if not line:
            return None
        read = LINE.fullmatch(line)
        if read is None:
            raise self._fault(f"byte {at}: expected a SHA-1 in hexadecimal, a colon and a number")
        return read[1].upper()

    def _fault(self, reason: str) -> LeakedPasswordsFault:
        return LeakedPasswordsFault(self._file, reason)

    def _unreadable(self, error: OSError) -> LeakedPasswordsFault:
        return self._fault(error.strerror or "it can't be read")


def _size(lines: BufferedReader) -> int:
    return lines.seek(0, 2)
