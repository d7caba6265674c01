"""Databases with sealed values in every column, under old and new keys, for tests of keys and of deletion."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select

from desk.clock import Clock
from desk.database.engine import Database
from desk.key_rotation.sealed_columns import SEALED
from desk.schema.provider_tables import external_identities
from desk.schema.tables import agents, answers, audit_patients, calls, outbox, recordings, second_factors
from desk.vault.vault import Vault
from tests.support.desk.desk import KEYS, person
from tests.support.desk.rows import insert_callbacks

OLD, NEW = KEYS["identity_key"], b"n" * 32
INDEX = KEYS["index_key"]


def old_vault() -> Vault:
    return Vault(identity_key=OLD, index_key=INDEX)


def new_vault() -> Vault:
    """A vault that seals with version 2 and also opens version 1."""
    return Vault(identity_key=NEW, version=2, older={1: OLD}, index_key=INDEX)


def newest_vault() -> Vault:
    """A vault with version 2 alone."""
    return Vault(identity_key=NEW, version=2, index_key=INDEX)


NEW_INDEX = b"j" * 32


def index_vault(*versions: int) -> Vault:
    """A vault with index keys of these versions, the one in use first. Version 1 is the old vault's."""
    keys = {1: INDEX, 2: NEW_INDEX}
    first, *others = versions
    return Vault(
        identity_key=OLD, index_key=keys[first], index_version=first, older_index={each: keys[each] for each in others}
    )


def changing_vault() -> Vault:
    """A vault that uses new keys of both kinds and has the old ones too."""
    index = {"index_key": NEW_INDEX, "index_version": 2, "older_index": {1: INDEX}}
    return Vault(identity_key=NEW, version=2, older={1: OLD}, **index)  # type: ignore[arg-type]


def written(**keys: bytes) -> str:
    """Keys as an operator writes them: written(v2=…, v1=…)."""
    return " ".join(f"{name.removeprefix('v')}:{base64.b64encode(key).decode()}" for name, key in keys.items())


def variables(url: str, **more: str) -> dict[str, str]:
    """Settings of a process with the old key, or with `identity_key`."""
    given = {
        "environment": "production",
        "database_url": url,
        "identity_key": written(v1=OLD),
        "index_key": base64.b64encode(INDEX).decode(),
        **more,
    }
    return {f"INNRINGING_{name.upper()}": value for name, value in given.items()}


def callback(n: int, now: datetime, *, vault: Vault, status: str = "waiting") -> dict[str, Any]:
    """The columns of the n-th person's callback, registered n seconds ago."""
    id, who, at = str(uuid4()), person(n), now - timedelta(seconds=n)
    number = vault.seal(who.value, "inquiries.patient_number", id)
    return {
        **{"id": id, "department": "kirurgi", "status": status, "priority": 1, "language": "nb"},
        **{"phone": f"+476805{n % 10_000:04}", "phone_mobile": False},
        **{"patient_kind": who.kind.value, "patient_masked": who.masked, "patient_index": vault.index(who.value)},
        "patient_number": number,
        **{"promise_policy": "deadline", "promise_from": at, "promise_by": at, "promise_spoken": "i dag"},
        **{"call_count": 1, "created_at": at, "attempts_from": at, "fence": 0, "version": 1},
        **{"closed_reason": "reached" if status == "closed" else None, "closed_at": at if status == "closed" else None},
    }


async def fill(database: Database, clock: Clock, count: int) -> list[str]:
    """Add `count` callbacks, every third waiting and the others closed; one row in each other table for every ten."""
    now, vault = clock.now(), old_vault()
    rows = [callback(n, now, vault=vault, status="waiting" if n % 3 == 0 else "closed") for n in range(count)]
    async with database.begin() as connection:
        await insert_callbacks(connection, rows)
        for n, row in enumerate(rows[::10]):
            await connection.execute(insert(outbox), [text(n, row["id"], now, vault)])
            who = vault.seal(person(n).value, "calls.patient_number", n + 1)
            call = {"asterisk_id": "a", "channel_id": f"{n}", "department": "kirurgi", "at": now, "incomplete": True}
            await connection.execute(insert(calls), [{"id": n + 1, **call, "patient_number": who}])
            key = vault.seal(f"key {n}", "recordings.key", row["id"])
            await connection.execute(
                insert(recordings), [{"callback_id": row["id"], "at": now, "key": key, "sound": b"sealed"}]
            )
            shown, number = str(uuid4()), f"number {n}"
            named = {"patient_index": vault.index(number), "number": vault.seal(number, "audit_patients.number", shown)}
            await connection.execute(insert(audit_patients), [{"id": shown, **named}])
            token = vault.seal(f"token {n}", "external_identities.refresh_token", f"{n}")
            await connection.execute(
                insert(external_identities), [{"id": f"{n}", "refresh_token": token, "check_by": now}]
            )
            await connection.execute(insert(agents), [{"id": 1000 + n, "name": f"agent {n}", "created_at": now}])
            secret = vault.seal(f"secret {n}", "second_factors.secret", f"{n}")
            await connection.execute(
                insert(second_factors), [{"id": f"{n}", "agent_id": 1000 + n, "secret": secret, "created_at": now}]
            )
            await connection.execute(
                insert(answers),
                [
                    {"id": n + 1, "agent": "kari", "key": str(n), "fingerprint": vault.index("request"), "at": now}
                    | {"answer": vault.seal(f"answer {n}", "answers.answer", n + 1)}
                ],
            )
    return [row["id"] for row in rows]


def text(n: int, callback_id: str, now: datetime, vault: Vault) -> dict[str, Any]:
    """A text in the queue."""
    return {
        **{"id": n + 1, "callback_id": callback_id, "kind": "receipt", "key": str(uuid4()), "state": "queued"},
        **{"at": now, "changed_at": now, "next_at": now, "tries": 0},
        "phone": vault.seal("+4740612345", "outbox.phone", n + 1),
        "text": vault.seal(f"text {n}", "outbox.text", n + 1),
    }


async def values(database: Database) -> dict[tuple[str, str | int], bytes]:
    """Every sealed value, by (column, row)."""
    async with database.read() as connection:
        return {
            (of.name, row): bytes(value)
            for of in SEALED
            for row, value in await connection.execute(select(of.row, of.column).where(of.column.is_not(None)))
        }


def opened(vault: Vault, found: Mapping[tuple[str, str | int], bytes]) -> dict[tuple[str, str | int], str]:
    """The same in clear. Raises CannotOpen."""
    return {(column, row): vault.open(value, column, row) for (column, row), value in found.items()}


def headers(found: Mapping[tuple[str, str | int], bytes]) -> Sequence[bytes]:
    """The distinct first bytes of the values."""
    return sorted({value[:3] for value in found.values()})
