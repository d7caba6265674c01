"""Check the shape of the code: `python -m ops.machine.shape`.

Reports as `file:line` a function of more than 60 lines, a file of more than 400, and a class name that the product uses
twice. The first migration is exempt from the length of functions: it is a list of tables.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from desk.paths import ROOT

PRODUCT = ("innringing.py", "ivr", "api", "desk", "ops")
OTHERS = ("migrations", "tests")
LISTS_OF_TABLES = Path("migrations/first")
FUNCTION_LINES = 60
FILE_LINES = 400

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(root: Path, places: Iterable[str]) -> Iterator[Path]:
    for place in places:
        path = root / place
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def long_parts(path: Path, source: str) -> Iterator[str]:
    """The file, if it is too long, and its functions that are."""
    lines = source.count("\n")
    if lines > FILE_LINES:
        yield f"{path}:1: {lines} lines in a file; at most {FILE_LINES}"
    if path.is_relative_to(LISTS_OF_TABLES):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function) and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {length} lines in {node.name}; at most {FUNCTION_LINES}"


def repeated_classes(sources: Iterable[tuple[Path, str]]) -> Iterator[str]:
    """Each class, also a private one, whose name an earlier file has."""
    first: dict[str, str] = {}
    for path, source in sources:
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                place = f"{path}:{node.lineno}"
                if node.name in first:
                    yield f"{place}: a class {node.name} is in {first[node.name]} too"
                first.setdefault(node.name, place)


def findings(root: Path) -> Sequence[str]:
    product = [(path.relative_to(root), path.read_text("utf-8")) for path in python_files(root, PRODUCT)]
    others = [(path.relative_to(root), path.read_text("utf-8")) for path in python_files(root, OTHERS)]
    long = (found for path, source in (*product, *others) for found in long_parts(path, source))
    return [*long, *repeated_classes(product)]


def main() -> None:
    found = findings(ROOT)
    print("\n".join(found) or "shape: no function, file or class name to change")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
