"""How a callback ends or goes on: attempts, closing, reopening."""

from collections.abc import Callable

from desk.access.actor import Actor
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.batched_completions import BatchedCompletions
from desk.callbacks.batched_completions_sql import Completion
from desk.callbacks.model import AttemptOutcome, Callback
from desk.callbacks.service import CallbackService
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Unit, unit_of_work
from desk.departments.departments import Departments
from desk.ids import CallbackId
from desk.inquiries import notes
from desk.inquiries import transitions as inquiries
from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import ClosedReason, Status
from desk.vault.vault import Vault


class Outcomes(CallbackService):
    """Records what came of a callback."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
    ) -> None:
        super().__init__(database=database, departments=departments, vault=vault, clock=clock)
        self._batched = BatchedCompletions(database=database, departments=departments, clock=clock)

    async def record_attempt(
        self, by: Actor | Unit, id: CallbackId, fence: int, outcome: AttemptOutcome, note: str | None = None
    ) -> Callback:
        """Record how an attempt went. Raises CallbackNotFound, and ClaimLost if the claim that gave `fence` is over.

        Reached and wrong number close the callback. Unanswered, it waits for its next promise, or is unreachable after
        the department's last attempt. A dropped line puts it first in line. Raises what `notes.checked` does too.
        """
        notes.checked(note)
        if isinstance(by, Actor) and outcome in transitions.CLOSING:
            reason = transitions.CLOSING[outcome]
            completion = Completion(by, id, fence, reason, outcome=outcome, attempt_note=note)
            if closed := await self._batched.complete(completion):
                return closed
        return await self._record_attempt(by, id, fence, outcome, note)

    async def close(
        self, by: Actor | Unit, id: CallbackId, reason: ClosedReason, *, fence: int | None, note: str | None = None
    ) -> Callback:
        """Close a callback: a claimed one with its claim's `fence`, any other with None.

        Raises CallbackNotFound, IllegalMove, AlreadyClaimed under another agent's claim, and ClaimLost if the claim is
        over or the actor's own and no fence is given; and what `notes.checked` does.
        """
        notes.checked(note)
        if isinstance(by, Actor) and fence is not None:
            completion = Completion(by, id, fence, reason, note)
            if closed := await self._batched.complete(completion):
                return closed
        return await self._close(by, id, reason, fence, note)

    @unit_of_work
    async def reopen(self, unit: Unit, id: CallbackId, *, cut_off: bool = False) -> Callback:
        """Put a closed or unreachable callback back in the line, with a new promise and its attempts counted from zero.

        A callback that was `cut_off` goes first in line. Raises CallbackNotFound, and IllegalMove if it is open or the
        same person has another open one in the department.
        """
        callback = await rows.locked(unit, id)
        same = await transitions.indexes(unit, self._vault, callback)
        if callback.status is Status.CLOSED and await rows.find_open(unit, callback.department, same, callback.phone):
            raise IllegalMove("another callback of the same person is open")
        rules = self._departments().get(callback.department)
        return await transitions.reopen(unit, rules, callback, cut_off=cut_off)

    @unit_of_work
    async def _record_attempt(
        self, unit: Unit, id: CallbackId, fence: int, outcome: AttemptOutcome, note: str | None
    ) -> Callback:
        callback = await inquiries.with_claim(unit, await rows.locked(unit, id), fence)
        rules = self._departments().get(callback.department)
        return await transitions.attempt(unit, rules, callback, outcome, note)

    @unit_of_work
    async def _close(
        self, unit: Unit, id: CallbackId, reason: ClosedReason, fence: int | None, note: str | None
    ) -> Callback:
        callback = await inquiries.changeable(unit, await rows.locked(unit, id), fence)
        return await inquiries.close(unit, callback, reason, note)
