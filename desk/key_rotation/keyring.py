"""The database's keys against the settings': nothing starts with a wrong one, and one is missed before it is needed.

Each key leaves a canary in the database the first time it is used there: a known value that only this key can have
sealed. At every start each key given must open its canary, and each key the database still needs must be given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from desk.audit import repository as audit
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.errors import SettingsError
from desk.key_rotation import indexed_columns as indexed
from desk.key_rotation import repository as vault_keys
from desk.key_rotation import sealed_columns as sealed
from desk.key_rotation.indexed_columns import INDEXED
from desk.key_rotation.repository import CANARY, KeyKind, Known
from desk.key_rotation.sealed_columns import FIRST_FORMAT, SEALED
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault, version_of

TELLTALE = "innringing"
IDENTITY_KEY = "INNRINGING_IDENTITY_KEY"
INDEX_KEY = "INNRINGING_INDEX_KEY"

Keyhole = Mapping[tuple[KeyKind, int], Known]


@dataclass(frozen=True)
class Count:
    """How many values of a column one key made. `version` None: they are not sealed at all.

    `first_format`: bound to their column only, as the first edition did.
    """

    column: str
    version: int | None
    first_format: bool
    rows: int
    kind: KeyKind = KeyKind.IDENTITY


class Keyring(UnitsOfWork):
    """The keys of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock

    async def check(self) -> None:
        """Raises `SettingsError` when a key is wrong or missing. New keys are made known here."""
        if not await self._read(self._untold):
            return

        async def work(connection: Connection) -> None:
            now = self._clock.now()
            known = await vault_keys.known(connection)
            for kind, version in await self._untold(connection):
                if (kind, version) in known:
                    await vault_keys.retire(connection, kind, version, None)
                else:
                    await vault_keys.add(connection, kind, version, self._canary(kind, version), now)

        await self._write(work)

    async def counts(self) -> list[Count]:
        """What each key has sealed, or made an index of, by column."""
        found = []
        for of in SEALED:
            for begins, rows in (await self._read(lambda connection, of=of: sealed.counts(connection, of))).items():  # type: ignore[misc]
                version = version_of(begins + b"\0")
                found.append(Count(of.name, version, begins == FIRST_FORMAT, rows))
        for column in INDEXED:
            versions = await self._read(lambda connection, column=column: indexed.counts(connection, column))  # type: ignore[misc]
            found += [Count(indexed.name(column), each, False, rows, KeyKind.INDEX) for each, rows in versions.items()]
        chained = await self._read(audit.key_versions)
        found += [Count("audit.hash", version, False, rows, KeyKind.INDEX) for version, rows in chained.items()]
        return sorted(found, key=lambda each: (each.column, each.version or 0, not each.first_format))

    async def retire_unused(self) -> list[tuple[KeyKind, int]]:
        """Tell the database which older keys nothing was made with any more; their kinds and versions."""
        used = {(each.kind, each.version) for each in await self.counts()} | self._in_use

        async def work(connection: Connection) -> list[tuple[KeyKind, int]]:
            known = await vault_keys.known(connection)
            unused = [each for each, key in known.items() if each not in used and key.retired_at is None]
            for kind, version in unused:
                await vault_keys.retire(connection, kind, version, self._clock.now())
            return sorted(unused)

        return await self._write(work)

    async def _untold(self, connection: Connection) -> list[tuple[KeyKind, int]]:
        """Keys of the vault the database is to be told of: they are new to it, or retired and in use again.

        Raises `SettingsError` when one given isn't the one known, or one needed isn't given.
        """
        known = await vault_keys.known(connection)
        if not any(kind is KeyKind.IDENTITY for kind, _ in known):
            await self._try_on_values(connection)
        for (kind, version), key in known.items():
            self._compare(kind, version, key)
        ours = [(KeyKind.IDENTITY, version) for version in sorted(self._vault.versions)]
        ours += [(KeyKind.INDEX, version) for version in sorted(self._vault.index_versions)]
        again = [each for each in sorted(self._in_use) if each in known and known[each].retired_at]
        return [*(each for each in ours if each not in known), *again]

    @property
    def _in_use(self) -> set[tuple[KeyKind, int]]:
        """The keys new values get."""
        return {(KeyKind.IDENTITY, self._vault.version), (KeyKind.INDEX, self._vault.index_version)}

    def _compare(self, kind: KeyKind, version: int, key: Known) -> None:
        given = self._vault.versions if kind is KeyKind.IDENTITY else self._vault.index_versions
        if version not in given:
            if key.retired_at is None:
                raise SettingsError(
                    f"{IDENTITY_KEY if kind is KeyKind.IDENTITY else INDEX_KEY} has no key of version {version}, "
                    f"and this database still needs it: "
                    f"write the new key first and the old one after it, «2:<new> {version}:<old>»."
                )
            return
        if kind is KeyKind.INDEX:
            if self._vault.index(TELLTALE, version=version) != key.canary:
                raise SettingsError(_wrong_index(version))
            return
        try:
            self._vault.open(key.canary, CANARY, version)
        except CannotOpen:
            raise SettingsError(
                f"{IDENTITY_KEY}: its key of version {version} is not the one this database was sealed with. {_CHANGED}"
            ) from None

    def _canary(self, kind: KeyKind, version: int) -> bytes:
        if kind is KeyKind.INDEX:
            return self._vault.index(TELLTALE, version=version)
        return self._vault.seal(TELLTALE, CANARY, version, version=version)

    async def _try_on_values(self, connection: Connection) -> None:
        """A database from before there were canaries: the keys must open what is in it already."""
        try:
            for of in SEALED:
                if value := await sealed.one(connection, of):
                    self._vault.open(value.sealed, of.name, value.row)
            if sample := await sealed.sample_of_index(connection):
                value, index = sample
                if index not in self._vault.indexes(self._vault.open(value.sealed, SEALED[0].name, value.row)):
                    raise SettingsError(_wrong_index(1))
        except CannotOpen:
            raise SettingsError(f"{IDENTITY_KEY} does not open what is in this database. {_CHANGED}") from None


def _wrong_index(version: int) -> str:
    which = "" if version == 1 else f"its key of version {version} "
    return f"{INDEX_KEY}{':' if which else ''} {which}is not the key by which this database finds people. {_CHANGED}"


_CHANGED = "Give back the key it was made with; docs/security.md says how a key is changed."
