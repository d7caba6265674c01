"""Fixtures for every test."""

import logging
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
import structlog

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.machine.reaping", "tests.support.machine.servers", "tests.support.machine.systems"]


os.environ["INNRINGING_LANGUAGE"] = "en"
"""Tests read the commands' messages as the code has them. tests/unit/test_messages.py reads them in Norwegian."""

WAITING, COUNTING = ("acceptance", "chaos"), ("console", "integration", "unit")
"""Folders. Calls take a fixed time and wait most of it; the others use a processor as long as they last."""
COUNTING_BETWEEN = 5
"""Files that count, for each one that waits: together they keep the processors busy, and calls do not come last."""
LONGEST_FILE = "test_production_path.py"
"""It builds images and takes half of the container engine's run, so it starts before everything else."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files in the order in which several processes should take them."""
    files = dict.fromkeys(item.path for item in items)
    places = {path: place for place, path in enumerate(in_turn(list(files)))}
    items.sort(key=lambda item: places[item.path])


def in_turn(files: Sequence[Path]) -> Iterator[Path]:
    """Yield the longest file, and then each file that waits, with some that count after it."""

    def within(folders: Sequence[str]) -> list[Path]:
        return [path for folder in folders for path in files if _folder(path) == folder and path.name != LONGEST_FILE]

    yield from (path for path in files if path.name == LONGEST_FILE)
    counting = iter(within(COUNTING))
    for path in within(WAITING):
        yield path
        yield from islice(counting, COUNTING_BETWEEN)
    yield from counting


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Restore logging after each test: commands run inside a test configure it for the whole process."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in _loggers()}
    level = root.level
    yield
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in _loggers():
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def _loggers() -> list[str]:
    return list(logging.root.manager.loggerDict)
