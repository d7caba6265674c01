"""Fixtures for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.log import as_before

pytest_plugins = ["tests.servers", "tests.systems"]


SHARED = {"sqlite_system": "sqlite", "postgres_system": "postgresql"}
"""The systems of tests/systems.py, each started once for all tests that ring it, and the engine it stands on."""
LONGEST_FIRST = ("acceptance", "chaos", "integration", "unit")
"""Calls take the time that calls take: begun last, they are what everybody waits for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests a file stays whole, and one has all that ring the same system."""
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.relative_to(Path(__file__).parent).parts[0]))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_shared_system(item) or item.nodeid.partition("::")[0]))


def _shared_system(item: pytest.Item) -> str | None:
    """The engine of the shared system a test rings."""
    callspec = getattr(item, "callspec", None)
    engine = callspec.params.get("system") if callspec else None
    names = getattr(item, "fixturenames", ())
    return engine or next((SHARED[name] for name in SHARED if name in names), None)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands run inside a test set up logging for a whole process: the next test is not theirs."""
    yield
    as_before()
