"""How much tests try that try by chance or by the thousand: enough for each change, or all of it (`make deep`).

A run for a change gives the same answer each time. `make deep` tries more, with another seed each day, to find what no
one has thought of; `TEST_SEED` replays one.
"""

import os
from datetime import date
from typing import Final, TypeVar

DEEP: Final = bool(os.environ.get("TEST_DEEP"))
SEED: Final = int(os.environ.get("TEST_SEED") or (date.today().toordinal() if DEEP else 1))

T = TypeVar("T")


def deep(otherwise: T, deeply: T) -> T:
    """`deeply` in `make deep`, and the other value otherwise."""
    return deeply if DEEP else otherwise
