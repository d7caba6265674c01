"""Fixtures for the unit tests."""

import os

import pytest

from tests.support.environment import without_ours


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove this machine's INNRINGING_ settings."""
    for name in os.environ.keys() - without_ours().keys():
        monkeypatch.delenv(name)
