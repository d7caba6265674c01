"""What a person was shown, recorded by the code that shows it. The audit writes it down; it reads no answers."""

from collections.abc import Collection
from typing import Final


class Trail:
    """The callbacks and the identity number that one request, stream or command has shown.

    Repositories record each callback they hand out, the vault's users each identity number they open for somebody.
    Ids and numbers only: what else was on the screen is in the callback's own history.
    """

    def __init__(self) -> None:
        self.callbacks: set[str] = set()
        self.patient: str | None = None
        """A whole identity number, in clear; the audit seals it."""
        self.borrowed: set[str] = set()
        """Departments that only an emergency access opened, and that were read or changed."""

    def saw(self, *callback_ids: str) -> None:
        """Record that these callbacks were shown or changed."""
        self.callbacks.update(callback_ids)

    def revealed(self, number: str) -> None:
        """Record that this identity number was shown or asked for."""
        self.patient = number

    def used_emergency_access(self, departments: Collection[str]) -> None:
        """Record that these departments were read or changed by emergency access."""
        self.borrowed.update(departments)

    def add(self, other: "Trail") -> None:
        """Record everything that `other` holds: a unit of work has been committed."""
        self.callbacks |= other.callbacks
        self.borrowed |= other.borrowed
        self.patient = other.patient or self.patient


class _NoTrail(Trail):
    """For the service's own work: no person is shown anything, and a trail that lives for ever would only grow."""

    def saw(self, *callback_ids: str) -> None:
        pass

    def revealed(self, number: str) -> None:
        pass

    def used_emergency_access(self, departments: Collection[str]) -> None:
        pass

    def add(self, other: Trail) -> None:
        pass


NO_TRAIL: Final = _NoTrail()
