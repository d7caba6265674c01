"""A service that has settled no longer searches what its start has made."""

import subprocess
import sys

SETTLES = """
import gc
from desk.garbage import COLLECT_AFTER, settle
kept = [[n] for n in range(1000)]
settle()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
assert gc.get_threshold()[0] == COLLECT_AFTER
cycle = []
cycle.append(cycle)
del cycle
assert gc.collect() >= 1, "what is made later is searched as ever"
"""


def test_what_the_start_has_made_is_not_searched_again() -> None:
    done = subprocess.run([sys.executable, "-c", SETTLES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
