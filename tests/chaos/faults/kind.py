"""What a kind of fault is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.callers import Manner
from tests.chaos.world import ENGINES, World

Strike = Callable[[World], Awaitable[None]]
DURING: Final = 7.0
"""Seconds after the first call may come in which most faults begin: callers are at every step then."""
LASTS: Final = 8.0
"""Seconds that a fault lasts which ends by itself."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `strike` brings it about and, unless it heals by itself, takes it back.

    `at` is the second in which it begins; `alone` means that it needs disks of its own. `leaves` says that callers are
    not expected to stay.
    """

    name: str
    strike: Strike
    engines: tuple[str, ...] = ENGINES
    at: float = DURING
    span: float = 13.0
    asterisk_lives: bool = True
    needs_disks: bool = False
    manner: Manner = field(default_factory=Manner)


async def nothing(world: World) -> None:
    """No fault."""
