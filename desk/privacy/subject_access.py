"""A person's rights: to get everything stored about them, and to have it deleted. And the legal hold that prevents it.

The person is named by an identity number, or by a phone for callbacks without one. Each callback's history records
what was done, without saying whose it was.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk.callbacks import repository as callbacks
from desk.callbacks.model import Callback
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, unit_of_work
from desk.history import repository as history
from desk.history.model import HistoryEntry
from desk.idempotency.repository import ANSWER
from desk.ids import CallbackId
from desk.inquiries import transitions
from desk.inquiries.model import Status
from desk.key_rotation.sealed_columns import SEALED
from desk.numbers.identity_number import IdentityNumber
from desk.numbers.phone_number import PhoneNumber
from desk.privacy import personal_columns as personal
from desk.privacy import subject_repository as rows
from desk.privacy.subject_repository import Row
from desk.recordings import repository as recordings
from desk.recordings.recordings import opened
from desk.recordings.sound import as_wav
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

Person = IdentityNumber | PhoneNumber


@dataclass(frozen=True)
class ErasureResult:
    """What became of a person's callbacks (their ids). `calls`: deleted calls that had no callback."""

    deleted: Sequence[CallbackId]
    open: Sequence[CallbackId]
    held: Sequence[CallbackId]
    calls: int


class SubjectAccess(Service):
    """What can be requested for one person."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    @unit_of_work
    async def export(self, unit: Unit, person: Person) -> dict[str, Any]:
        """Return everything stored about the person as JSON values, with sealed values opened.

        A value that can't be opened is replaced by the reason.
        """
        found = await self._callbacks(unit, person)
        ids = [row["id"] for row in found]
        exported = {row["id"]: self._clear("inquiries", row["id"], row) for row in found}
        for table in rows.OF_CALLBACKS:
            for row in await rows.belonging(unit, table, ids):
                callback = exported[row.pop("callback_id")]
                callback.setdefault(table.name, []).append(self._clear(table.name, row.get("id"), row))
        for id in ids:
            if recording := await recordings.find(unit, id):
                exported[id]["recording"] = {"wav_base64": self._wav(*recording, id)}
        await self._record(unit, found, "person_exported")
        document: dict[str, Any] = {"exported_at": _json(unit.now), "callbacks": list(exported.values())}
        if isinstance(person, PhoneNumber):
            calls = await rows.incomplete_calls(unit, person)
            document["calls"] = [self._clear("calls", row["id"], row) for row in calls]
        return document

    @unit_of_work
    async def erase(self, unit: Unit, person: Person) -> ErasureResult:
        """Delete the person's data, except callbacks that are open (close them first) or under legal hold."""
        found = await self._callbacks(unit, person)
        held = [row["id"] for row in found if row["legal_hold"]]
        still_open = [row["id"] for row in found if row["status"] != Status.CLOSED and row["id"] not in held]
        deleted = [row for row in found if row["id"] not in (*held, *still_open)]
        ids = [row["id"] for row in deleted]
        if ids:
            await self._record(unit, deleted, "person_erased")
            await personal.forget(unit, ids)
            await personal.delete_answers(unit, await self._answers_about(unit, ids))
        calls = await personal.forget_calls_of_phone(unit, person) if isinstance(person, PhoneNumber) else 0
        return ErasureResult(ids, still_open, held, calls)

    @unit_of_work
    async def hold(self, unit: Unit, id: CallbackId, case: str) -> Callback:
        """Put the callback under legal hold because of that case: it is not deleted. Raises CallbackNotFound."""
        return await transitions.transition(unit, await callbacks.locked(unit, id), "legal_hold_set", legal_hold=case)

    @unit_of_work
    async def lift(self, unit: Unit, id: CallbackId) -> Callback:
        """Lift the legal hold: the callback is deleted when its time comes. Raises CallbackNotFound."""
        return await transitions.transition(
            unit, await callbacks.locked(unit, id), "legal_hold_lifted", legal_hold=None
        )

    async def _callbacks(self, unit: Unit, person: Person) -> list[Row]:
        if isinstance(person, PhoneNumber):
            return await rows.of_phone(unit, person)
        return await rows.of_person(unit, self._vault.indexes(person.value))

    async def _answers_about(self, unit: Unit, ids: Sequence[CallbackId]) -> list[int]:
        """Find the answers stored for repeated requests that name these callbacks, or that can't be opened."""
        about = []
        for answer, sealed in await rows.sealed_answers(unit):
            try:
                body = self._vault.open(sealed, ANSWER, answer)
            except CannotOpen:
                about.append(answer)
                continue
            if any(id in body for id in ids):
                about.append(answer)
        return about

    async def _record(self, unit: Unit, found: Sequence[Row], event: str) -> None:
        await history.add(unit, [HistoryEntry(row["id"], row["department"], event) for row in found])

    def _clear(self, table: str, id: Any, row: Row) -> dict[str, Any]:
        """Return a row as JSON values, with its sealed columns opened."""
        clear = {name: _json(value) for name, value in row.items() if not isinstance(value, bytes | memoryview)}
        for of in SEALED:
            sealed = row.get(of.column.name) if of.column.table.name == table else None
            if sealed is not None:
                clear[of.column.name] = self._opened(bytes(sealed), of.name, id)
        return clear

    def _wav(self, key: bytes, sound: bytes, id: str) -> str:
        try:
            return base64.b64encode(as_wav(opened(self._vault, key, sound, id))).decode()
        except CannotOpen as fault:
            return f"({fault})"

    def _opened(self, sealed: bytes, column: str, id: Any) -> str:
        try:
            return self._vault.open(sealed, column, id)
        except CannotOpen as fault:
            return f"({fault})"


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str | int | float | bool | None | dict | list) else str(value)


def as_text(document: dict[str, Any]) -> str:
    """Return the document as text that people and programs can read."""
    return json.dumps(document, ensure_ascii=False, indent=2)
