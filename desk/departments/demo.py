"""The demo's departments: production refuses them, since it would show patients a number that does not exist."""

from pathlib import Path

from desk.departments.errors import DepartmentsFileError
from desk.departments.file import load_departments
from desk.files.toml_files import read_text
from desk.files.toml_lines import key_lines

DEMO_NUMBERS = "+47680500"
"""The prefix of the made-up numbers in the departments.toml that is delivered."""


def demo_departments(file: Path) -> list[DepartmentsFileError]:
    """Return a fault for each department of the file that is still the demo's.

    Raises DepartmentsFileError where the file can't be used at all.
    """
    found = [each for each in load_departments(file).all() if each.hospital_number.e164.startswith(DEMO_NUMBERS)]
    lines = key_lines(read_text(file, DepartmentsFileError))
    return [
        DepartmentsFileError(
            file,
            lines.get((each.slug, "hospital_number")),
            f"[{each.slug}] is the demo's, its number is made up: write your own department there, or remove it",
        )
        for each in found
    ]


def refuse_demo_departments(file: Path) -> None:
    """Raise DepartmentsFileError for the first of them."""
    for fault in demo_departments(file):
        raise fault
