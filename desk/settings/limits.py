"""Limits of what one log-in, address or person may request."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from desk.limits.rate import Rate
from desk.settings.group import Group

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class LimitSettings(Group):
    """Limits of calls and requests: they stop machines, and anyone with a stolen log-in, from asking without end."""

    calls_at_once: Annotated[int, Field(ge=1, le=5000)] = Field(
        300,
        description=(
            "Callers that one phone door serves at once. Above it a caller hears that many are calling, and goes to "
            "the switchboard. If it does not answer, a callback is registered without more questions."
        ),
    )
    requests_a_minute: Annotated[int, Field(ge=60)] = Field(
        1200,
        description=(
            "Requests a minute by one log-in or token (docs/security.md#limits-of-requests). An agent's "
            "screen sends a few a second at most."
        ),
    )
    refusals_a_minute: Annotated[int, Field(ge=60)] = Field(
        600, description="Requests a minute from one address without a valid log-in or token."
    )
    numbers_an_hour: Annotated[int, Field(ge=10)] = Field(
        300, description="Whole identity numbers an hour shown to one person."
    )
    transfers_a_day: Annotated[int, Field(ge=1)] = Field(
        300, description="Callbacks a day that one person may transfer to other departments."
    )

    claims_at_once: Annotated[int, Field(ge=1)] = Field(
        200, description="Callbacks that one person may have claimed at once, in all departments."
    )

    @property
    def request_rate(self) -> Rate:
        """The limit of one log-in or token."""
        return Rate(self.requests_a_minute, MINUTE)

    @property
    def refusal_rate(self) -> Rate:
        """The limit of one address."""
        return Rate(self.refusals_a_minute, MINUTE)

    @property
    def number_rate(self) -> Rate:
        """The limit of one person."""
        return Rate(self.numbers_an_hour, HOUR)

    @property
    def transfer_rate(self) -> Rate:
        """The limit of one person's transfers."""
        return Rate(self.transfers_a_day, DAY)
