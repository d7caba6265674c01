"""A mistake in an operator's file, in one form for all files."""

from dataclasses import dataclass
from pathlib import Path

from desk.files.errors import OperatorsFileError


@dataclass(frozen=True, order=True)
class FileFault:
    """A mistake. `line` counts from 1, or is None where there is no place. A `note` is for information only."""

    file: str
    line: int | None
    reason: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"

    @property
    def place(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


def shown(file: Path, root: Path) -> str:
    """Return the file's name as an operator writes it: relative to `root` where it is below it."""
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def of_file(error: OperatorsFileError, root: Path) -> FileFault:
    """Return the mistake for which a file was refused."""
    return FileFault(shown(Path(error.file), root), error.line, error.reason)
