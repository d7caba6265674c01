"""The tests. They reach this machine only."""

from hypothesis import settings

# No test is failed for the time it took: machines differ, and neighbours are noisy.
settings.register_profile("innringing", deadline=None)
settings.load_profile("innringing")
