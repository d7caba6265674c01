"""How often one agent may do something. Counted in the database, across log-ins, processes and restarts."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from desk.database.unit_of_work import Unit
from desk.limits import repository as rows
from desk.limits.rate import Rate, use

NUMBERS: Final = Rate(300, timedelta(hours=1))
TRANSFERS: Final = Rate(300, timedelta(days=1))


class Limited(StrEnum):
    """What is limited: whole identity numbers shown, callbacks transferred."""

    NUMBERS = "numbers"
    TRANSFERS = "transfers"


async def count(unit: Unit, what: Limited, rate: Rate) -> int:
    """Count one more by the acting agent. Returns 0 if it is allowed, else the seconds until it is.

    Other requests by the same agent wait for this unit of work, so sending many at once does not help.
    """
    checked = use((await rows.locked_share(unit, what, unit.actor.name)).full_at, unit.now, rate)
    if not checked.wait:
        await rows.set_share(unit, what, unit.actor.name, full_at=checked.full_at)
    return checked.wait


async def must_notify(unit: Unit, what: Limited, rate: Rate) -> bool:
    """Whether to notify a department that the acting agent has reached the limit: once in the time of the rate."""
    notified_at = (await rows.locked_share(unit, what, unit.actor.name)).notified_at
    if notified_at is not None and notified_at > unit.now - rate.per:
        return False
    await rows.set_share(unit, what, unit.actor.name, notified_at=unit.now)
    return True
