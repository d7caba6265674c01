"""Who may do what, and where: roles, what each permits, and the scope that every look at the queue is asked with."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from desk.access.errors import DepartmentNotAllowed

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
    OVERSEE = "oversee"
    AUDIT = "audit"
    MANAGE = "manage"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.AGENT: frozenset({Permission.SIGN_IN, Permission.READ, Permission.WORK}),
    Role.LEADER: frozenset({Permission.SIGN_IN, Permission.READ, Permission.CLOSE, Permission.OVERSEE}),
    Role.ADMIN: frozenset(
        {Permission.SIGN_IN, Permission.READ, Permission.CLOSE, Permission.OVERSEE, Permission.MANAGE}
    ),
    Role.AUDITOR: frozenset({Permission.SIGN_IN, Permission.READ, Permission.OVERSEE, Permission.AUDIT}),
    Role.OPERATOR: frozenset({Permission.SIGN_IN}),
}
"""WORK includes the whole identity number: only who rings the patient needs it. OVERSEE is seeing who had emergency
access to the department, MANAGE is other people's access."""

WIDENED = (Permission.READ, Permission.WORK)
"""What an emergency access gives in a department, of what somebody has elsewhere."""


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

    Whatever reads or changes callbacks asks for one (`scope=`, without a default), so nobody forgets it: without a
    scope there is no query. `borrowed` are those among them that only an emergency access opens; `touched` gathers the
    ones of these that were in fact looked into, for the request's row in the audit.
    """

    departments: frozenset[str] | None
    borrowed: frozenset[str] = frozenset()
    touched: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def of(cls, departments: Collection[str]) -> "Scope":
        """Those departments; `*` among them is all."""
        return cls(None if ALL_DEPARTMENTS in departments else frozenset(departments))

    def covers(self, department: str) -> bool:
        """Whether that department is in it."""
        return self.departments is None or department in self.departments

    def require(self, department: str) -> None:
        """Raises DepartmentNotAllowed unless it is in it. Whether there is a department of that name is not told."""
        if not self.covers(department):
            raise DepartmentNotAllowed
        self.touch(department)

    def within(self, departments: Collection[str]) -> "Scope":
        """What those departments and this scope have in common: a wish to look at less. It can't become more."""
        asked = frozenset(departments)
        narrowed = Scope(
            asked if self.departments is None else asked & self.departments, self.borrowed & asked, self.touched
        )
        for department in narrowed.borrowed:
            self.touch(department)
        return narrowed

    def widened(self, departments: Collection[str]) -> "Scope":
        """This scope and those departments, which an emergency access opens."""
        if self.departments is None:
            return self
        return Scope(self.departments | frozenset(departments), frozenset(departments) - self.departments)

    def touch(self, department: str) -> None:
        """Something of that department was looked at or changed."""
        if department in self.borrowed:
            self.touched.add(department)


EVERYTHING = Scope(None)
"""For the phone door, the service's own work and the operators' commands; the web door never has it by itself."""


def scope_of(grants: Iterable[Grant], permission: Permission) -> Scope:
    """Where these grants give that permission; nowhere is an empty scope."""
    return Scope.of({grant.department for grant in grants if permission in PERMISSIONS[grant.role]})
