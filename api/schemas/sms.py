"""Delivery reports of the SMS gateway."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from api.web.text import reason


def _number(value: object) -> object:
    """Refuse `true` and "1001", which pydantic would accept as numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise reason("Not a number.")
    return value


class ReportIn(BaseModel):
    """A delivery report of LINK Mobility. Its other fields, such as the phone number, are not read."""

    refId: Annotated[str | None, Field(max_length=200, description="The key that the message was sent with.")] = None
    id: Annotated[
        str | None, Field(max_length=200, description="The gateway's own id; `$n` at its end names a part.")
    ] = None
    resultCode: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="The result of the delivery."), BeforeValidator(_number)
    ]


class ReceiptOut(BaseModel):
    received: bool
