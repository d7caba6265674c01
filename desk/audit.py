"""The audit: who saw or did what, when, about which patient, why, from where, and what came of it.

Rows are added one after another, each chained to the one before (desk/audit_chain.py), and never changed. What is asked
at the same time is written by one unit of work, under a lock that all processes share.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog

from desk.at_once import AtOnce
from desk.audit_chain import Anchor, chain_keys, chained
from desk.callbacks import Page
from desk.clock import Clock
from desk.storage import audit as rows
from desk.storage.audit import AuditFilter, AuditRow, Seen
from desk.storage.cursors import after_audit, audit_place
from desk.storage.database import Connection, Database
from desk.units import UnitsOfWork
from desk.vault import Vault

log = structlog.get_logger(__name__)

LONG_NUMBER = re.compile(r"\d(?:[ .-]?\d){7,}")
"""What might be a phone or identity number in a text that should hold none."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Outcome(StrEnum):
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
    `through`: the last of the rows that are too old, and may be deleted from now on.
    """

    who: str | None
    action: str
    outcome: Outcome
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


class Audit(UnitsOfWork):
    """The audit of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock
        self._keys = chain_keys(vault)
        self._key_version = vault.index_version
        self._entries: AtOnce[AuditEntry, None] = AtOnce(self._append)

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
        before = audit_place(cursor) if cursor else None
        found = await self._read(lambda connection: rows.page(connection, wanted, before, limit + 1))
        more = len(found) > limit
        return Page(found[:limit], after_audit(found[limit - 1].seq) if more else None)

    async def of_patient(
        self, number: str, departments: Collection[str] | None, *, cursor: str | None = None, limit: int = 1000
    ) -> Page[AuditRow]:
        """The rows about the person with that identity number, newest first. Raises BadCursor."""
        wanted = AuditFilter(departments, patients=self._vault.indexes(number))
        return await self.page(wanted, cursor=cursor, limit=limit)

    async def _append(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        """Each entry a row, in one unit of work."""

        async def work(connection: Connection) -> None:
            asked = {id for entry in entries for id in entry.callbacks if UUID.fullmatch(id)}
            about = await rows.subjects(connection, asked)
            await rows.lock(connection)
            for number in dict.fromkeys(entry.patient for entry in entries if entry.patient is not None):
                await self._name(connection, number)
            seq, before = await rows.newest(connection)
            now, made = self._clock.now(), list[AuditRow]()
            for entry in entries:
                seen = tuple(about[id] for id in sorted({*entry.callbacks}) if id in about)
                made.append(self._row(entry, seq + 1, now, seen, before))
                seq, before = made[-1].seq, made[-1].hash
            await rows.append(connection, made)

        await self._write(work)
        return [None] * len(entries)

    def _row(self, entry: AuditEntry, seq: int, now: datetime, seen: tuple[Seen, ...], before: bytes) -> AuditRow:
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
            seen=seen,
        )
        return chained(row, before, self._keys[self._key_version])

    async def _name(self, connection: Connection, number: str) -> None:
        """Keep the number behind its index, sealed, so that who has the keys can tell who it was."""
        index = self._vault.index(number)
        if not await rows.named(connection, [index]):
            id = rows.new_name()
            await rows.name(connection, id, index, self._vault.seal(number, rows.NUMBER, id))


def _short(text: str | None, length: int) -> str | None:
    """At most so long, without what a database can't hold, and without anything that looks like a person's number."""
    return None if text is None else LONG_NUMBER.sub("…", text.replace("\0", ""))[:length]
