"""Fixtures for every test."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.servers", "tests.systems"]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands run inside a test set up logging for a whole process: the next test is not theirs."""
    yield
    structlog.reset_defaults()
