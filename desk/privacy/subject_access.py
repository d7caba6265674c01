"""A person's rights: to see everything held on them, and to have it deleted. And what keeps it: a legal hold.

Whose it is: an identity number, or a phone for callbacks that name no person. What is done stands in each callback's
history, without saying whose it was.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import EVERYTHING
from desk.callbacks import repository as callback_rows
from desk.callbacks import transitions
from desk.callbacks.model import Callback, callback_id
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import Unit, UnitsOfWork
from desk.history import history
from desk.history.history import Entry
from desk.idempotency.repository import ANSWER
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
class Erased:
    """What became of a person's callbacks (their ids), and how many calls without a callback were deleted."""

    deleted: Sequence[str]
    open: Sequence[str]
    held: Sequence[str]
    calls: int


class Rights(UnitsOfWork):
    """What may be asked for one person."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock

    async def export(self, person: Person, by: str) -> dict[str, Any]:
        """Everything held on the person, as JSON values; sealed values are opened, one that doesn't open is said so."""

        async def work(connection: Connection) -> dict[str, Any]:
            now = self._clock.now()
            found = await self._callbacks(connection, person)
            ids = [row["id"] for row in found]
            told = {row["id"]: self._clear("callbacks", row["id"], row) for row in found}
            for table in rows.OF_CALLBACKS:
                for row in await rows.belonging(connection, table, ids):
                    callback = told[row.pop("callback_id")]
                    callback.setdefault(table.name, []).append(self._clear(table.name, row.get("id"), row))
            for id in ids:
                if recording := await recordings.find(Unit(connection, self._clock, SYSTEM), id):
                    told[id]["recording"] = {"wav_base64": self._said(*recording, id)}
            await self._note(connection, found, "person_exported", by, now)
            document: dict[str, Any] = {"exported_at": _json(now), "callbacks": list(told.values())}
            if isinstance(person, PhoneNumber):
                calls = await rows.incomplete_calls(connection, person)
                document["calls"] = [self._clear("calls", row["id"], row) for row in calls]
            return document

        return await self._write(work)

    async def erase(self, person: Person, by: str) -> Erased:
        """Delete the person's data, but for callbacks that are open (close them first) or under legal hold."""

        async def work(connection: Connection) -> Erased:
            now = self._clock.now()
            found = await self._callbacks(connection, person)
            held = [row["id"] for row in found if row["legal_hold"]]
            still = [row["id"] for row in found if row["status"] != Status.CLOSED and row["id"] not in held]
            gone = [row for row in found if row["id"] not in (*held, *still)]
            ids = [row["id"] for row in gone]
            if ids:
                await self._note(connection, gone, "person_erased", by, now)
                await personal.forget(connection, ids, now)
                await personal.delete_these_answers(connection, await self._answers_about(connection, ids))
            calls = 0
            if isinstance(person, PhoneNumber):
                calls = await personal.forget_calls_of_phone(connection, person, now)
            return Erased(ids, still, held, calls)

        return await self._write(work)

    async def hold(self, id: str, by: str, case: str) -> Callback:
        """Keep the callback from being deleted, because of that case. Raises `CallbackNotFound`."""
        return await self._held(id, by, "legal_hold_set", case)

    async def lift(self, id: str, by: str) -> Callback:
        """Let it be deleted in its time. Raises `CallbackNotFound`."""
        return await self._held(id, by, "legal_hold_lifted", None)

    async def _held(self, id: str, by: str, event: str, case: str | None) -> Callback:
        async def work(connection: Connection) -> Callback:
            unit = Unit(connection, self._clock, Actor(by, EVERYTHING))
            callback = await callback_rows.locked(unit, callback_id(id))
            return await transitions.transition(unit, callback, event, legal_hold=case)

        return await self._write(work)

    async def _callbacks(self, connection: Connection, person: Person) -> list[Row]:
        if isinstance(person, PhoneNumber):
            return await rows.of_phone(connection, person)
        return await rows.of_person(connection, self._vault.indexes(person.value))

    async def _answers_about(self, connection: Connection, ids: Sequence[str]) -> list[int]:
        """Answers kept for repeated requests that speak of these callbacks. One that doesn't open goes too."""
        about = []
        for answer, sealed in await rows.sealed_answers(connection):
            try:
                body = self._vault.open(sealed, ANSWER, answer)
            except CannotOpen:
                about.append(answer)
                continue
            if any(id in body for id in ids):
                about.append(answer)
        return about

    async def _note(self, connection: Connection, found: Sequence[Row], event: str, by: str, now: datetime) -> None:
        await history.append(
            connection, [Entry(str(row["id"]), str(row["department"]), now, event, by) for row in found]
        )

    def _clear(self, table: str, id: Any, row: Row) -> dict[str, Any]:
        """A row as JSON values, its sealed columns opened."""
        told = {name: value for name, value in row.items() if not isinstance(value, bytes | memoryview)}
        told = {name: _json(value) for name, value in told.items()}
        for of in SEALED:
            sealed = row.get(of.column.name) if of.column.table.name == table else None
            if sealed is not None:
                told[of.column.name] = self._opened(bytes(sealed), of.name, id)
        return told

    def _said(self, key: bytes, sound: bytes, id: str) -> str:
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
    """The document as people and programs read it."""
    return json.dumps(document, ensure_ascii=False, indent=2)
