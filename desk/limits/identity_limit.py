"""How many identity numbers one agent may be shown. Counted in the database, across log-ins, processes and restarts."""

from datetime import timedelta
from typing import Final

from desk.database.unit_of_work import Unit
from desk.limits import repository as rows
from desk.limits.rate import Rate, use

HOURLY: Final = Rate(300, timedelta(hours=1))


async def count_reveal(unit: Unit, rate: Rate) -> int:
    """Count one more number for the acting agent. Returns 0 if it may be shown, else the seconds until it may.

    Other requests by the same agent wait for this unit of work, so sending many at once does not help.
    """
    checked = use((await rows.locked_reveals(unit)).full_at, unit.now, rate)
    if not checked.wait:
        await rows.set_reveals(unit, full_at=checked.full_at)
    return checked.wait


async def must_notify(unit: Unit, rate: Rate) -> bool:
    """Whether to notify a department that the acting agent has reached the limit: once in the time of the rate."""
    notified_at = (await rows.locked_reveals(unit)).notified_at
    if notified_at is not None and notified_at > unit.now - rate.per:
        return False
    await rows.set_reveals(unit, notified_at=unit.now)
    return True
