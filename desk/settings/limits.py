"""The settings of what may be asked how often, and of which passwords are known to others."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from desk.limits.rate import Rate

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class LimitSettings(BaseSettings):
    """Limits of requests: for programs that loop, and for a stolen log-in."""

    requests_a_minute: Annotated[int, Field(ge=60)] = 1200
    """Requests a minute by one log-in or token (docs/security.md#limits-of-requests). An agent's screen sends a few a
    second at most.
    """
    refusals_a_minute: Annotated[int, Field(ge=60)] = 600
    """Requests a minute from one address without a valid log-in or token."""
    numbers_an_hour: Annotated[int, Field(ge=10)] = 300
    """Whole identity numbers an hour shown to one person."""

    leaked_passwords: Path | None = None
    """A file with leaked passwords, which are refused (docs/operator.md#passord-som-har-lekket). Unset: only the most
    common passwords are refused.
    """

    @property
    def request_rate(self) -> Rate:
        """Of one log-in or token."""
        return Rate(self.requests_a_minute, MINUTE)

    @property
    def refusal_rate(self) -> Rate:
        """Of one address."""
        return Rate(self.refusals_a_minute, MINUTE)

    @property
    def number_rate(self) -> Rate:
        """Of one person."""
        return Rate(self.numbers_an_hour, HOUR)

    @field_validator("leaked_passwords")
    @classmethod
    def _whole_path(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()
