"""The audit: who saw or did what, when, about which patient, why, from where, and what came of it.

Rows are added one after another, each chained to the one before (desk/audit/chain.py), and never changed. What is asked
at the same time is written by one unit of work, under a lock that all processes share.

A list that is looked at again and again would fill it with the same callbacks. So a look at a list leaves its row each
time, but a callback that a row of the same person, session and list named shortly before is only counted (`again`).
"""

import re
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from desk.audit import repository as rows
from desk.audit.chain import Anchor, chain_keys, chained
from desk.audit.repository import AuditFilter, AuditRow, Look, Seen
from desk.clock import Clock
from desk.database import cursors
from desk.database.batching import Batcher
from desk.database.engine import Connection, Database
from desk.database.pages import Page
from desk.database.unit_of_work import UnitsOfWork
from desk.vault.vault import Vault

log = structlog.get_logger(__name__)

LONG_NUMBER = re.compile(r"\d(?:[ .-]?\d){7,}")
"""What might be a phone or identity number in a text that should hold none."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AuditOutcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """What is to be told of one look or one change.

    `who` and `role`: None when nobody was signed in. `callbacks`: ids of callbacks seen or changed; one that is no
    callback is left out. `patient`: an identity number, in clear, where the number itself was shown or asked for.
    `why`: a code or a reference, never a text about a patient. `source`: the address it came from, or `cli:` and the
    operating system's user. `status` and `problem`: of the answer. `session`: the session's or token's id, no secret.
    `through`: the last of the rows that are too old, and may be deleted from now on. `listed`: `callbacks` are what a
    list showed, nothing more, so those named shortly before need only be counted.
    """

    who: str | None
    action: str
    outcome: AuditOutcome
    source: str
    role: str | None = None
    department: str | None = None
    why: str | None = None
    callbacks: Collection[str] = ()
    patient: str | None = None
    request_id: str | None = None
    emergency: bool = False
    status: int | None = None
    problem: str | None = None
    session: str | None = None
    through: Anchor | None = None
    listed: bool = False


class Audit(UnitsOfWork):
    """The audit of one database.

    `fold`: for so long what a list showed isn't named again when the same person looks again; zero is never.
    """

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, fold: timedelta = timedelta(0)) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock
        self._fold = fold
        self._keys = chain_keys(vault)
        self._key_version = vault.index_version
        self._entries: Batcher[AuditEntry, None] = Batcher(self._append)

    async def record(self, entry: AuditEntry) -> None:
        """Committed when this returns. Raises StorageUnavailable: then nothing may be shown, or said to be done."""
        await self._entries.ask(entry)

    async def anchor(self) -> Anchor:
        """How far the chain has come."""
        return Anchor(*await self._read(rows.newest))

    async def log_anchor(self) -> None:
        """Tell the log how far the chain has come: kept elsewhere, it shows when the end has been cut off."""
        log.info("audit anchor", anchor=str(await self.anchor()))

    async def page(self, wanted: AuditFilter, *, cursor: str | None = None, limit: int = 50) -> Page[AuditRow]:
        """The rows that are wanted, newest first. Raises BadCursor."""
        before = cursors.AUDIT.key(cursor)[0] if cursor else None
        found = await self._read(lambda connection: rows.page(connection, wanted, before, limit + 1))
        more = len(found) > limit
        return Page(found[:limit], cursors.AUDIT.after(found[limit - 1].seq) if more else None)

    async def of_patient(
        self, number: str, departments: Collection[str] | None, *, cursor: str | None = None, limit: int = 1000
    ) -> Page[AuditRow]:
        """The rows that name the person with that identity number, newest first, of callbacks the person's only.

        Raises BadCursor.
        """
        wanted = AuditFilter(departments, patients=self._vault.indexes(number))
        return await self.page(wanted, cursor=cursor, limit=limit)

    async def repeats(self, told: Sequence[AuditRow]) -> Mapping[int, int]:
        """By row: how many later looks at that list may have shown its callbacks again; none, where it is left out."""
        listed = [row.seq for row in told if row.named_until is not None]
        return await self._read(lambda connection: rows.repeats(connection, listed)) if listed else {}

    async def _append(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        """Each entry a row, in one unit of work."""

        async def work(connection: Connection) -> None:
            asked = {id for entry in entries for id in entry.callbacks if UUID.fullmatch(id)}
            about = await rows.subjects(connection, asked)
            await rows.lock(connection)
            await self._name(connection, {entry.patient for entry in entries if entry.patient is not None})
            seq, before = await rows.newest(connection)
            now, made = self._clock.now(), list[AuditRow]()
            named = await self._named_lately(connection, entries, now)
            for entry in entries:
                seen = {about[id] for id in entry.callbacks if id in about}
                look = self._look(entry)
                lately = named.setdefault(look, set()) if look is not None else None
                made.append(self._row(entry, seq + 1, now, seen, lately, before))
                if lately is not None:
                    lately.update(made[-1].seen)
                seq, before = made[-1].seq, made[-1].hash
            await rows.append(connection, made)

        await self._write(work)
        return [None] * len(entries)

    def _look(self, entry: AuditEntry) -> Look | None:
        """What makes a look the same as an earlier one; None for whatever is written out whole each time."""
        plain = entry.listed and entry.outcome is AuditOutcome.DONE and not entry.emergency and entry.patient is None
        if not plain or not self._fold or entry.who is None or entry.session is None:
            return None
        return Look(entry.who[:128], entry.session, entry.action[:64])

    async def _named_lately(
        self, connection: Connection, entries: Sequence[AuditEntry], now: datetime
    ) -> dict[Look, set[Seen]]:
        """What need not be named again, by look. With another department or patient since, a callback is a new one."""
        looks = {look for entry in entries if (look := self._look(entry))}
        return await rows.named_lately(connection, looks, now - self._fold, now) if looks else {}

    def _row(
        self, entry: AuditEntry, seq: int, now: datetime, seen: Set[Seen], named: Set[Seen] | None, before: bytes
    ) -> AuditRow:
        """The row about `seen`; of a look that is folded those in `named` are only counted."""
        told = seen - (named or set())
        departments = {each.department for each in seen}
        only = departments.pop() if len(departments) == 1 else None
        row = AuditRow(
            seq=seq,
            at=now,
            who=entry.who[:128] if entry.who is not None else None,
            role=entry.role[:128] if entry.role is not None else None,
            action=entry.action[:64],
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
            again=len(seen) - len(told) or None,
            named_until=now + self._fold if named is not None and told else None,
            seen=tuple(sorted(told, key=lambda each: each.callback_id)),
        )
        return chained(row, before, self._keys[self._key_version])

    async def _name(self, connection: Connection, numbers: Set[str]) -> None:
        """Keep the numbers behind their indexes, sealed, so that who has the keys can tell who it was."""
        by_index = {self._vault.index(number): number for number in numbers}
        kept = await rows.named(connection, by_index.keys())
        for index in by_index.keys() - kept.keys():
            id = rows.new_name()
            await rows.name(connection, id, index, self._vault.seal(by_index[index], rows.NUMBER, id))


def _short(text: str | None, length: int) -> str | None:
    """At most so long, without what a database can't hold, and without anything that looks like a person's number."""
    return None if text is None else LONG_NUMBER.sub("…", text.replace("\0", ""))[:length]
