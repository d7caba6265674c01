"""Kinds of faults, by what they hit. `ALL` has every kind in the order of the table."""

from typing import Final

from tests.chaos.faults import ari, others, processes, storage

ALL: Final = (*processes.KINDS, *ari.KINDS, *storage.KINDS, *others.KINDS)
SHORT: Final = {"sqlite": ("SQLite: locked 8 s",), "postgresql": ("phone door: SIGKILL",)}
"""The short form, for each engine."""
CONTROL_KINDS: Final = (
    *("no fault", "phone door: SIGKILL", "phone door: stopped 5 s", "ARI: cut 8 s", "ARI: 503 for 8 s"),
    *("SQLite: locked 8 s", "SQLite: disk full", "callers hang up"),
)
"""What strikes the control too."""
