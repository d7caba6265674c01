"""The audit: who saw or did what, when, about which patient, why, from where, and with which outcome.

Rows are added one after another, each chained to the one before (desk/audit/chain.py), and never changed. Entries that
arrive at the same time are written by one unit of work, under a lock that all processes share.

A list is read again and again, and would fill the audit with the same callbacks. So each read of a list gets its row,
but a callback that a row of the same person, session and list named shortly before is only counted (`again`).
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import structlog

from desk.access.actor import SYSTEM, Actor
from desk.audit import lists_repository as lists
from desk.audit import repository as rows
from desk.audit.anchors import AnchorFault, AnchorFile, AnchorsChanged
from desk.audit.append_repository import Appended, append_after
from desk.audit.chain import Anchor, chain_keys, chained
from desk.audit.entry import AuditEntry as AuditEntry
from desk.audit.entry import AuditOutcome as AuditOutcome
from desk.audit.fallback import AuditFallback
from desk.audit.lists_repository import ListView, Naming, Namings
from desk.audit.others_repository import count_others
from desk.audit.repository import AuditFilter, AuditRow, AuditSubject, OtherRows
from desk.clock import Clock
from desk.database import cursors
from desk.database.batching import Batcher
from desk.database.deadline import within
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.pages import Page
from desk.database.unit_of_work import Service, Unit, one_statement, reading, shielded, unit_of_work
from desk.spool.spool import SpoolEntry
from desk.vault.vault import Vault

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 250
"""Rows written together: a new callback is shown on every open page at the same moment, and each gets a row."""

LONG_NUMBER = re.compile(r"\d(?:[ .-]?\d){7,}")
"""What could be a phone or identity number, in a text that must not hold one."""

MOST_LISTS: Final = 500
"""Lists of which a process remembers what they named."""
MOST_SUBJECTS: Final = 5000
"""Callbacks of which a process remembers the department and the patient's index."""
OTHERS_WRITE: Final = 1.0
"""Seconds after another process added to the chain in which it is locked for each addition."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


_Last: TypeAlias = tuple[int, bytes]
"""Number and hash of a row."""


@dataclass(slots=True)
class _Pending:
    """An entry on its way into the database. `given_up`: it goes to disk instead, and must not be written as well."""

    entry: AuditEntry
    at: datetime
    given_up: bool = False


class Audit(Service):
    """The audit of one database."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        fold: timedelta = timedelta(0),
        anchors: AnchorFile | None = None,
        fallback: AuditFallback | None = None,
    ) -> None:
        """`fold`: how long a callback in a list is not named again when the same person reads the list. Zero: never.

        `fallback`: where rows wait that the database does not take now.
        """
        super().__init__(database=database, clock=clock)
        self._anchors = anchors
        self.anchor_fault: AnchorFault | None = None
        """What the last comparison with the file of anchors found."""
        self._fallback = fallback
        self._vault = vault
        self.fold = fold
        self._keys = chain_keys(vault)
        self._key_version = vault.index_version
        self._entries: Batcher[_Pending, None] = Batcher(self._append, most=MOST_AT_ONCE)
        self._last: _Last | None = None
        """The last row that this process wrote. While it is the newest, no one else has added to the chain."""
        self._named: dict[ListView, dict[AuditSubject, Naming]] = {}
        """What lists have named, since no one else has added to the chain."""
        self._subjects: dict[str, AuditSubject] = {}
        """Callbacks as they were when they were read. Rows are added only if those that they are about still are so."""
        self._usual_until = float("-inf")

    async def record(self, entry: AuditEntry) -> None:
        """Write a row; it is committed, or sealed on this machine's disk, when this returns.

        Raises StorageUnavailable: then nothing may be shown, or reported as done.
        """
        at = self._clock.now()
        if self._fallback is None or not self._fallback.takes(entry):
            await self._entries.ask(_Pending(entry, at))
        else:
            await shielded(self._write(self._fallback, entry, at))

    async def _write(self, fallback: AuditFallback, entry: AuditEntry, at: datetime) -> None:
        pending = _Pending(entry, at)
        if not fallback.is_tried_first:
            try:
                await within(fallback.after, self._entries.ask(pending))
                return
            except StorageUnavailable:
                pending.given_up = True
        await fallback.add(entry, at)

    async def record_late(self, spooled: SpoolEntry) -> None:
        """Write the row of an entry that waited on disk, once. Raises StorageUnavailable, KeyError, ValueError."""
        entry = AuditEntry.from_data(spooled.data)
        await self._append_late(SYSTEM, entry, spooled.at)
        if self._fallback is not None:
            self._fallback.database_took_one()

    async def record_shown(self, entry: AuditEntry, numbers: Collection[str]) -> None:
        """Write a row with the first of these identity numbers, and a row for each further one. Raises as `record`."""
        first, *further = sorted(numbers) if numbers else [None]
        await self.record(replace(entry, patient=first) if first is not None else entry)
        for number in further:
            await self.record(replace(entry, patient=number, callbacks=()))

    async def anchor(self, by: Actor | Unit = SYSTEM) -> Anchor:
        """Return how far the chain has come."""
        return Anchor(*await self._newest(by))

    async def keep_anchor(self) -> None:
        """Log how far the chain has come, and store it in the file of anchors. Both show when the end is cut off."""
        anchor, there = await self.anchor(), await self._others(SYSTEM)
        log.info("audit anchor", anchor=str(anchor))
        if self._anchors is None:
            return
        try:
            grows = await asyncio.to_thread(self._anchors.add, anchor, there, self._clock.now())
        except (OSError, AnchorsChanged) as error:
            log.error("The audit's anchor could not be stored", reason=type(error).__name__)
            self.anchor_fault = AnchorFault.UNWRITABLE if isinstance(error, OSError) else AnchorFault.CHANGED
            return
        self.anchor_fault = None if grows else AnchorFault.CUT
        if not grows:
            log.error("The audit ends before its last anchor: rows were removed", anchor=str(anchor))

    @reading
    async def page(
        self, unit: Unit, filters: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditRow]:
        """List the rows that match every filter, newest first, within the actor's departments. Raises BadCursor."""
        before = cursors.AUDIT.key(cursor)[0] if cursor else None
        found = await rows.page(unit, filters or AuditFilter(), before, limit + 1)
        return Page.cut(found, limit, lambda last: cursors.AUDIT.after(last.seq))

    @reading
    async def of_patient(
        self, unit: Unit, number: str, *, cursor: str | None = None, limit: int = 1000
    ) -> Page[AuditRow]:
        """List the rows about the person with that identity number, newest first, with that person's callbacks only.

        Raises BadCursor.
        """
        return await self.page(unit, AuditFilter(patients=self._vault.indexes(number)), cursor=cursor, limit=limit)

    @reading
    async def repeats(self, unit: Unit, found: Sequence[AuditRow]) -> Mapping[int, int]:
        """By row, how many later reads of its list may have shown its callbacks again. Rows without any are omitted."""
        listed = [row.seq for row in found if row.named_until is not None]
        return await rows.repeats(unit, listed) if listed else {}

    @reading
    async def _others(self, unit: Unit) -> OtherRows:
        return await count_others(unit)

    @reading
    async def _newest(self, unit: Unit) -> tuple[int, bytes]:
        return await rows.newest(unit)

    async def _append(self, entries: Sequence[_Pending]) -> Sequence[None]:
        """Write these rows: after the row that this process wrote last, if it is still the newest."""
        if not await self._append_next(entries):
            self._named.clear()
            self._last = await self._append_all(SYSTEM, entries)
        return [None] * len(entries)

    async def _append_next(self, entries: Sequence[_Pending]) -> bool:
        """Write the rows in one statement. False if the usual way must be taken: nothing is written.

        The usual way locks the chain for everyone, and needs five more round trips. Entries with an identity number
        take it, because the number is stored with them; and all do for a while after another process wrote.
        """
        last, self._last = self._last, None  # unknown while the statement is on its way, and if it fails
        numbers = any(each.entry.patient is not None for each in entries)
        time = asyncio.get_running_loop().time()
        if last is None or numbers or time < self._usual_until or self._database.dialect != "postgresql":
            return False
        if len(self._named) >= MOST_LISTS:
            self._named.clear()
        if len(self._subjects) >= MOST_SUBJECTS:
            self._subjects.clear()
        for _ in range(2):  # a callback may have changed since it was remembered
            await self._learn(entries)
            added = await self._add_next(SYSTEM, entries, last)
            if isinstance(added, tuple):
                self._last = added
                return True
            if added is Appended.ELSEWHERE:
                break
            for id in _callbacks(entries):
                self._subjects.pop(id, None)
        self._usual_until = time + OTHERS_WRITE
        return False

    async def _learn(self, entries: Sequence[_Pending]) -> None:
        """Read what is not remembered of the callbacks of these entries, and of what their lists have named."""
        ids = _callbacks(entries)
        if not ids:
            return
        views = {view for each in entries if (view := self._view(each.entry))} - self._named.keys()
        unknown = {id for id in ids - self._subjects.keys() if UUID.fullmatch(id)}
        if unknown or views:
            await self._read_context(SYSTEM, unknown, views)

    @reading
    async def _read_context(self, unit: Unit, ids: Collection[str], views: Collection[ListView]) -> None:
        if views:
            found = await lists.named_lately(unit, views, unit.now - self.fold)
            self._named |= {view: dict(namings) for view, namings in found.items()}
        self._subjects |= await lists.subjects(unit, ids)

    @one_statement
    async def _add_next(self, unit: Unit, pending: Sequence[_Pending], last: _Last) -> _Last | Appended:
        wanted = [each for each in pending if not each.given_up]
        views = {view for each in wanted if (view := self._view(each.entry))}
        named = {view: self._still_named(self._named.get(view, {}), unit.now) for view in views}
        made = self._made(wanted, unit.now, self._subjects, named, last)
        if not made:
            return last
        about = [self._subjects[id] for id in _callbacks(wanted) if id in self._subjects]
        added = await append_after(unit, *last, made, about)
        if added is not Appended.ADDED:
            return added
        for entry, row in zip((each.entry for each in wanted), made, strict=True):
            if row.named_until is not None and (view := self._view(entry)) is not None:
                naming = Naming(row.at, row.named_until)
                self._named.setdefault(view, {}).update(dict.fromkeys(row.seen, naming))
        return _last(made)

    @unit_of_work
    async def _append_late(self, unit: Unit, entry: AuditEntry, at: datetime) -> None:
        """Write a row, unless it was written before: by a database that was only late, or before a crash."""
        await rows.lock(unit)
        index = self._vault.index(entry.patient) if entry.patient is not None else None
        if not await rows.is_written(unit, at, entry.action.value, entry.request_id, index):
            await self._chain(unit, [_Pending(replace(entry, listed=False), at)])

    @unit_of_work
    async def _append_all(self, unit: Unit, entries: Sequence[_Pending]) -> _Last | None:
        return await self._chain(unit, entries)

    async def _chain(self, unit: Unit, pending: Sequence[_Pending]) -> _Last | None:
        """Write a row for each entry, as of its moment. Returns the last one; None if there was none to write."""
        about = await self._about(unit, pending)
        await rows.lock(unit)
        wanted = [each for each in pending if not each.given_up]
        await self._store_numbers(unit, {each.entry.patient for each in wanted if each.entry.patient is not None})
        newest = await rows.newest(unit)
        named = await self._named_lately(unit, [each.entry for each in wanted])
        made = self._made(wanted, unit.now, about, named, newest)
        if not made:
            return None
        await rows.append(unit, made)
        return _last(made)

    async def _about(self, unit: Unit, pending: Sequence[_Pending]) -> dict[str, AuditSubject]:
        return await lists.subjects(unit, {id for id in _callbacks(pending) if UUID.fullmatch(id)})

    def _made(
        self,
        wanted: Sequence[_Pending],
        now: datetime,
        about: Mapping[str, AuditSubject],
        named: dict[ListView, set[AuditSubject]],
        newest: _Last,
    ) -> list[AuditRow]:
        """Build the row of each entry, chained to `newest`."""
        seq, before = newest
        made = list[AuditRow]()
        for entry, at in [(each.entry, each.at) for each in wanted]:
            seen = {about[id] for id in entry.callbacks if id in about}
            if entry.moved:
                seen |= {each._replace(department=left) for each in seen if (left := entry.moved.get(each.callback_id))}
            view = self._view(entry)
            lately = named.setdefault(view, set()) if view is not None else None
            made.append(self._row(entry, seq + 1, at, now, seen, lately, before))
            if lately is not None:
                lately.update(made[-1].seen)
            seq, before = made[-1].seq, made[-1].hash
        return made

    def _view(self, entry: AuditEntry) -> ListView | None:
        """Which reads of a list count as the same one; None for an entry that always names all its callbacks."""
        plain = entry.listed and entry.outcome is AuditOutcome.DONE and not entry.emergency and entry.patient is None
        if not plain or not self.fold or entry.who is None or entry.session is None:
            return None
        return ListView(entry.who[:128], entry.session, entry.action.value)

    async def _named_lately(self, unit: Unit, entries: Sequence[AuditEntry]) -> dict[ListView, set[AuditSubject]]:
        """By list, what need not be named again. A callback that has another department or patient now is a new one."""
        views = {view for entry in entries if (view := self._view(entry))}
        found = await lists.named_lately(unit, views, unit.now - self.fold) if views else {}
        return {view: set(namings) for view, namings in found.items()}

    def _still_named(self, namings: Namings, now: datetime) -> set[AuditSubject]:
        """What need not be named again now, by the conditions of `named_lately`."""
        since = now - self.fold
        return {subject for subject, naming in namings.items() if naming.until > now and naming.at >= since}

    def _row(
        self,
        entry: AuditEntry,
        seq: int,
        at: datetime,
        now: datetime,
        seen: Set[AuditSubject],
        named: Set[AuditSubject] | None,
        before: bytes,
    ) -> AuditRow:
        """Build the row about `seen`. Those in `named` are only counted."""
        new = seen - (named or set())
        departments = {each.department for each in seen}
        only = departments.pop() if len(departments) == 1 else None
        row = AuditRow(
            seq=seq,
            at=at,
            who=entry.who[:128] if entry.who is not None else None,
            role=entry.role[:128] if entry.role is not None else None,
            action=entry.action.value,
            department=_short(entry.department, 64) or only,
            patient_index=self._vault.index(entry.patient) if entry.patient is not None else None,
            why=_short(entry.why, 200),
            outcome=entry.outcome.value,
            status=entry.status,
            problem=_short(entry.problem, 64),
            source=entry.source[:64],
            request_id=entry.request_id,
            session=entry.session,
            emergency=entry.emergency,
            through=entry.through.seq if entry.through else None,
            through_hash=entry.through.hash if entry.through else None,
            key_version=self._key_version,
            hash=b"",
            again=len(seen) - len(new) or None,
            named_until=now + self.fold if named is not None and new else None,
            seen=tuple(sorted(new, key=lambda each: (each.callback_id, each.department))),
        )
        return chained(row, before, self._keys[self._key_version])

    async def _store_numbers(self, unit: Unit, numbers: Set[str]) -> None:
        """Store the numbers behind their indexes, sealed, so that someone with the keys can find whose they were."""
        by_index = {self._vault.index(number): number for number in numbers}
        stored = await rows.sealed_numbers(unit, by_index.keys())
        for index in by_index.keys() - stored.keys():
            id = rows.new_number_id()
            sealed = self._vault.seal(by_index[index], rows.NUMBER, id)
            await rows.add_number(unit, id, index, sealed)


def _callbacks(entries: Sequence[_Pending]) -> set[str]:
    """What these entries name. Some may be ids of no callback, or no ids."""
    return set[str]().union(*(each.entry.callbacks for each in entries))


def _last(made: Sequence[AuditRow]) -> _Last:
    return made[-1].seq, made[-1].hash


def _short(text: str | None, length: int) -> str | None:
    """Cut a text to `length`, without what a database can't store or what looks like a person's number."""
    return None if text is None else LONG_NUMBER.sub("…", text.replace("\0", ""))[:length]
