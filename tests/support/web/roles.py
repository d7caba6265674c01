"""The lines of the table of roles: which roles a route accepts, and what it answers."""

from dataclasses import dataclass, field
from typing import Any

OWN, OTHER = "kirurgi", "hjerte"

SIGNED_IN = ("agent", "leader", "operator", "auditor", "admin")
READERS = ("agent", "leader", "auditor", "admin")
WORKERS = ("agent",)
CLOSERS = ("leader", "admin")
AUDITORS = ("auditor",)
OPERATORS = ("operator",)
ROLES = (*SIGNED_IN, "none")
"""`none` is an account without any role; requests without an account are tested with the credentials."""

NO_SUCH = "999999"
NO_CALLBACK = "404 callback-not-found"
NO_DEPARTMENT = "403 department-not-allowed"
NO_ROLE = "403 role-not-allowed"
NOT_SIGNED_IN = "401 not-signed-in"


@dataclass(frozen=True)
class Line:
    """The answer of a route: `own` to the roles with permission, `other` where it is about another department.

    A status, followed by the problem's id. `{department}` stands for the requested department, in query and body.
    `roles` None: the route needs no account, and answers `own` to all.
    """

    roles: tuple[str, ...] | None
    own: str = "200"
    other: str | None = None
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    browser: bool = False
    """Only for logged-in people: a token is refused."""


def of_callback(roles: tuple[str, ...], own: str = "200", body: Any = None, **more: Any) -> Line:
    return Line(roles, own, NO_CALLBACK, body, **more)


IN_DEPARTMENT: dict[str, Any] = {"query": {"department": "{department}"}}
