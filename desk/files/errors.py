"""Errors of operators' files. Each docstring is the message."""

from pathlib import Path

from desk.errors import DeskError


class OperatorsFileError(DeskError):
    """A file can't be used:"""

    id = "operators-file-error"

    def __init__(self, file: Path | str, line: int | None, reason: str) -> None:
        """`line` counts from 1, or is None when there is no place in the file: it may be missing."""
        place = f"{file}:{line}" if line is not None else f"{file}"
        super().__init__(f"{place}: {reason}")
        self.file = str(file)
        self.line = line
        self.reason = reason
