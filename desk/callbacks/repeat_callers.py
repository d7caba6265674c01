"""What callers may do with the callback they have open already: hear where it stands, cancel it, change its number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from desk.access.permissions import EVERYTHING
from desk.callbacks import calls_repository as call_rows
from desk.callbacks import claims_repository as claims
from desk.callbacks import repository as rows
from desk.callbacks import transitions
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import Callback, CallKey, RecordedCall
from desk.callbacks.repository import Stored
from desk.callbacks.service import QueueWork
from desk.database.engine import Connection
from desk.history.history import CALLER
from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import ClosedReason, Status
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber


@dataclass(frozen=True)
class Standing:
    """A caller's open callback, after this call was counted.

    `known_person`: the identity number keyed is the callback's, so that its status may be told. `ahead`: how many are
    rung before it, None while an agent has it. `tried_in_vain`: we rang and nobody answered, so it is first in line
    now. `late`: the promise had passed. `anew` is false when this very call had its callback already (taken up again).
    """

    callback: Callback
    known_person: bool
    ahead: int | None
    tried_in_vain: bool
    late: bool
    anew: bool


class RepeatCallers(QueueWork):
    """Second calls. A call reaches only the callback it was joined to by `rang_again`."""

    async def rang_again(
        self,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber | None,
        *,
        language: str = "nb",
    ) -> Standing | None:
        """Join the call to the caller's open callback there, found by person, else by the `phone` rung from.

        Its count goes up, also while an agent has it; its number stays. After a missed attempt it is first in line.
        None when there is none. The same `call` again changes nothing.
        """
        rules = self._departments().get(department)

        async def work(connection: Connection) -> Standing | None:
            now = self._clock.now()
            known = await call_rows.find(connection, call, scope=EVERYTHING)
            indexes = self._vault.indexes(patient.value) if patient else None
            if known and known.callback_id:
                joined = await rows.locked(connection, known.callback_id, scope=EVERYTHING)
                return await self._standing(connection, joined, joined, indexes, anew=False)
            before = await rows.find_open_of_caller(connection, department, indexes, phone, scope=EVERYTHING)
            if before is None:
                return None
            number = before.callback.phone
            named = self._patient(patient, before.callback.id) if patient and before.patient_index is None else None
            stored = await transitions.rang_again(connection, rules, before, number, language, now, changed=named)
            await call_rows.keep(
                connection,
                known,
                key=call,
                department=department,
                at=now,
                phone=phone,
                callback_id=stored.callback.id,
            )
            return await self._standing(connection, stored, before, indexes, anew=True)

        return await self._write(work)

    async def cancel(self, call: CallKey) -> Callback:
        """Close the callback this call was joined to, at the caller's wish; also while an agent has it.

        Closed already, it stays as it is. Raises `CallbackNotFound` if the call was joined to none.
        """

        async def work(connection: Connection) -> Callback:
            stored = await self._joined(connection, call)
            if stored.callback.status is Status.CLOSED:
                return stored.callback
            reason = ClosedReason.CANCELLED_BY_CALLER
            return (await transitions.close(connection, stored, CALLER, reason, None, self._clock.now())).callback

        return await self._write(work)

    async def change_phone(self, call: CallKey, phone: PhoneNumber) -> Callback:
        """Ring that number instead, for the callback this call was joined to.

        Texts follow it (desk/messages/notices.py). Raises `CallbackNotFound` if the call was joined to none,
        `IllegalMove` if an
        agent has closed it meanwhile.
        """

        async def work(connection: Connection) -> Callback:
            stored = await self._joined(connection, call)
            if stored.callback.status is Status.CLOSED:
                raise IllegalMove("it is closed")
            if stored.callback.phone == phone:
                return stored.callback
            changes: dict[str, Any] = {"phone": phone.e164, "phone_mobile": phone.mobile}
            now = self._clock.now()
            changed = await transitions.transition(connection, stored, "phone_changed", CALLER, now, **changes)
            rules = self._departments().get(changed.callback.department)
            return await self._notices.follow(connection, rules, changed.callback, now)

        return await self._write(work)

    async def _joined(self, connection: Connection, call: CallKey) -> Stored:
        known: RecordedCall | None = await call_rows.find(connection, call, scope=EVERYTHING)
        if known is None or known.callback_id is None:
            raise CallbackNotFound
        return await rows.locked(connection, known.callback_id, scope=EVERYTHING)

    async def _standing(
        self, connection: Connection, stored: Stored, before: Stored, indexes: Sequence[bytes] | None, *, anew: bool
    ) -> Standing:
        waits = stored.callback.status is Status.WAITING
        now = self._clock.now()
        return Standing(
            callback=stored.callback,
            known_person=indexes is not None and before.patient_index in indexes,
            ahead=await claims.ahead_of(connection, stored.callback, now, scope=EVERYTHING) if waits else None,
            tried_in_vain=transitions.tried_in_vain(before),
            late=before.callback.promise.by <= now,
            anew=anew,
        )

    def _patient(self, patient: IdentityNumber, id: str) -> dict[str, Any]:
        return {
            "patient_kind": patient.kind.value,
            "patient_masked": patient.masked,
            "patient_number": self._vault.seal(patient.value, rows.PATIENT_NUMBER, id),
            "patient_index": self._vault.index(patient.value),
        }
