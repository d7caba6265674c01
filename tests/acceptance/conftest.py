"""Stories that are no test files say what was wrong as test files do."""

import pytest

STORIES = ("floor", "callers_again", "callers_barging_in", "callers_keying", "callers_leaving", "callers_numbers")
pytest.register_assert_rewrite(*(f"tests.acceptance.{name}" for name in STORIES))
