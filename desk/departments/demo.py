"""Departments that are the demo's: production takes none, since it would show patients a number that is nobody's."""

from pathlib import Path

from desk.departments.departments import load_departments
from desk.departments.errors import DepartmentsFileError
from desk.files.toml_files import read_text
from desk.files.toml_lines import key_lines

MADE_UP = "+47680500"
"""How numbers begin that nobody has: dialplan/departments.toml shows with them what a department looks like."""


def demo_departments(file: Path) -> list[DepartmentsFileError]:
    """Each department of the file that is the demo's still, as the fault it is in production.

    Raises DepartmentsFileError where the file can't be used at all.
    """
    found = [each for each in load_departments(file).all() if each.hospital_number.e164.startswith(MADE_UP)]
    lines = key_lines(read_text(file, DepartmentsFileError))
    return [
        DepartmentsFileError(
            file,
            lines.get((each.slug, "hospital_number")),
            f"[{each.slug}] is the demo's, its number is made up: write your own department there, or take it out",
        )
        for each in found
    ]


def refuse_demo_departments(file: Path) -> None:
    """Raises DepartmentsFileError for the first of them."""
    for fault in demo_departments(file):
        raise fault
