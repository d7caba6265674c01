"""Holding dials to the daily caps and to the trunk's hourly budget."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from desk.database.unit_of_work import Unit
from desk.limits import dials_repository as rows
from desk.limits.dial_caps import DialCaps, TrunkUse
from desk.limits.errors import DialCapReached, TrunkBudgetSpent
from desk.numbers.phone_number import PhoneNumber

log = structlog.get_logger(__name__)

HOUR: Final = timedelta(hours=1)


async def check_caps(unit: Unit, caps: DialCaps, phone: PhoneNumber, *, since: datetime) -> None:
    """Check that the acting agent may call that number again. `since`: when the day started.

    Raises DialCapReached.
    """
    if await rows.calls_to_number(unit, phone, since=since) >= caps.number:
        raise DialCapReached("number")
    if await rows.requested_by_agent(unit, since=since) >= caps.agent:
        raise DialCapReached("agent")


async def trunk_use(unit: Unit, caps: DialCaps) -> TrunkUse:
    """How much of the trunk's budget is used."""
    since = unit.now - HOUR
    calls = await rows.calls_on_the_trunk(unit, since=since)
    talks = await rows.talks_on_the_trunk(unit, since=since)
    talked = sum(((ended or unit.now) - max(bridged, since) for bridged, ended in talks), timedelta())
    return TrunkUse(calls, talked / timedelta(minutes=1), caps)


async def check_trunk(unit: Unit, caps: DialCaps) -> None:
    """Check that one more call may go out. Raises TrunkBudgetSpent.

    Other calls wait until this unit of work has ended, so starting many at once does not help.
    """
    await rows.lock_trunk(unit)
    use = await trunk_use(unit, caps)
    if use.is_spent:
        log.error("The trunk's budget for one hour is spent", calls=use.calls, minutes=round(use.minutes))
        raise TrunkBudgetSpent
