"""An agent: a person or a machine at the web door, with roles in departments."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from desk.access.permissions import ALL_DEPARTMENTS, PERMISSIONS, WIDENED, Grant, Permission, Role, Scope, scope_of

CHIEF: Final = (Role.ADMIN, Role.LEADER, Role.AGENT, Role.AUDITOR, Role.OPERATOR)
"""Which of several roles is shown where there is room for one."""
WALL_ONLY: Final = frozenset({Permission.WALL})
"""The permissions of a wall screen's token."""


@dataclass(frozen=True)
class Agent:
    """A person or machine that may use the web door. The history shows `name`.

    `phone` is the endpoint in pjsip.conf where a dial calls the agent; without one, the agent calls by hand.
    `permissions` limits what the grants give, for a narrowed token; None is no limit. `opened`: departments that an
    emergency access opens now.
    """

    name: str
    grants: frozenset[Grant]
    phone: str | None = None
    permissions: frozenset[Permission] | None = None
    opened: frozenset[str] = frozenset()

    @property
    def role(self) -> Role | None:
        """The first of the agent's roles in the order of CHIEF; None without grants, which allows nothing."""
        held = {grant.role for grant in self.grants}
        return next((role for role in CHIEF if role in held), None)

    @property
    def is_wall_screen(self) -> bool:
        """Whether this is an agent's wall screen, which opens the wall and nothing else."""
        return self.permissions == WALL_ONLY

    def may(self, permission: Permission) -> bool:
        """Whether any of the roles gives that permission, in any department."""
        return self._lets(permission) and any(permission in PERMISSIONS[grant.role] for grant in self.grants)

    def scope(self, permission: Permission) -> Scope:
        """Where the agent has that permission: by grants, and by emergency access if the agent has it anywhere."""
        granted = scope_of(self.grants if self._lets(permission) else (), permission)
        return granted.widened(self.opened) if permission in WIDENED and self.may(permission) else granted

    def narrowed(
        self, departments: Collection[str] | None = None, permissions: Collection[Permission] | None = None
    ) -> "Agent":
        """The same agent, limited to these departments and permissions. None is no limit."""
        grants = self.grants
        if departments is not None:
            grants = frozenset(narrow for grant in grants for narrow in _within(grant, departments))
        opened = self.opened if departments is None or ALL_DEPARTMENTS in departments else self.opened & {*departments}
        kept = self.permissions if permissions is None else frozenset(permissions)
        return replace(self, grants=grants, permissions=kept, opened=opened)

    def _lets(self, permission: Permission) -> bool:
        if self.permissions is None or permission in self.permissions:
            return True
        return permission is Permission.SIGN_IN and not self.is_wall_screen


def _within(grant: Grant, departments: Collection[str]) -> list[Grant]:
    if grant.department == ALL_DEPARTMENTS:
        return [Grant(grant.role, department) for department in departments]
    return [grant] if ALL_DEPARTMENTS in departments or grant.department in departments else []
