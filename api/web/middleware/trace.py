"""What a request tells the audit of itself: who asked, and what about. See api/web/middleware/audit.py, which
writes it.
"""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from desk.access.permissions import Scope
from desk.access.trail import Trail

KEY = "innringing.trace"


@dataclass(eq=False)
class Trace:
    """Filled in on the way. What is left out is unknown: nobody signed in, no one department, no patient named.

    `role`: the agent's roles, comma between. `session`: the session's or token's id, never its secret. `patient`: an
    identity number that was shown or asked for, in clear; it is sealed before it is written. `why`: a reason by its
    code or reference, no free text about a patient. `scope`: what an emergency access opened is seen by it.
    `callbacks`: those asked about; those in the answer are seen anyway. `untold`: refused by a limit, as was one a
    moment ago that left its row; this one leaves none.
    """

    who: str | None = None
    role: str | None = None
    session: str | None = None
    department: str | None = None
    patient: str | None = None
    why: str | None = None
    scope: Scope | None = None
    callbacks: set[str] = field(default_factory=set)
    untold: bool = False
    trail: Trail = field(default_factory=Trail)

    @property
    def emergency(self) -> bool:
        """Whether only an emergency access opened what was looked at."""
        return bool(self.trail.borrowed) or (self.scope is not None and bool(self.scope.touched))


def trace_of(request: HTTPConnection) -> Trace:
    """The trace of this request."""
    trace = request.scope.setdefault(KEY, Trace())
    assert isinstance(trace, Trace)
    return trace
