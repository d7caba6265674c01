"""What the audit records about a request besides what it was shown, filled in while the request is handled."""

from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from desk.access.trail import Trail

KEY = "innringing.trace"


@dataclass(eq=False)
class Trace:
    """The sender of a request, and what it is about. None: no one signed in, or no single department.

    `role`: the agent's roles, separated by commas. `session`: the id of the session or token, never its secret.
    `why`: a reason by its code or reference, never text about a patient. `problem`: the id of the problem document in
    the answer. `skipped`: refused by a limit shortly after a refusal that has a row, so this one gets none. `trail`:
    the callbacks and numbers that were shown.
    """

    who: str | None = None
    role: str | None = None
    session: str | None = None
    department: str | None = None
    why: str | None = None
    problem: str | None = None
    skipped: bool = False
    trail: Trail = field(default_factory=Trail)


def trace_of(request: HTTPConnection) -> Trace:
    """Return the trace of this request."""
    trace = request.scope.setdefault(KEY, Trace())
    assert isinstance(trace, Trace)
    return trace
