"""Which keys a database knows, each by something only that key can have made (a canary)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select, update

from desk.database.engine import Connection
from desk.schema.tables import vault_keys

c = vault_keys.c

CANARY = "vault_keys.canary"
"""What a canary is bound to, with its key's version."""


class KeyKind(StrEnum):
    """What a key does."""

    IDENTITY = "identity"
    INDEX = "index"


@dataclass(frozen=True)
class Known:
    """A key the database knows. Retired: nothing made with it was left."""

    canary: bytes
    retired_at: datetime | None


async def known(connection: Connection) -> Mapping[tuple[KeyKind, int], Known]:
    """Every key known, by kind and version."""
    found = await connection.execute(select(vault_keys))
    return {(KeyKind(row.kind), row.version): Known(bytes(row.canary), row.retired_at) for row in found}


async def add(connection: Connection, kind: KeyKind, version: int, canary: bytes, now: datetime) -> None:
    """One more key. `Conflict` if another process has just added it."""
    await connection.execute(insert(vault_keys).values(kind=kind.value, version=version, canary=canary, made_at=now))


async def retire(connection: Connection, kind: KeyKind, version: int, at: datetime | None) -> None:
    """Nothing made with that key is left (or, with None, it is in use again)."""
    mine = (c.kind == kind.value, c.version == version)
    await connection.execute(update(vault_keys).where(*mine).values(retired_at=at))
