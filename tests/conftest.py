"""Fixtures for every test."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.servers", "tests.systems"]


SHARED = {"system", "sqlite_system", "postgres_system"}
"""The systems of tests/systems.py: started once for all tests that ring them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests: a file stays whole, and one process has all that ring shared systems."""
    for item in items:
        shares = SHARED.intersection(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.xdist_group("systems" if shares else item.nodeid.partition("::")[0]))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands run inside a test set up logging for a whole process: the next test is not theirs."""
    yield
    structlog.reset_defaults()
