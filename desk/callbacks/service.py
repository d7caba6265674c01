"""What the services of callbacks share."""

from collections.abc import Callable

from desk.access.permissions import Scope
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import UnitsOfWork
from desk.departments.departments import Department, Departments
from desk.messages.notices import Notices
from desk.vault.vault import Vault


class QueueWork(UnitsOfWork):
    """Units of work on the queue itself, with the departments' rules, the vault and the clock they need."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
        notices: Notices | None = None,
    ) -> None:
        """Without `notices` patients are told nothing in writing."""
        super().__init__(database)
        self._departments = departments
        self._vault = vault
        self._clock = clock
        self._notices = notices or Notices(vault=vault, texts=lambda: None)

    def _rules(self, department: str, scope: Scope) -> Department:
        """The rules of a department that was named. Raises DepartmentNotAllowed, DepartmentNotFound.

        Outside the scope it is not told whether there is one of that name.
        """
        scope.require(department)
        return self._departments().get(department)
