"""How much a run tries.

Some tests try by chance, or by the thousand. A run for a change tries enough, and the same each time, so that it gives
one answer for one commit. `make deep` tries more, with another seed each day, to find what no one has thought of;
`TEST_SEED` replays one.
"""

import os
from datetime import date
from typing import Final, TypeVar

DEEP: Final = bool(os.environ.get("TEST_DEEP"))
SEED: Final = int(os.environ.get("TEST_SEED") or date.today().toordinal())
AGAIN: Final = bool(os.environ.get("TEST_AGAIN"))
"""The second half of `.ci/run`. All tests have passed on the tree, so only those run again that can end otherwise in
containers: about networks, files, time, sound and other programs."""

T = TypeVar("T")


def deep(otherwise: T, deeply: T) -> T:
    """`deeply` in `make deep`, and the other value otherwise."""
    return deeply if DEEP else otherwise
