"""Second factors."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.schemas.fields import Body
from api.schemas.sessions import Code, SessionOut
from desk.accounts.second_factor.service import SecondFactorStatus


class CodeIn(Body):
    code: Annotated[Code, Field(description="The code that the authenticator shows now.")]


class EnrolmentOut(BaseModel):
    """The new secret for the authenticator. It is returned only once."""

    secret: str = Field(description="Base32, for typing it in.", json_schema_extra={"format": "password"})
    address: str = Field(
        description="The same as an otpauth:// address. Show it as a QR code drawn in the browser.",
        json_schema_extra={"format": "password"},
    )


class SecondFactorOut(BaseModel):
    """Whether logging in with the password requires a second factor."""

    since: datetime | None = Field(description="When it was added; null without one.")
    recovery_codes_left: int

    @classmethod
    def of(cls, state: SecondFactorStatus) -> Self:
        return cls(since=state.since, recovery_codes_left=state.recovery_codes_left)


class SecondFactorSessionOut(SessionOut):
    """The new session; all others have ended."""

    recovery_codes: list[str] = Field(
        description="Each replaces a code once, for when the phone is lost. They are returned only once.",
        json_schema_extra={"format": "password"},
    )
