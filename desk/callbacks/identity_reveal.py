"""How many whole identity numbers one person may be shown: counted in the database, over all processes and restarts.

Who has used up an hour's share is refused until one more is due, and the department is told, once an hour: a row of its
history, which reaches all who follow its changes, its leaders among them. The counts stand beside those of failed
log-ins, under keys of their own: a bucket in `next_at`, when it will be full again; when it was told in `last_at`.
Like those they may go when they are an hour old: a bucket is full by then.
"""

import hashlib
from datetime import datetime
from typing import Final

import structlog

from desk.access.permissions import Scope
from desk.callbacks import repository as callbacks
from desk.database.engine import Connection
from desk.history import history
from desk.history.history import Entry
from desk.limits import repository as login_tries
from desk.limits.backoff import FORGOTTEN, Count
from desk.limits.rate import Rate, use
from desk.numbers.identity_number import IdentityNumber
from desk.vault.vault import Vault

AN_HOUR: Final = Rate(300, FORGOTTEN)
REACHED: Final = "number_limit_reached"

log = structlog.get_logger(__name__)


async def show(
    connection: Connection, vault: Vault, id: str, agent: str, *, scope: Scope, now: datetime, rate: Rate
) -> IdentityNumber | int | None:
    """The number of that callback, which is in its history then; None where there is none.

    A whole number instead: seconds until one more is shown to that agent. Raises CallbackNotFound.
    """
    callback = await callbacks.get(connection, id, scope=scope)
    found = await callbacks.sealed_patient(connection, id, scope=scope)
    if found is None:
        return None
    if wait := await _take(connection, vault, agent, now, rate):
        await _tell(connection, vault, agent, callback.department, now, rate)
        return wait
    await history.append(connection, [Entry(callback.id, callback.department, now, "patient_viewed", agent)])
    sealed, kind = found
    return IdentityNumber(vault.open(sealed, callbacks.PATIENT_NUMBER, callback.id), kind)


async def _take(connection: Connection, vault: Vault, agent: str, now: datetime, rate: Rate) -> int:
    """One more look by that agent. 0: it may be shown; else seconds until it may.

    Other looks by the same agent wait for this unit of work, so that many at once are no way around.
    """
    key = _key(vault, "numbers", agent)
    before = (await login_tries.locked(connection, [key], now))[key]
    asked = use(before.next_at, now, rate)
    if not asked.wait:
        await login_tries.put(connection, {key: Count(0, asked.full_at, now)})
    return asked.wait


async def _tell(connection: Connection, vault: Vault, agent: str, department: str, now: datetime, rate: Rate) -> None:
    """Tell the department, unless one was told of that agent within the hour: `failures` is how often that was."""
    key = _key(vault, "numbers told", agent)
    before = (await login_tries.locked(connection, [key], now))[key]
    if before.failures and before.last_at > now - rate.per:
        return
    await login_tries.put(connection, {key: Count(before.failures + 1, now, now)})
    await history.append(connection, [Entry(None, department, now, REACHED, agent)])
    log.warning("somebody has seen as many identity numbers as one may", agent=agent, department=department)


def _key(vault: Vault, what: str, agent: str) -> str:
    return hashlib.sha256(vault.index(f"{what}\0{agent}")).hexdigest()
