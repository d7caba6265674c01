"""What the routes that show a whole identity number have in common."""

from collections.abc import Awaitable
from typing import Final

from api.access import Access
from api.schemas.callbacks import FullPatientOut
from api.web.errors import NoPatient
from desk.limits.errors import TooManyNumbers
from desk.numbers.identity_number import IdentityNumber

LIMITED: Final = (
    429,
    "The hourly limit of identity numbers is reached, or too many requests were sent. Wait for Retry-After.",
)


async def revealed(access: Access, number: Awaitable[IdentityNumber | None]) -> FullPatientOut:
    """Return the identity number that the desk opens. Raises NoPatient, and TooManyNumbers, which is counted."""
    try:
        patient = await number
    except TooManyNumbers:
        access.services.metrics.count_limited("numbers")
        raise
    if patient is None:
        raise NoPatient
    return FullPatientOut.of(patient)
