"""The product's source files, for tests that read them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from desk.paths import ROOT

DOORS_AND_DESK = ("desk", "api", "ivr")
PRODUCT = (*DOORS_AND_DESK, "ops")


def python_files(*places: str, at_least: int, root: Path = ROOT) -> list[Path]:
    """Every Python file in these folders, which are relative to `root`. A place may also be a single file.

    Fails when a place is missing, or when fewer than `at_least` files are found: a test that reads the source must
    not pass because a folder was renamed.
    """
    found: list[Path] = []
    for place in places:
        path = root / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        assert files and all(file.is_file() for file in files), f"{place} holds no Python files: was it renamed?"
        found += files
    assert len(found) >= at_least, f"only {len(found)} files in {', '.join(places)}"
    return found


def parsed(*places: str, at_least: int) -> Iterator[tuple[str, ast.Module]]:
    """The path of each file, relative to the repository, with its syntax tree. Each file is parsed once."""
    for path in python_files(*places, at_least=at_least):
        yield path.relative_to(ROOT).as_posix(), _tree(path)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))
