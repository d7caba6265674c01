"""Log-in: how long it lasts, its second factor, and which passwords are refused."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from desk.accounts.second_factor.totp import SecondFactorPolicy
from desk.accounts.sessions.limits import SessionLimits
from desk.settings.group import EnvironmentGroup, absolute


class LoginSettings(EnvironmentGroup):
    """Log-in."""

    session_idle_minutes: Annotated[int, Field(ge=1, le=720)] = Field(
        30, description="Minutes a log-in lasts without a request (docs/security.md#signing-in)."
    )
    session_hours: Annotated[int, Field(ge=1, le=24)] = Field(12, description="Hours a log-in lasts in all.")
    second_factor: SecondFactorPolicy | None = Field(
        None,
        description=(
            "Which accounts with a password need a second factor: `off`, `privileged` or `all` "
            "(docs/security.md#a-second-factor). Unset: `privileged`; `off` in the demo."
        ),
    )
    leaked_passwords: Path | None = Field(
        None,
        description=(
            "A file with leaked passwords, which are refused (docs/operator.md#passord-som-har-lekket). "
            "Unset: only the most common passwords are refused."
        ),
    )

    @property
    def session_limits(self) -> SessionLimits:
        """How long a log-in lasts."""
        return SessionLimits(
            idle=timedelta(minutes=self.session_idle_minutes), absolute=timedelta(hours=self.session_hours)
        )

    @property
    def second_factor_policy(self) -> SecondFactorPolicy:
        """Which log-ins with a password need a second factor."""
        default = SecondFactorPolicy.OFF if self.demo else SecondFactorPolicy.PRIVILEGED
        return default if self.second_factor is None else self.second_factor

    @field_validator("leaked_passwords")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute(path)
