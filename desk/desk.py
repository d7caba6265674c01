"""The desk: every method is one unit of work, and the only place that commits. Both doors use it."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TypeAlias

from desk.callbacks import (
    Callback,
    CallKey,
    ClosedReason,
    HistoryRow,
    IncompleteStep,
    Outcome,
    Page,
    RecordedCall,
    Registration,
    Status,
)
from desk.clock import Clock
from desk.departments import Departments
from desk.identity import IdentityNumber
from desk.phone import PhoneNumber
from desk.storage.database import Database
from desk.vault import Vault

LEASE = timedelta(minutes=15)

Claimed: TypeAlias = list[Callback]
HistoryRows: TypeAlias = list[HistoryRow]


class Desk:
    """The queue of callbacks and its rules."""

    def __init__(
        self,
        *,
        database: Database,
        departments: Callable[[], Departments],
        vault: Vault,
        clock: Clock,
        lease: timedelta = LEASE,
    ) -> None:
        self._database = database
        self._departments = departments
        self._vault = vault
        self._clock = clock
        self._lease = lease

    async def register(
        self,
        call: CallKey,
        department: str,
        patient: IdentityNumber | None,
        phone: PhoneNumber,
        *,
        language: str = "nb",
    ) -> Registration:
        raise NotImplementedError

    async def record_call(
        self, call: CallKey, department: str, *, phone: PhoneNumber | None, step: IncompleteStep
    ) -> None:
        raise NotImplementedError

    async def claim(self, department: str, agent: str, *, limit: int = 1) -> Claimed:
        raise NotImplementedError

    async def claim_named(self, id: str, agent: str) -> Callback:
        raise NotImplementedError

    async def extend(self, id: str, agent: str, fence: int) -> Callback:
        raise NotImplementedError

    async def release(self, id: str, agent: str, fence: int) -> Callback:
        raise NotImplementedError

    async def record_attempt(
        self, id: str, agent: str, fence: int, outcome: Outcome, note: str | None = None
    ) -> Callback:
        raise NotImplementedError

    async def close(
        self, id: str, agent: str, reason: ClosedReason, *, fence: int | None, note: str | None = None
    ) -> Callback:
        raise NotImplementedError

    async def reopen(self, id: str, agent: str) -> Callback:
        raise NotImplementedError

    async def get(self, id: str) -> Callback:
        raise NotImplementedError

    async def list(
        self, *, departments: Collection[str], status: Collection[Status] | None, cursor: str | None, limit: int
    ) -> Page[Callback]:
        raise NotImplementedError

    async def history(self, id: str) -> HistoryRows:
        raise NotImplementedError

    async def patient(self, id: str, agent: str) -> IdentityNumber | None:
        raise NotImplementedError

    async def calls(
        self, *, departments: Collection[str], incomplete: bool | None, cursor: str | None, limit: int
    ) -> Page[RecordedCall]:
        raise NotImplementedError

    async def ping(self) -> None:
        raise NotImplementedError
