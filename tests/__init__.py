"""The tests. They reach this machine only."""

from hypothesis import settings

# No test fails because it took too long: machines differ, and other programs run on them.
settings.register_profile("innringing", deadline=None)
settings.load_profile("innringing")
