"""Whether the audit is whole: every row as it was written, none taken away, none put in, none moved.

A row that was changed no longer gives its hash; one that was taken away leaves a gap in the numbers; one put in or
moved does not fit the hash before it. Rows cut off at the end leave no gap: those an anchor finds.

A step of rows with their callbacks is held at a time; of what is wrong the first thousand, and the rest is counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from desk.audit import repository as rows
from desk.audit.chain import Anchor, chain_keys, digest, digests
from desk.audit.repository import GENESIS, NUMBER, AuditRow
from desk.database.engine import Database
from desk.database.unit_of_work import UnitsOfWork
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

ROWS_A_STEP = 1000
BEFORE_ALL = -(2**63)
MOST_FAULTS = 1000
"""Kept of what is wrong; further ones are counted."""
MOST_COMPARED = 50
"""Rows that don't fit are tried in each other's places while there are no more of them. Of more, rows aren't held."""
MOST_STRAYS = 100
MOST_BEFORE = 8
"""Hashes a row may have been chained to: of a run of rows that don't fit each adds one, and the ends of it matter."""


class What(StrEnum):
    """What is wrong with a row."""

    CHANGED = "changed, or put in"
    MOVED = "moved: rows have changed places"
    UNSURE = "can't be told: the row before it is not the one it was chained to"
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
    what: What

    def __str__(self) -> str:
        which = f"row {self.seq}" if self.seq == self.last else f"rows {self.seq} to {self.last}"
        return f"{which}: {self.what.value}"


@dataclass
class Verified:
    """How many rows there are, how far they go, and what is wrong, by row; `more`: how many faults beside those."""

    rows: int = 0
    anchor: Anchor = field(default_factory=lambda: Anchor(0, GENESIS))
    faults: list[Fault] = field(default_factory=list)
    more: int = 0

    def wrong(self, seq: int, what: What, last: int | None = None) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(seq, seq if last is None else last, what))
        else:
            self.more += 1


@dataclass(frozen=True)
class _Odd:
    """A row that doesn't fit its place, and what may have stood before it."""

    seq: int
    row: AuditRow | None
    before: tuple[bytes, ...]


@dataclass(frozen=True)
class _Gap:
    """Rows that are not there: from `first` up to `last`. `next_row`: the one after, of the first gaps only."""

    first: int
    last: int
    next_row: AuditRow | None


class Verifying(UnitsOfWork):
    """Goes through the chain from its start, a thousand rows at a time, beside those who add to it."""

    def __init__(self, *, database: Database, vault: Vault, rows_a_step: int = ROWS_A_STEP) -> None:
        super().__init__(database)
        self._vault = vault
        self._rows_a_step = rows_a_step

    async def verify(self, anchors: Iterable[Anchor] = ()) -> Verified:
        """What is wrong, if anything."""
        found, asked = Verified(), {anchor.seq: anchor for anchor in anchors}
        walk = _Walk(chain_keys(self._vault), found)
        strays: list[int] = []
        while batch := await self._read(lambda connection: rows.after(connection, walk.at, self._rows_a_step)):
            strays += await self._strays(walk.at, batch[-1].seq, MOST_STRAYS - len(strays))
            for row in batch:
                walk.step(row)
                if row.seq in asked and asked[row.seq].hash != row.hash:
                    found.wrong(row.seq, What.NOT_ANCHORED)
            await self._numbers(batch, found)
        strays += await self._strays(walk.at, None, MOST_STRAYS - len(strays))
        walk.tell()
        last = max(asked, default=0)
        if last > walk.seq:
            found.wrong(walk.seq + 1, What.REMOVED, last)
        gone = [range(fault.seq, fault.last + 1) for fault in found.faults if fault.what is What.REMOVED]
        for seq in strays:
            if seq > walk.pruned.seq and not any(seq in rows_gone for rows_gone in gone):
                found.wrong(seq, What.PUT_IN)
        found.faults.sort()
        return found

    async def _strays(self, above: int, up_to: int | None, limit: int) -> list[int]:
        """A step at a time: one look over all there is would take longer than a statement may."""
        return await self._read(lambda connection: rows.strays(connection, above, up_to, limit)) if limit > 0 else []

    async def _numbers(self, batch: Sequence[AuditRow], found: Verified) -> None:
        """The sealed numbers behind the rows are those their indexes were made from."""
        indexes = {row.patient_index for row in batch if row.patient_index is not None}
        numbers = await self._read(lambda connection: rows.named(connection, indexes))
        right = {index for index in indexes if index in numbers and self._is(index, *numbers[index])}
        for row in batch:
            if row.patient_index is not None and row.patient_index not in right:
                found.wrong(row.seq, What.NUMBER_CHANGED)

    def _is(self, index: bytes, id: str, number: bytes) -> bool:
        try:
            return index in self._vault.indexes(self._vault.open(number, NUMBER, id))
        except CannotOpen:
            return False


class _Walk:
    """One way along the chain, row by row. What is odd is told at the end, when all there is to compare is known."""

    def __init__(self, keys: Mapping[int, bytes], found: Verified) -> None:
        self.at = BEFORE_ALL
        self.seq = 0
        self.pruned = Anchor(0, GENESIS)
        """The last row that was deleted as too old, by the rows so far that aren't odd."""
        self._before: tuple[bytes, ...] = (GENESIS,)
        self._keys = keys
        self._found = found
        self._odd: list[_Odd] = []
        self._gaps: list[_Gap] = []

    def step(self, row: AuditRow) -> None:
        """The next row there is."""
        self.at = row.seq
        if row.seq < 1:
            self._found.wrong(row.seq, What.PUT_IN)
            return
        if row.seq > self.seq + 1:
            self._gap(_Gap(self.seq + 1, row.seq - 1, row if len(self._gaps) < MOST_COMPARED else None))
            self._before = ()  # what stood before this row is gone: it is looked at again when the end is known
        self._found.rows += 1
        self._before = self._fits(row)
        self.seq, self._found.anchor = row.seq, Anchor(row.seq, row.hash)

    def tell(self) -> None:
        """What is wrong. Rows that don't fit were moved if they would in another's place; else they were changed."""
        odd = {each.seq for each in self._odd}
        for gap in self._gaps:
            self._tell_gap(gap)
        there = self._belonging()
        for each in self._odd:
            if each.seq in there:
                self._found.wrong(each.seq, What.MOVED)
            elif not (each.seq - 1 in there and self._stood_after(each, there[each.seq - 1])):
                self._found.wrong(each.seq, What.UNSURE if each.seq - 1 in odd else What.CHANGED)

    def _fits(self, row: AuditRow) -> tuple[bytes, ...]:
        """What the next row may be chained to: this one's hash, or, if that was changed, the one it should have."""
        key = self._keys.get(row.key_version)
        if key is None:
            self._found.wrong(row.seq, What.NO_KEY)
            self._note_pruned(row)
            return (row.hash,)
        right = digests(row, self._before, key)
        if row.hash in right or not self._before:
            self._note_pruned(row)
            return (row.hash,)
        self._put_down(row, self._before)
        half = MOST_BEFORE // 2
        return (row.hash, *(right if len(right) < MOST_BEFORE else [*right[: half - 1], *right[-half:]]))

    def _note_pruned(self, row: AuditRow) -> None:
        if row.through is not None and row.through > self.pruned.seq:
            self.pruned = Anchor(row.through, row.through_hash or b"")

    def _put_down(self, row: AuditRow, before: tuple[bytes, ...]) -> None:
        if len(self._odd) < MOST_FAULTS:
            self._odd.append(_Odd(row.seq, row if len(self._odd) <= MOST_COMPARED else None, before))
        else:
            self._found.more += 1

    def _gap(self, gap: _Gap) -> None:
        if len(self._gaps) < MOST_FAULTS:
            self._gaps.append(gap)
        else:
            self._found.more += 1

    def _tell_gap(self, gap: _Gap) -> None:
        """Rows that are not there were removed, unless they were deleted as too old."""
        last, pruned = gap.last, self.pruned
        if last == pruned.seq:
            self._tell_after_pruned(gap)
            return
        if gap.first == 1 and last < pruned.seq - 1:
            return  # the deleting isn't done: it goes from the oldest on, and never leaves a single row
        if last == pruned.seq - 1 and gap.first == 1:
            self._found.wrong(last + 1, What.PUT_IN)
        elif last > pruned.seq:
            self._found.wrong(max(gap.first, pruned.seq + 1), What.REMOVED, last)
        else:
            self._found.wrong(gap.first, What.REMOVED, last)

    def _tell_after_pruned(self, gap: _Gap) -> None:
        """The row after those that were deleted as too old is chained to the last of them."""
        row, pruned = gap.next_row, self.pruned
        if row is None:
            self._found.wrong(gap.last + 1, What.UNSURE)
        elif (key := self._keys.get(row.key_version)) is not None and digest(row, pruned.hash, key) != row.hash:
            self._put_down(row, (pruned.hash,))

    def _belonging(self) -> dict[int, bytes]:
        """Which row belongs in the place of which that doesn't fit: its hash, by the place's number."""
        there: dict[int, bytes] = {}
        if len(self._odd) <= MOST_COMPARED:
            for one in self._odd:
                for place in self._odd:
                    if one is not place and (hash := self._hash_there(one, place)):
                        there[place.seq] = hash
                        there.setdefault(one.seq, b"")
        return there

    def _hash_there(self, one: _Odd, place: _Odd) -> bytes | None:
        """The hash this row once had in that place, if it stood there."""
        if one.row is None or place.row is None:
            return None
        there, key = replace(one.row, seq=place.seq), self._keys[one.row.key_version]
        fitting = {digest(there, before, key) for before in place.before} & {one.row.hash, place.row.hash}
        return next(iter(fitting), None)

    def _stood_after(self, odd: _Odd, hash: bytes) -> bool:
        """Whether the row is as it was, and only the one before it was not there."""
        row = odd.row
        return row is not None and digest(row, hash, self._keys[row.key_version]) == row.hash
