"""Keeping the tallies: one follower of the history counts each callback and call exactly once.

What the tallies have of a callback is stored beside them. When something happens to it, or a promise of its was due,
it is counted again from its rows, and the difference is added. How far the history is counted moves in the same unit of
work, so a follower that is killed goes on where it was, and two followers never count the same row.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from desk.access.actor import SYSTEM
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.history.feed import Changes
from desk.statistics import repository as rows
from desk.statistics.counting import counts_of_call, counts_of_callback
from desk.statistics.model import Cell, Count, cells
from desk.statistics.repository import TallyProgress

AT_ONCE = 100
"""Rows counted in one unit of work: on SQLite it holds the write lock, and callers wait for it."""


@dataclass(frozen=True)
class Recount:
    """The tallies against a count of everything: (cell, stored, counted) where they differ."""

    cells: int
    differences: Sequence[tuple[Cell, int, int]]


class Tallies(Service):
    """The tallies, kept up to date."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self._changes = Changes(database=database, clock=clock)

    async def follow(self) -> int:
        """Count everything that has happened since the last time. Returns how many units of work it took."""
        upto = await self._changes.settled_end(SYSTEM)
        units = 0
        while await self._is_behind(SYSTEM, upto):
            await self._step(SYSTEM, upto)
            units += 1
        return units

    async def recount(self, *, repair: bool = False) -> Recount:
        """Count everything from the beginning and compare; with `repair`, replace the tallies by the result."""
        await self.follow()
        return await self._recount(SYSTEM, repair)

    @reading
    async def _is_behind(self, unit: Unit, upto: int) -> bool:
        return await rows.is_behind(unit, upto)

    @unit_of_work
    async def _step(self, unit: Unit, upto: int) -> None:
        """Count the next rows."""
        at = await rows.progress(unit)
        touched, history_id = await rows.touched(unit, at.history_id, upto, AT_ONCE)
        due, due_upto = await rows.came_due(unit, at.due_upto, max(unit.now, at.due_upto), AT_ONCE)
        added = await self._count(unit, list(dict.fromkeys([*touched, *due])), TallyProgress(history_id, due_upto))
        calls = await rows.uncounted_calls(unit, AT_ONCE)
        added.update(await self._count_calls(unit, calls))
        await rows.add(unit, added)
        await rows.advance(unit, TallyProgress(history_id, due_upto))

    async def _count(self, unit: Unit, ids: Sequence[str], upto: TallyProgress) -> Counter[Cell]:
        added: Counter[Cell] = Counter()
        if not ids:
            return added
        before = await rows.counted_before(unit, ids)
        found = await rows.callbacks(unit, ids)
        counts = {id: counts_of_callback(each, upto.due_upto) for id, each in found.items()}
        for id, now in counts.items():
            added.update(cells(now))
            added.subtract(cells(before.get(id, ())))
        await rows.store_counted(unit, counts)
        return added

    async def _count_calls(self, unit: Unit, calls: Sequence[object]) -> Counter[Cell]:
        added: Counter[Cell] = Counter()
        for row in calls:
            now = counts_of_call(rows.counted_call(row))
            before = rows.counts_stored(row)
            added.update(cells(now))
            added.subtract(cells(before or ()))
            await rows.store_counted_call(unit, row, now)
        for row in calls:  # afterwards: a call that is marked is counted again in the next step
            if rows.counts_stored(row) is None:
                await rows.mark_followed(unit, row)
        return added

    @unit_of_work
    async def _recount(self, unit: Unit, repair: bool) -> Recount:
        """Callbacks that something has happened to since are compared by what the tallies have of them."""
        at = await rows.progress(unit)
        counted: Counter[Cell] = Counter()
        newer, _ = await rows.touched(unit, at.history_id, 2**62, 1_000_000)
        last = None
        while ids := await rows.ids_after(unit, last, AT_ONCE):
            last = ids[-1]
            kept = await rows.counted_before(unit, ids)
            for id, each in (await rows.callbacks(unit, ids)).items():
                counts: Sequence[Count] = counts_of_callback(each, at.due_upto)
                counted.update(cells(kept.get(id, ()) if id in set(newer) else counts))
        after = 0
        while found := await rows.calls_after(unit, after, AT_ONCE):
            after = found[-1].id
            for row in found:
                before = rows.counts_stored(row) or ()
                counted.update(cells(before if row.to_tally else counts_of_call(rows.counted_call(row))))
        stored = await rows.stored(unit)
        cells_seen = sorted(set(counted) | set(stored))
        different = [
            (cell, stored.get(cell, 0), counted[cell]) for cell in cells_seen if stored.get(cell, 0) != counted[cell]
        ]
        if repair and different:
            await rows.replace_all(unit, counted)
        return Recount(len(cells_seen), different)
