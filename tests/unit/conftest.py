"""Fixtures of the tests of single parts."""

import os

import pytest

from tests.support.environment import without_ours


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine the tests run on."""
    for name in os.environ.keys() - without_ours().keys():
        monkeypatch.delenv(name)
