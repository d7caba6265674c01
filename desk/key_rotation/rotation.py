"""Re-seals every value with the key in use, in small steps, while calls are taken and callbacks claimed.

The indexes people are found by are renewed the same way, from the sealed number in the same row.

A value is opened and sealed outside the unit of work that writes it, and written only if it hasn't changed meanwhile.
So each value opens at every moment, with one key or the other, and a rotation may be stopped, killed and run again: it
skips what is done. Rows that callers and agents are using are locked one at a time, each for one statement, so that no
claim skips them.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.key_rotation import indexed_columns as indexed
from desk.key_rotation import sealed_columns as sealed
from desk.key_rotation.indexed_columns import PATIENT, OldIndex
from desk.key_rotation.sealed_columns import SEALED, SealedColumn, SealedValue
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

ROWS_A_STEP = 1000
MOST_PASSES = 10
REST = 0.5
"""Pause after each step, as a share of the time the step took, to leave the database to others."""


@dataclass
class Progress:
    """How far a rotation has come: values read, values re-sealed, indexes renewed.

    `broken`: (column, row) of values that don't open. `twice`: open callbacks of people who have another open callback
    in the department under the newer index; they keep the older one.
    """

    column: str = ""
    read: int = 0
    sealed: int = 0
    indexed: int = 0
    broken: set[tuple[str, str | int]] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)


Report = Callable[[Progress], None]


class OlderKeyInUse(Exception):
    """Values are still being sealed with an older key: restart every process with the new key, then run this again."""


class Rotation(Service):
    """Re-seals every value with the vault's key in use."""

    def __init__(
        self, *, database: Database, vault: Vault, clock: Clock, rows_a_step: int = ROWS_A_STEP, rest: float = REST
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._rows_a_step = rows_a_step
        self._rest = rest

    async def rotate(self, report: Report = lambda progress: None) -> Progress:
        """Go through every sealed column until nothing is left to do; `report` is called after each step.

        Raises OlderKeyInUse when another process keeps sealing with an older key.
        """
        progress = Progress()
        for _ in range(MOST_PASSES):
            before = progress.sealed, progress.indexed
            progress.read = 0
            for of in SEALED:
                progress.column = of.name
                await self._rotate_column(of, progress, report)
            progress.column = indexed.name(PATIENT)
            await self._renew_indexes(progress, report)
            if (progress.sealed, progress.indexed) == before:
                return progress
        raise OlderKeyInUse

    async def _rotate_column(self, of: SealedColumn, progress: Progress, report: Report) -> None:
        after: str | int | None = None
        while True:
            started = time.perf_counter()
            values = await self._page(SYSTEM, of, after)
            if not values:
                return
            old = [value for value in values if not value.sealed.startswith(self._vault.header)]
            new = [(value, sealed) for value in old if (sealed := self._resealed(of, value, progress)) is not None]
            await self._write(of, new)
            progress.read += len(values)
            progress.sealed += len(new)
            report(progress)
            after = values[-1].row
            if new:
                await asyncio.sleep(self._rest * (time.perf_counter() - started))

    async def _renew_indexes(self, progress: Progress, report: Report) -> None:
        progress.twice.clear()
        after: str | None = None
        while True:
            started = time.perf_counter()
            old = await self._old_indexes(SYSTEM, after)
            if not old:
                return
            new = [(each, index) for each in old if (index := self._new_index(each, progress)) is not None]
            kept = await self._write_indexes(new)
            progress.twice |= kept
            progress.read += len(old)
            progress.indexed += len(new) - len(kept)
            report(progress)
            after = old[-1].row
            await asyncio.sleep(self._rest * (time.perf_counter() - started))

    def _resealed(self, of: SealedColumn, value: SealedValue, progress: Progress) -> bytes | None:
        try:
            clear = self._vault.open(value.sealed, of.name, value.row)
        except CannotOpen:
            progress.broken.add((of.name, value.row))
            return None
        return self._vault.seal(clear, of.name, value.row)

    def _new_index(self, old: OldIndex, progress: Progress) -> bytes | None:
        try:
            return self._vault.index(self._vault.open(old.number, sealed.NUMBERS.name, old.row))
        except CannotOpen:
            progress.broken.add((sealed.NUMBERS.name, old.row))
            return None

    async def _write(self, of: SealedColumn, values: Sequence[tuple[SealedValue, bytes]]) -> None:
        idle = [each for each in values if not each[0].busy]
        for some in (idle, *([each] for each in values if each[0].busy)):
            if some:
                await self._replace(SYSTEM, of, some)

    async def _write_indexes(self, indexes: Sequence[tuple[OldIndex, bytes]]) -> set[str]:
        """Returns the callbacks that keep the index they had."""
        if idle := [each for each in indexes if not each[0].busy]:
            await self._replace_indexes(SYSTEM, idle)
        kept = set()
        for old, new in indexes:
            if old.busy and not await self._replace_index_of_open(SYSTEM, old, new):
                kept.add(old.row)
        return kept

    @reading
    async def _page(self, unit: Unit, of: SealedColumn, after: str | int | None) -> Sequence[SealedValue]:
        return await sealed.page(unit, of, after, self._rows_a_step)

    @reading
    async def _old_indexes(self, unit: Unit, after: str | None) -> Sequence[OldIndex]:
        return await indexed.page_of_old(unit, self._vault.index_version, after, self._rows_a_step)

    @unit_of_work
    async def _replace(self, unit: Unit, of: SealedColumn, values: Sequence[tuple[SealedValue, bytes]]) -> None:
        await sealed.replace(unit, of, values)

    @unit_of_work
    async def _replace_indexes(self, unit: Unit, indexes: Sequence[tuple[OldIndex, bytes]]) -> None:
        await indexed.replace(unit, indexes)

    @unit_of_work
    async def _replace_index_of_open(self, unit: Unit, old: OldIndex, new: bytes) -> bool:
        return await indexed.replace_of_open(unit, old, new)
