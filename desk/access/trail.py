"""What a person was shown, recorded by the code that shows it. The audit stores it and reads no answers."""

from collections.abc import Collection
from typing import Final


class Trail:
    """The callbacks and identity numbers that one request, stream, websocket or command has shown.

    Repositories record each callback they make of a row. Code that opens an identity number for a person records the
    number. Nothing else is recorded: what was done is in the callback's own history.
    """

    def __init__(self) -> None:
        self.callbacks: set[str] = set()
        self.numbers: set[str] = set()
        """Whole identity numbers, in clear; the audit seals them."""
        self.borrowed: set[str] = set()
        """Departments that only an emergency access opened, and that were read or changed."""
        self.moved: dict[str, str] = {}
        """Callbacks that were moved to another department, each with the department it left."""

    def saw(self, *callback_ids: str) -> None:
        """Record that these callbacks were shown or changed, or that someone asked for them."""
        self.callbacks.update(callback_ids)

    def revealed(self, number: str) -> None:
        """Record that this identity number was shown, or that someone asked about it."""
        self.numbers.add(number)

    def used_emergency_access(self, departments: Collection[str]) -> None:
        """Record that these departments were read or changed by emergency access."""
        self.borrowed.update(departments)

    def moved_from(self, department: str, callback_id: str) -> None:
        """Record that this callback has left that department, which is to see that too."""
        self.moved[callback_id] = department

    def add(self, other: "Trail") -> None:
        """Record everything that `other` holds: a unit of work has been committed."""
        self.callbacks |= other.callbacks
        self.numbers |= other.numbers
        self.borrowed |= other.borrowed
        self.moved |= other.moved

    def take(self) -> tuple[set[str], set[str]]:
        """Return the callbacks and numbers recorded since the last call, and start again without them."""
        taken = self.callbacks, self.numbers
        self.callbacks, self.numbers = set(), set()
        return taken


class _NoTrail(Trail):
    """For the service's own work: no person is shown anything, and a trail that is never stored would only grow."""

    def saw(self, *callback_ids: str) -> None:
        pass

    def revealed(self, number: str) -> None:
        pass

    def used_emergency_access(self, departments: Collection[str]) -> None:
        pass

    def moved_from(self, department: str, callback_id: str) -> None:
        pass

    def add(self, other: Trail) -> None:
        pass


NO_TRAIL: Final = _NoTrail()
