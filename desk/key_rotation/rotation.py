"""Seals everything anew with the key in use, in small steps, while calls are taken and callbacks claimed.

The indexes people are found by are made anew the same way, from the sealed numbers beside them.

A value is opened and sealed again outside the unit of work that puts it back, and put back only where it hasn't changed
meanwhile: each value opens at every moment, under the one key or the other. So it can be stopped, killed and started
again at will; what is done is passed over. Rows that callers and agents are at work with are locked one at a time and
for one statement, so that no claim passes one over.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from desk.database.engine import Database
from desk.database.unit_of_work import UnitsOfWork
from desk.key_rotation import indexed_columns as indexed
from desk.key_rotation import sealed_columns as sealed
from desk.key_rotation.indexed_columns import PATIENT, Stale
from desk.key_rotation.sealed_columns import SEALED, Sealed, Value
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

ROWS_A_STEP = 1000
MOST_PASSES = 10
REST = 0.5
"""After each step it rests for this share of the time the step took: the database is others' first."""


@dataclass
class Progress:
    """How far a rotation has come: values looked at and sealed anew, indexes made anew.

    `broken`: (column, row) of those that don't open. `twice`: open callbacks of people who have another open one in the
    department, found under the newer index; they keep the older one.
    """

    column: str = ""
    looked_at: int = 0
    sealed: int = 0
    indexed: int = 0
    broken: set[tuple[str, str | int]] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)


class StillSealing(Exception):
    """Values are still being made with an older key: restart every process with the new key first, then go on."""


class Rotation(UnitsOfWork):
    """Brings every sealed value to the vault's key in use."""

    def __init__(self, *, database: Database, vault: Vault, rows_a_step: int = ROWS_A_STEP, rest: float = REST) -> None:
        super().__init__(database)
        self._vault = vault
        self._rows_a_step = rows_a_step
        self._rest = rest

    async def rotate(self, told: Callable[[Progress], None] = lambda progress: None) -> Progress:
        """Pass over every sealed column until nothing is left to do; `told` hears how it goes after each step.

        Raises StillSealing when another process goes on with an older key.
        """
        progress = Progress()
        for _ in range(MOST_PASSES):
            before = progress.sealed, progress.indexed
            progress.looked_at = 0
            for of in SEALED:
                progress.column = of.name
                await self._column(of, progress, told)
            progress.column = indexed.name(PATIENT)
            await self._indexes(progress, told)
            if (progress.sealed, progress.indexed) == before:
                return progress
        raise StillSealing

    async def _column(self, of: Sealed, progress: Progress, told: Callable[[Progress], None]) -> None:
        after: str | int | None = None
        while True:
            begun = time.perf_counter()
            values = await self._page(of, after)
            if not values:
                return
            stale = [value for value in values if not value.sealed.startswith(self._vault.header)]
            anew = [(value, fresh) for value in stale if (fresh := self._anew(of, value, progress)) is not None]
            await self._put_back(of, anew)
            progress.looked_at += len(values)
            progress.sealed += len(anew)
            told(progress)
            after = values[-1].row
            if anew:
                await asyncio.sleep(self._rest * (time.perf_counter() - begun))

    async def _indexes(self, progress: Progress, told: Callable[[Progress], None]) -> None:
        version = self._vault.index_version
        progress.twice.clear()
        after: str | None = None
        while True:
            begun = time.perf_counter()
            found = await self._read(partial(indexed.stale, version=version, after=after, limit=self._rows_a_step))
            if not found:
                return
            anew = [(old, index) for old in found if (index := self._index_anew(old, progress)) is not None]
            left = await self._put_indexes(anew)
            progress.twice |= left
            progress.looked_at += len(found)
            progress.indexed += len(anew) - len(left)
            told(progress)
            after = found[-1].row
            await asyncio.sleep(self._rest * (time.perf_counter() - begun))

    async def _page(self, of: Sealed, after: str | int | None) -> Sequence[Value]:
        return await self._read(lambda connection: sealed.page(connection, of, after, self._rows_a_step))

    def _anew(self, of: Sealed, value: Value, progress: Progress) -> bytes | None:
        try:
            clear = self._vault.open(value.sealed, of.name, value.row)
        except CannotOpen:
            progress.broken.add((of.name, value.row))
            return None
        return self._vault.seal(clear, of.name, value.row)

    def _index_anew(self, old: Stale, progress: Progress) -> bytes | None:
        try:
            return self._vault.index(self._vault.open(old.number, sealed.NUMBERS.name, old.row))
        except CannotOpen:
            progress.broken.add((sealed.NUMBERS.name, old.row))
            return None

    async def _put_indexes(self, anew: Sequence[tuple[Stale, bytes]]) -> set[str]:
        """The callbacks left with the index they had."""
        if quiet := [each for each in anew if not each[0].busy]:
            await self._write(partial(indexed.exchange, anew=quiet))
        left = set()
        for old, new in anew:
            if old.busy and not await self._write(partial(indexed.exchange_open, old=old, new=new)):
                left.add(old.row)
        return left

    async def _put_back(self, of: Sealed, anew: Sequence[tuple[Value, bytes]]) -> None:
        quiet = [each for each in anew if not each[0].busy]
        for some in (quiet, *([each] for each in anew if each[0].busy)):
            if some:
                await self._write(partial(sealed.exchange, of=of, anew=some))
