"""What the services of callbacks share."""

from collections.abc import Callable

from desk.callbacks.model import Callback
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit
from desk.departments.departments import Department, Departments
from desk.messages.notices import Notices
from desk.vault.vault import Vault


class CallbackService(Service):
    """A service of callbacks: it knows the departments' rules, seals identity numbers and writes to patients."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
        notices: Notices | None = None,
    ) -> None:
        """Without `notices` no SMS is sent."""
        super().__init__(database=database, clock=clock)
        self._departments = departments
        self._vault = vault
        self._notices = notices or Notices(vault=vault, texts=lambda: None)

    def _rules(self, unit: Unit, department: str) -> Department:
        """The rules of a department that the actor named. Raises DepartmentNotAllowed, DepartmentNotFound.

        Outside the scope the answer is the same whether the department exists or not.
        """
        unit.actor.require(department)
        return self._departments().get(department)

    async def _phone_changed(self, unit: Unit, rules: Department, callback: Callback) -> Callback:
        """Send the callback's texts to its new number. Returns the callback with the state of its newest text."""
        return callback.with_sms(await self._notices.phone_changed(unit, rules, callback.recipient))
