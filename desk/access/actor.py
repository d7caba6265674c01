"""The actor of a use case: a name for the history, the departments they may reach, the trail of what they saw."""

from dataclasses import dataclass, field, replace
from typing import Final

from desk.access.permissions import EVERYTHING, Scope
from desk.access.trail import NO_TRAIL, Trail


@dataclass(frozen=True)
class Actor:
    """An agent at the web door, a caller, a command or the service itself.

    `name` is what the history shows. `scope` bounds every statement of a unit of work.
    """

    name: str
    scope: Scope
    trail: Trail = field(default_factory=Trail, compare=False, repr=False)

    def within(self, scope: Scope) -> "Actor":
        """The same actor, about to read only those departments. The trail is shared."""
        self.trail.used_emergency_access(scope.borrowed)
        return replace(self, scope=scope)

    def require(self, department: str) -> None:
        """Raises DepartmentNotAllowed unless the department is within the actor's scope."""
        self.scope.require(department)
        self.reached(department)

    def saw(self, callback_id: str, department: str) -> None:
        """Record that this callback of this department is shown or changed."""
        self.trail.saw(callback_id)
        self.reached(department)

    def reached(self, department: str) -> None:
        """Record that something of this department is read or changed, if only an emergency access opens it."""
        if department in self.scope.borrowed:
            self.trail.used_emergency_access([department])


CALLER: Final = Actor("caller", EVERYTHING, NO_TRAIL)
"""A patient on the line. What may be said to a caller is decided by the dialogue, not by a scope."""
SYSTEM: Final = Actor("system", EVERYTHING, NO_TRAIL)
"""The service's own work: leases that end, nightly deletion, deduplication."""
