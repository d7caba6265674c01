"""Fixtures for every test."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

pytest.register_assert_rewrite("tests.support")
pytest_plugins = ["tests.support.machine.reaping", "tests.support.machine.servers", "tests.support.machine.systems"]


os.environ["INNRINGING_LANGUAGE"] = "en"
"""Tests read the commands' messages as the code has them. tests/unit/test_messages.py reads them in Norwegian."""

LONGEST_FIRST = ("acceptance", "chaos", "console", "integration", "unit")
"""Calls take a fixed time: if they start last, the whole run waits for them. While other files keep the processors
busy, callers would hear gaps."""
LONGEST_FILE = "test_production_path.py"
"""It builds images and takes half of the container engine's run, so it starts before everything else."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files in the order in which several processes should take them."""

    def place(item: pytest.Item) -> tuple[bool, int]:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return item.path.name != LONGEST_FILE, LONGEST_FIRST.index(folder)

    items.sort(key=place)


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
