"""Permissions: roles, what each permits, and the scope that limits every query to an agent's departments."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from desk.access.errors import DepartmentNotAllowed

ALL_DEPARTMENTS = "*"


class Role(StrEnum):
    """What an agent is to a department."""

    AGENT = "agent"
    LEADER = "leader"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route requires."""

    SIGN_IN = "sign_in"
    READ = "read"
    WORK = "work"
    CLOSE = "close"
    OVERSEE = "oversee"
    AUDIT = "audit"
    MANAGE = "manage"
    OPERATE = "operate"
    WALL = "wall"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.AGENT: frozenset({Permission.SIGN_IN, Permission.READ, Permission.WORK}),
    Role.LEADER: frozenset(
        {Permission.SIGN_IN, Permission.READ, Permission.CLOSE, Permission.OVERSEE, Permission.WALL}
    ),
    Role.ADMIN: frozenset(
        {
            *(Permission.SIGN_IN, Permission.READ, Permission.CLOSE, Permission.OVERSEE),
            *(Permission.MANAGE, Permission.WALL),
        }
    ),
    Role.AUDITOR: frozenset({Permission.SIGN_IN, Permission.READ, Permission.OVERSEE, Permission.AUDIT}),
    Role.OPERATOR: frozenset({Permission.SIGN_IN, Permission.OPERATE}),
}
"""WORK includes the whole identity number: only agents who call the patient need it. OVERSEE shows who had
emergency access to the department. MANAGE changes other people's access. OPERATE shows the state of
the parts and of the operators' files, and no patient. WALL makes wall screens: tokens with this permission alone,
which show the figures of departments and open nothing else."""

WIDENED = (Permission.READ, Permission.WORK)
"""Which of the permissions that an agent has elsewhere an emergency access gives in a department."""


@dataclass(frozen=True)
class Grant:
    """A role in a department: its slug, or `*` for all of them."""

    role: Role
    department: str

    def covers(self, department: str) -> bool:
        """Whether the grant holds in that department."""
        return self.department in (ALL_DEPARTMENTS, department)


@dataclass(frozen=True)
class Scope:
    """The departments that an actor may reach, by slug; None is all of them.

    It bounds every statement about callbacks. `borrowed` are those of the departments that only an emergency access
    opens.
    """

    departments: frozenset[str] | None
    borrowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, departments: Collection[str]) -> "Scope":
        """The scope of these departments; `*` among them is all."""
        return cls(None if ALL_DEPARTMENTS in departments else frozenset(departments))

    def covers(self, department: str) -> bool:
        """Whether the department is in the scope."""
        return self.departments is None or department in self.departments

    def require(self, department: str) -> None:
        """Raises DepartmentNotAllowed unless the department is in the scope, whether it exists or not."""
        if not self.covers(department):
            raise DepartmentNotAllowed

    def within(self, departments: Collection[str]) -> "Scope":
        """This scope without all other departments. It can only become smaller."""
        asked = frozenset(departments)
        return Scope(asked if self.departments is None else asked & self.departments, self.borrowed & asked)

    def widened(self, departments: Collection[str]) -> "Scope":
        """This scope with these departments, which an emergency access opens."""
        if self.departments is None:
            return self
        return Scope(self.departments | frozenset(departments), frozenset(departments) - self.departments)


EVERYTHING = Scope(None)
"""For the phone door, the service's own work and operators' commands. Agents at the web door never get it."""


def scope_of(grants: Iterable[Grant], permission: Permission) -> Scope:
    """The departments where these grants give the permission. The scope is empty if there are none."""
    return Scope.of({grant.department for grant in grants if permission in PERMISSIONS[grant.role]})
