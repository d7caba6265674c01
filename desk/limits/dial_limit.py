"""Holding dials to the daily caps."""

from datetime import datetime

from desk.database.unit_of_work import Unit
from desk.limits import dials_repository as rows
from desk.limits.dial_caps import DialCaps
from desk.limits.errors import DialCapReached
from desk.numbers.phone_number import PhoneNumber


async def check_caps(unit: Unit, caps: DialCaps, phone: PhoneNumber, *, since: datetime) -> None:
    """Check that the acting agent may call that number again. `since`: when the day started.

    Raises DialCapReached.
    """
    if await rows.calls_to_number(unit, phone, since=since) >= caps.number:
        raise DialCapReached("number")
    if await rows.requested_by_agent(unit, since=since) >= caps.agent:
        raise DialCapReached("agent")
