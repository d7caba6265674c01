"""Python's garbage collection in a process that serves."""

import gc
from typing import Final

COLLECT_AFTER: Final = 10_000
"""New objects until the youngest are searched; Python's own 700 suit a program that ends soon."""


def settle() -> None:
    """Leave what the start has made out of later searches, which would go through all of it while callers wait.

    Call it once, when everything is loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
