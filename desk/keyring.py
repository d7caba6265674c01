"""The database's keys against the settings': nothing starts with a wrong one, and one is missed before it is needed.

Each key leaves a canary in the database the first time it is used there: a known value that only this key can have
sealed. At every start each key given must open its canary, and each key the database still needs must be given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from desk.clock import Clock
from desk.errors import CannotOpen, SettingsError
from desk.storage import sealed, vault_keys
from desk.storage.database import Connection, Database
from desk.storage.sealed import FIRST_FORMAT, SEALED
from desk.storage.vault_keys import CANARY, KeyKind, Known
from desk.units import UnitsOfWork
from desk.vault import Vault, version_of

TELLTALE = "innringing"
INDEX_VERSION = 1
IDENTITY_KEY = "INNRINGING_IDENTITY_KEY"
INDEX_KEY = "INNRINGING_INDEX_KEY"

Keyhole = Mapping[tuple[KeyKind, int], Known]


@dataclass(frozen=True)
class Count:
    """How many values of a column one key sealed. `version` None: they are not sealed at all.

    `first_format`: bound to their column only, as the first edition did.
    """

    column: str
    version: int | None
    first_format: bool
    rows: int


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
                    await vault_keys.retire(connection, version, None)
                else:
                    await vault_keys.add(connection, kind, version, self._canary(kind, version), now)

        await self._write(work)

    async def counts(self) -> list[Count]:
        """What each key has sealed, by column."""
        found = []
        for of in SEALED:
            for begins, rows in (await self._read(lambda connection, of=of: sealed.counts(connection, of))).items():  # type: ignore[misc]
                version = version_of(begins + b"\0")
                found.append(Count(of.name, version, begins == FIRST_FORMAT, rows))
        return sorted(found, key=lambda each: (each.column, each.version or 0, not each.first_format))

    async def retire_unused(self) -> list[int]:
        """Tell the database which older keys nothing is sealed with any more; their versions."""
        used = {each.version for each in await self.counts()} | {self._vault.version}

        async def work(connection: Connection) -> list[int]:
            known = await vault_keys.known(connection)
            unused = [
                version
                for (kind, version), key in known.items()
                if kind is KeyKind.IDENTITY and version not in used and key.retired_at is None
            ]
            for version in unused:
                await vault_keys.retire(connection, version, self._clock.now())
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
        untold = [each for each in (*ours, (KeyKind.INDEX, INDEX_VERSION)) if each not in known]
        current = (KeyKind.IDENTITY, self._vault.version)
        return [*untold, current] if current in known and known[current].retired_at else untold

    def _compare(self, kind: KeyKind, version: int, key: Known) -> None:
        if kind is KeyKind.INDEX:
            if self._vault.index(TELLTALE) != key.canary:
                raise SettingsError(f"{INDEX_KEY} is not the key by which this database finds people. {_CHANGED}")
            return
        if version not in self._vault.versions:
            if key.retired_at is None:
                raise SettingsError(
                    f"{IDENTITY_KEY} has no key of version {version}, and this database still needs it: "
                    f"write the new key first and the old one after it, «2:<new> {version}:<old>»."
                )
            return
        try:
            self._vault.open(key.canary, CANARY, version)
        except CannotOpen:
            raise SettingsError(
                f"{IDENTITY_KEY}: its key of version {version} is not the one this database was sealed with. {_CHANGED}"
            ) from None

    def _canary(self, kind: KeyKind, version: int) -> bytes:
        if kind is KeyKind.INDEX:
            return self._vault.index(TELLTALE)
        return self._vault.seal(TELLTALE, CANARY, version, version=version)

    async def _try_on_values(self, connection: Connection) -> None:
        """A database from before there were canaries: the keys must open what is in it already."""
        try:
            for of in SEALED:
                if value := await sealed.one(connection, of):
                    self._vault.open(value.sealed, of.name, value.row)
            if sample := await sealed.sample_of_index(connection):
                value, index = sample
                if self._vault.index(self._vault.open(value.sealed, SEALED[0].name, value.row)) != index:
                    raise SettingsError(f"{INDEX_KEY} is not the key by which this database finds people. {_CHANGED}")
        except CannotOpen:
            raise SettingsError(f"{IDENTITY_KEY} does not open what is in this database. {_CHANGED}") from None


_CHANGED = "Give back the key it was made with; docs/security.md says how a key is changed."
