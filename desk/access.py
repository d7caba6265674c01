"""Who may do what, and where: roles, what each permits, and the scope that every look at the queue is asked with."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

ALL_DEPARTMENTS = "*"


class Role(StrEnum):
    """What somebody is to a department."""

    AGENT = "agent"
    LEADER = "leader"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route asks for."""

    SIGN_IN = "sign_in"
    READ = "read"
    WORK = "work"
    CLOSE = "close"
    AUDIT = "audit"
    MANAGE = "manage"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.AGENT: frozenset({Permission.SIGN_IN, Permission.READ, Permission.WORK}),
    Role.LEADER: frozenset({Permission.SIGN_IN, Permission.READ, Permission.CLOSE}),
    Role.ADMIN: frozenset({Permission.SIGN_IN, Permission.READ, Permission.CLOSE, Permission.MANAGE}),
    Role.AUDITOR: frozenset({Permission.SIGN_IN, Permission.READ, Permission.AUDIT}),
    Role.OPERATOR: frozenset({Permission.SIGN_IN}),
}
"""WORK includes the whole identity number: only who rings the patient needs it. MANAGE is other people's access."""


@dataclass(frozen=True)
class Grant:
    """A role in a department: its slug, or `*` for all of them."""

    role: Role
    department: str

    def covers(self, department: str) -> bool:
        """Whether it holds in that department."""
        return self.department in (ALL_DEPARTMENTS, department)


@dataclass(frozen=True)
class Scope:
    """The departments someone may see, by slug; None is all there are.

    Whatever reads or changes callbacks asks for one, so nobody forgets it: without a scope there is no query.
    """

    departments: frozenset[str] | None

    @classmethod
    def of(cls, departments: Collection[str]) -> "Scope":
        """Those departments; `*` among them is all."""
        return cls(None if ALL_DEPARTMENTS in departments else frozenset(departments))

    def covers(self, department: str) -> bool:
        """Whether that department is in it."""
        return self.departments is None or department in self.departments


EVERYTHING = Scope(None)
"""For the phone door, the service's own work and the operators' commands; the web door never has it by itself."""


def scope_of(grants: Iterable[Grant], permission: Permission) -> Scope:
    """Where these grants give that permission; nowhere is an empty scope."""
    return Scope.of({grant.department for grant in grants if permission in PERMISSIONS[grant.role]})
