"""Verify that the audit is intact: no row was changed, removed, inserted or moved.

A changed row no longer matches its hash. A removed row leaves a gap in the numbers. An inserted or moved row does not
fit the hash before it. Rows cut off at the end leave no gap; an anchor finds those.

Rows are read a step at a time. The first thousand faults are listed, and the rest is counted.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

from desk.access.actor import SYSTEM
from desk.audit import repository as rows
from desk.audit.anchors import StoredAnchor
from desk.audit.chain import Anchor, chain_keys, digest, digests
from desk.audit.others_repository import count_others
from desk.audit.repository import GENESIS, NUMBER, AuditRow, OtherRows
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

ROWS_A_STEP = 1000
BEFORE_ALL = -(2**63)
MOST_FAULTS = 1000
"""How many faults are listed; further ones are counted."""
MOST_COMPARED = 50
"""Up to this many rows that don't fit are tried in each other's places. Beyond it the rows are not kept in memory."""
MOST_STRAYS = 100
MOST_BEFORE = 8
"""How many hashes a row may have been chained to. In a run of rows that don't fit, each adds one; the ends matter."""


class FaultKind(StrEnum):
    """What is wrong with a row."""

    CHANGED = "changed, or put in"
    MOVED = "moved: rows have changed places"
    UNSURE = "uncertain: the row before it is not the one it was chained to"
    REMOVED = "removed"
    PUT_IN = "put in"
    NUMBER_CHANGED = "its sealed identity number is not the one that was shown"
    NO_KEY = "can't be verified: its version of INNRINGING_INDEX_KEY isn't given"
    NOT_ANCHORED = "not as it was when the anchor was taken"


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong with the rows from `seq` up to `last`."""

    seq: int
    last: int
    what: FaultKind

    def __str__(self) -> str:
        which = f"row {self.seq}" if self.seq == self.last else f"rows {self.seq} to {self.last}"
        return f"{which}: {self.what.value}"


@dataclass
class Verification:
    """How many rows there are, how far they go, and what is wrong, by row. `more`: how many faults are not listed."""

    rows: int = 0
    anchor: Anchor = field(default_factory=lambda: Anchor(0, GENESIS))
    faults: list[Fault] = field(default_factory=list)
    more: int = 0

    def wrong(self, seq: int, what: FaultKind, last: int | None = None) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(seq, seq if last is None else last, what))
        else:
            self.more += 1


@dataclass(frozen=True)
class _Odd:
    """A row that does not fit its place, and the hashes that may have been before it."""

    seq: int
    row: AuditRow | None
    before: tuple[bytes, ...]


@dataclass(frozen=True)
class _Gap:
    """Missing rows, from `first` to `last`. `next_row`: the one after them, for the first gaps only."""

    first: int
    last: int
    next_row: AuditRow | None


class AuditVerifier(Service):
    """Goes through the chain from its start, a step at a time, while others add to it."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, rows_a_step: int = ROWS_A_STEP) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._rows_a_step = rows_a_step

    async def missing_others(self, stored: Iterable[StoredAnchor]) -> list[str]:
        """Say what is gone of the emergency accesses and the history, by the first of these anchors that shows it."""
        for each in stored:
            if found := each.others.missing(await self._others(SYSTEM, each.others)):
                return found
        return []

    async def verify(self, anchors: Iterable[Anchor] = ()) -> Verification:
        """Return what is wrong, if anything. The anchors are from the log or an earlier run."""
        found, known = Verification(), {anchor.seq: anchor for anchor in anchors}
        walk = _Walk(chain_keys(self._vault), found)
        strays: list[int] = []
        while batch := await self._after(SYSTEM, walk.at):
            strays += await self._strays(walk.at, batch[-1].seq, MOST_STRAYS - len(strays))
            for row in batch:
                walk.step(row)
                if row.seq in known and known[row.seq].hash != row.hash:
                    found.wrong(row.seq, FaultKind.NOT_ANCHORED)
            await self._numbers(batch, found)
        strays += await self._strays(walk.at, None, MOST_STRAYS - len(strays))
        walk.finish()
        last = max(known, default=0)
        if last > walk.seq:
            found.wrong(walk.seq + 1, FaultKind.REMOVED, last)
        gone = [range(fault.seq, fault.last + 1) for fault in found.faults if fault.what is FaultKind.REMOVED]
        for seq in strays:
            if seq > walk.pruned.seq and not any(seq in rows_gone for rows_gone in gone):
                found.wrong(seq, FaultKind.PUT_IN)
        found.faults.sort()
        return found

    async def _strays(self, above: int, up_to: int | None, limit: int) -> list[int]:
        """Read one step: a query over all rows would take longer than a statement may."""
        return await self._strays_of(SYSTEM, above, up_to, limit) if limit > 0 else []

    @reading
    async def _others(self, unit: Unit, up_to: OtherRows) -> OtherRows:
        return await count_others(unit, up_to)

    @reading
    async def _after(self, unit: Unit, seq: int) -> list[AuditRow]:
        return await rows.after(unit, seq, self._rows_a_step)

    @reading
    async def _strays_of(self, unit: Unit, above: int, up_to: int | None, limit: int) -> list[int]:
        return await rows.strays(unit, above, up_to, limit)

    @reading
    async def _sealed_numbers(self, unit: Unit, indexes: Set[bytes]) -> dict[bytes, tuple[str, bytes]]:
        return await rows.sealed_numbers(unit, indexes)

    async def _numbers(self, batch: Sequence[AuditRow], found: Verification) -> None:
        """Check that the indexes of the rows were made from the sealed numbers."""
        indexes = {row.patient_index for row in batch if row.patient_index is not None}
        numbers = await self._sealed_numbers(SYSTEM, indexes)
        right = {index for index in indexes if index in numbers and self._is(index, *numbers[index])}
        for row in batch:
            if row.patient_index is not None and row.patient_index not in right:
                found.wrong(row.seq, FaultKind.NUMBER_CHANGED)

    def _is(self, index: bytes, id: str, number: bytes) -> bool:
        try:
            return index in self._vault.indexes(self._vault.open(number, NUMBER, id))
        except CannotOpen:
            return False


class _Walk:
    """Walks along the chain, row by row. Rows that don't fit are judged at the end, when all can be compared."""

    def __init__(self, keys: Mapping[int, bytes], found: Verification) -> None:
        self.at = BEFORE_ALL
        self.seq = 0
        self.pruned = Anchor(0, GENESIS)
        """The last expired row that was deleted, as the rows so far say that fit."""
        self._before: tuple[bytes, ...] = (GENESIS,)
        self._keys = keys
        self._found = found
        self._odd: list[_Odd] = []
        self._gaps: list[_Gap] = []

    def step(self, row: AuditRow) -> None:
        """Take the next row."""
        self.at = row.seq
        if row.seq < 1:
            self._found.wrong(row.seq, FaultKind.PUT_IN)
            return
        if row.seq > self.seq + 1:
            self._gap(_Gap(self.seq + 1, row.seq - 1, row if len(self._gaps) < MOST_COMPARED else None))
            self._before = ()  # the row before is gone: this one is judged at the end
        self._found.rows += 1
        self._before = self._fits(row)
        self.seq, self._found.anchor = row.seq, Anchor(row.seq, row.hash)

    def finish(self) -> None:
        """List what is wrong. A row that does not fit was moved if it fits in another's place; else it was changed."""
        odd = {each.seq for each in self._odd}
        for gap in self._gaps:
            self._judge_gap(gap)
        there = self._belonging()
        for each in self._odd:
            if each.seq in there:
                self._found.wrong(each.seq, FaultKind.MOVED)
            elif not (each.seq - 1 in there and self._stood_after(each, there[each.seq - 1])):
                self._found.wrong(each.seq, FaultKind.UNSURE if each.seq - 1 in odd else FaultKind.CHANGED)

    def _fits(self, row: AuditRow) -> tuple[bytes, ...]:
        """Return what the next row may be chained to: this row's hash, or the right one if it was changed."""
        key = self._keys.get(row.key_version)
        if key is None:
            self._found.wrong(row.seq, FaultKind.NO_KEY)
            self._note_pruned(row)
            return (row.hash,)
        right = digests(row, self._before, key)
        if row.hash in right or not self._before:
            self._note_pruned(row)
            return (row.hash,)
        self._add_odd(row, self._before)
        half = MOST_BEFORE // 2
        return (row.hash, *(right if len(right) < MOST_BEFORE else [*right[: half - 1], *right[-half:]]))

    def _note_pruned(self, row: AuditRow) -> None:
        if row.through is not None and row.through > self.pruned.seq:
            self.pruned = Anchor(row.through, row.through_hash or b"")

    def _add_odd(self, row: AuditRow, before: tuple[bytes, ...]) -> None:
        if len(self._odd) < MOST_FAULTS:
            self._odd.append(_Odd(row.seq, row if len(self._odd) <= MOST_COMPARED else None, before))
        else:
            self._found.more += 1

    def _gap(self, gap: _Gap) -> None:
        if len(self._gaps) < MOST_FAULTS:
            self._gaps.append(gap)
        else:
            self._found.more += 1

    def _judge_gap(self, gap: _Gap) -> None:
        """Missing rows were removed, unless they had expired and were deleted."""
        last, pruned = gap.last, self.pruned
        if last == pruned.seq:
            self._judge_after_pruned(gap)
            return
        if gap.first == 1 and last < pruned.seq - 1:
            return  # deletion is under way: it begins with the oldest row and never leaves a single one
        if last == pruned.seq - 1 and gap.first == 1:
            self._found.wrong(last + 1, FaultKind.PUT_IN)
        elif last > pruned.seq:
            self._found.wrong(max(gap.first, pruned.seq + 1), FaultKind.REMOVED, last)
        else:
            self._found.wrong(gap.first, FaultKind.REMOVED, last)

    def _judge_after_pruned(self, gap: _Gap) -> None:
        """The row after the expired rows that were deleted is chained to the last of them."""
        row, pruned = gap.next_row, self.pruned
        if row is None:
            self._found.wrong(gap.last + 1, FaultKind.UNSURE)
        elif (key := self._keys.get(row.key_version)) is not None and digest(row, pruned.hash, key) != row.hash:
            self._add_odd(row, (pruned.hash,))

    def _belonging(self) -> dict[int, bytes]:
        """Find rows that belong in the place of another one. Returns their hashes, by the number of that place."""
        there: dict[int, bytes] = {}
        if len(self._odd) <= MOST_COMPARED:
            for one in self._odd:
                for place in self._odd:
                    if one is not place and (hash := self._hash_there(one, place)):
                        there[place.seq] = hash
                        there.setdefault(one.seq, b"")
        return there

    def _hash_there(self, one: _Odd, place: _Odd) -> bytes | None:
        """Return the hash that this row had in that place, if it was there."""
        if one.row is None or place.row is None:
            return None
        there, key = replace(one.row, seq=place.seq), self._keys[one.row.key_version]
        fitting = {digest(there, before, key) for before in place.before} & {one.row.hash, place.row.hash}
        return next(iter(fitting), None)

    def _stood_after(self, odd: _Odd, hash: bytes) -> bool:
        """Whether the row is unchanged, and only the one before it was somewhere else."""
        row = odd.row
        return row is not None and digest(row, hash, self._keys[row.key_version]) == row.hash
