"""The keys a database knows, each by a canary: a value that only this key can have made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select, update

from desk.database.unit_of_work import Unit
from desk.schema.tables import vault_keys

c = vault_keys.c

CANARY = "vault_keys.canary"
"""What a canary is bound to, with its key's version."""


class KeyKind(StrEnum):
    """What a key does."""

    IDENTITY = "identity"
    INDEX = "index"


@dataclass(frozen=True)
class KeyRecord:
    """A key the database knows. It is retired once no value made with it is left."""

    canary: bytes
    retired_at: datetime | None


KeyRecords = Mapping[tuple[KeyKind, int], KeyRecord]
"""By kind and version."""


async def all_keys(unit: Unit) -> KeyRecords:
    """Every key the database knows."""
    found = await unit.connection.execute(select(vault_keys))
    return {(KeyKind(row.kind), row.version): KeyRecord(bytes(row.canary), row.retired_at) for row in found}


async def add(unit: Unit, kind: KeyKind, version: int, canary: bytes) -> None:
    """Add a key. Raises `Conflict` if another process has just added it."""
    values = {"kind": kind.value, "version": version, "canary": canary, "made_at": unit.now}
    await unit.connection.execute(insert(vault_keys).values(values))


async def retire(unit: Unit, kind: KeyKind, version: int) -> None:
    """Record that no value made with that key is left."""
    await _set_retired(unit, kind, version, unit.now)


async def reinstate(unit: Unit, kind: KeyKind, version: int) -> None:
    """Record that a retired key is in use again."""
    await _set_retired(unit, kind, version, None)


async def _set_retired(unit: Unit, kind: KeyKind, version: int, at: datetime | None) -> None:
    key = (c.kind == kind.value, c.version == version)
    await unit.connection.execute(update(vault_keys).where(*key).values(retired_at=at))
