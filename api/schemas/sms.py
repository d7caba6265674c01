"""Delivery reports of the SMS gateway."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field


def _number(value: object) -> object:
    """Neither true nor "1001", which would pass for numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number, please")
    return value


class ReportIn(BaseModel):
    """A report in LINK Mobility's form. What else it holds (the number, among others) is not read."""

    refId: Annotated[str | None, Field(max_length=200, description="The key the text was sent with.")] = None
    id: Annotated[str | None, Field(max_length=200, description="The gateway's own; `$n` at its end names a part.")] = (
        None
    )
    resultCode: Annotated[int, Field(ge=0, le=2**31 - 1, description="What became of it."), BeforeValidator(_number)]


class ReceivedOut(BaseModel):
    received: bool
