"""What is to be written about one read or change, before it is a row of the chain."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from desk.audit.actions import AuditAction
from desk.audit.chain import Anchor

MOST_CALLBACKS: Final = 1000
"""Callbacks of one entry in a file, which has a largest size."""


class AuditOutcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """What a row is to say about one read or change.

    `who` and `role`: None if no one was signed in. `callbacks`: ids of callbacks that were seen or changed; ids of
    anything else are left out. `patient`: an identity number, in clear, if the number itself was shown or asked for.
    `why`: a code or reference, never text about a patient. `source`: the client's address, or `cli:` and the operating
    system's user. `status` and `problem`: of the answer. `session`: the id of the session or token, no secret.
    `through`: the last of the expired rows, which may be deleted from now on. `listed`: `callbacks` are what a list
    showed, so those named shortly before need only be counted. `moved`: callbacks that have left a department, which
    is named as well as the one they are in now.
    """

    who: str | None
    action: AuditAction
    outcome: AuditOutcome
    source: str
    role: str | None = None
    department: str | None = None
    why: str | None = None
    callbacks: Collection[str] = ()
    patient: str | None = None
    request_id: str | None = None
    emergency: bool = False
    status: int | None = None
    problem: str | None = None
    session: str | None = None
    through: Anchor | None = None
    listed: bool = False
    moved: Mapping[str, str] = field(default_factory=dict)

    def in_parts(self) -> Iterator[Self]:
        """Yield entries of at most MOST_CALLBACKS callbacks, which together say the same."""
        ids = sorted(self.callbacks)
        for first in range(0, max(len(ids), 1), MOST_CALLBACKS):
            part = frozenset(ids[first : first + MOST_CALLBACKS])
            moved = {id: left for id, left in self.moved.items() if id in part}
            yield replace(self, callbacks=part, moved=moved, patient=self.patient if first == 0 else None)

    def as_data(self) -> dict[str, Any]:
        """Return the entry as JSON can hold it."""
        data = {name: getattr(self, name) for name in _PLAIN}
        return data | {
            "action": self.action.value,
            "outcome": self.outcome.value,
            "callbacks": sorted(self.callbacks),
            "moved": dict(self.moved),
            "through": str(self.through) if self.through else None,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Build the entry again. Raises KeyError, TypeError, ValueError."""
        return cls(
            **{name: data[name] for name in _PLAIN},
            action=AuditAction[str(data["action"]).upper()],
            outcome=AuditOutcome(data["outcome"]),
            callbacks=frozenset(map(str, data["callbacks"])),
            moved=dict(data["moved"]),
            through=Anchor.parse(data["through"]) if data["through"] else None,
        )


_PLAIN: Final = (
    "who",
    "source",
    "role",
    "department",
    "why",
    "patient",
    "request_id",
    "emergency",
    "status",
    "problem",
    "session",
    "listed",
)
