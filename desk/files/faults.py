"""What is wrong with a file that operators own, and where: one shape for all of them."""

from dataclasses import dataclass
from pathlib import Path

from desk.files.errors import OperatorsFileError


@dataclass(frozen=True, order=True)
class Fault:
    """`line` counts from 1; None where the fault has no place. A `note` is worth knowing and stops nothing."""

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
    """The file's name as an operator writes it: from the checkout's root where it is under it."""
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def of_file(error: OperatorsFileError, root: Path) -> Fault:
    """Return the fault for which a file was refused."""
    return Fault(shown(Path(error.file), root), error.line, error.reason)
