"""Second factors."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.schemas.fields import Body
from api.schemas.sessions import Code, SessionOut
from desk.accounts.second_factor.service import State


class CodeIn(Body):
    code: Annotated[Code, Field(description="What the authenticator shows now.")]


class SecondFactorStartedOut(BaseModel):
    """For the authenticator, told this once."""

    secret: str = Field(description="In base32, to be typed in.", json_schema_extra={"format": "password"})
    address: str = Field(
        description="The same as an otpauth:// address: show it as a QR code, made in the browser itself.",
        json_schema_extra={"format": "password"},
    )


class SecondFactorOut(BaseModel):
    """Whether a log-in with the password needs a second factor. Neither secret nor codes are told."""

    since: datetime | None = Field(description="Since when; null: there is none.")
    recovery_codes_left: int

    @classmethod
    def of(cls, state: State) -> Self:
        return cls(since=state.since, recovery_codes_left=state.recovery_codes_left)


class SecondFactorAddedOut(SessionOut):
    """All sessions ended; this is the new one."""

    recovery_codes: list[str] = Field(
        description="Each opens once in place of a code, should the phone be lost. Told this once.",
        json_schema_extra={"format": "password"},
    )
