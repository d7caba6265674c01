"""Compares the keys in the settings with those the database was sealed with, at every start.

Each key leaves a canary in the database the first time it is used there: a known value that only this key can have
made. At every start each key in the settings must fit its canary, and each key the database still needs must be there.
"""

from dataclasses import dataclass

from desk.access.actor import SYSTEM
from desk.audit import repository as audit
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.errors import SettingsError
from desk.key_rotation import indexed_columns as indexed
from desk.key_rotation import repository as rows
from desk.key_rotation import sealed_columns as sealed
from desk.key_rotation.indexed_columns import INDEXED
from desk.key_rotation.repository import CANARY, KeyKind, KeyRecord
from desk.key_rotation.sealed_columns import SEALED
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault, version_of

KNOWN_VALUE = "innringing"
IDENTITY_KEY = "INNRINGING_IDENTITY_KEY"
INDEX_KEY = "INNRINGING_INDEX_KEY"


@dataclass(frozen=True)
class KeyUse:
    """How many values of a column one key made. `version` is None for values that are not sealed at all."""

    column: str
    kind: KeyKind
    version: int | None
    rows: int


class Keyring(Service):
    """The keys of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault

    async def check(self) -> None:
        """Add canaries of new keys. Raises `SettingsError` when a key is wrong or missing."""
        if await self._is_incomplete(SYSTEM):
            await self._complete(SYSTEM)

    async def counts(self) -> list[KeyUse]:
        """How many values each key has sealed or indexed, by column."""
        found: list[KeyUse] = []
        for of in SEALED:
            found += await self._counts_of_sealed(SYSTEM, of)
        found += await self._counts_of_indexes(SYSTEM)
        return sorted(found, key=lambda each: (each.column, each.version or 0))

    async def retire_unused(self) -> list[tuple[KeyKind, int]]:
        """Retire the older keys that no value needs any longer. Returns their kinds and versions."""
        needed = {(each.kind, each.version) for each in await self.counts() if each.version is not None}
        return await self._retire_all_but(SYSTEM, needed | self._in_use)

    @reading
    async def _is_incomplete(self, unit: Unit) -> bool:
        return bool(await self._to_record(unit))

    @unit_of_work
    async def _complete(self, unit: Unit) -> None:
        known = await rows.all_keys(unit)
        for kind, version in await self._to_record(unit):
            if (kind, version) in known:
                await rows.reinstate(unit, kind, version)
            else:
                await rows.add(unit, kind, version, self._canary(kind, version))

    @reading
    async def _counts_of_sealed(self, unit: Unit, of: sealed.SealedColumn) -> list[KeyUse]:
        by_header = await sealed.counts(unit, of)
        return [
            KeyUse(of.name, KeyKind.IDENTITY, version_of(header + b"\0"), count) for header, count in by_header.items()
        ]

    @reading
    async def _counts_of_indexes(self, unit: Unit) -> list[KeyUse]:
        by_column = {indexed.name(column): await indexed.counts(unit, column) for column in INDEXED}
        by_column["audit.hash"] = await audit.key_versions(unit)
        return [
            KeyUse(column, KeyKind.INDEX, version, count)
            for column, versions in by_column.items()
            for version, count in versions.items()
        ]

    @unit_of_work
    async def _retire_all_but(self, unit: Unit, needed: set[tuple[KeyKind, int]]) -> list[tuple[KeyKind, int]]:
        known = await rows.all_keys(unit)
        unused = sorted(key for key, record in known.items() if key not in needed and record.retired_at is None)
        for kind, version in unused:
            await rows.retire(unit, kind, version)
        return unused

    async def _to_record(self, unit: Unit) -> list[tuple[KeyKind, int]]:
        """Keys of the settings that are new to the database, or retired and in use again.

        Raises `SettingsError` when a key differs from the one the database knows, or one it needs is missing.
        """
        known = await rows.all_keys(unit)
        for (kind, version), record in known.items():
            self._compare(kind, version, record)
        ours = [(KeyKind.IDENTITY, version) for version in sorted(self._vault.versions)]
        ours += [(KeyKind.INDEX, version) for version in sorted(self._vault.index_versions)]
        again = [key for key in sorted(self._in_use) if key in known and known[key].retired_at]
        return [*(key for key in ours if key not in known), *again]

    @property
    def _in_use(self) -> set[tuple[KeyKind, int]]:
        """The keys for new values."""
        return {(KeyKind.IDENTITY, self._vault.version), (KeyKind.INDEX, self._vault.index_version)}

    def _compare(self, kind: KeyKind, version: int, record: KeyRecord) -> None:
        variable = IDENTITY_KEY if kind is KeyKind.IDENTITY else INDEX_KEY
        if version not in (self._vault.versions if kind is KeyKind.IDENTITY else self._vault.index_versions):
            if record.retired_at is None:
                raise SettingsError(
                    f"{variable} has no key of version {version}, and this database still needs it: "
                    f"write the new key first and the old one after it, «2:<new> {version}:<old>»."
                )
        elif not self._fits(kind, version, record.canary):
            raise SettingsError(
                f"{variable}: its key of version {version} is not the one this database was made with. {_ADVICE}"
            )

    def _fits(self, kind: KeyKind, version: int, canary: bytes) -> bool:
        if kind is KeyKind.INDEX:
            return self._vault.index(KNOWN_VALUE, version=version) == canary
        try:
            self._vault.open(canary, CANARY, version)
        except CannotOpen:
            return False
        return True

    def _canary(self, kind: KeyKind, version: int) -> bytes:
        if kind is KeyKind.INDEX:
            return self._vault.index(KNOWN_VALUE, version=version)
        return self._vault.seal(KNOWN_VALUE, CANARY, version, version=version)


_ADVICE = "Set that key; docs/security.md says how to change to another one."
