"""The ids of what the desk stores: UUIDs in their canonical text form."""

from typing import NewType
from uuid import uuid4

InquiryId = NewType("InquiryId", str)
"""Anything that waits for an answer."""
CallbackId = NewType("CallbackId", InquiryId)
"""An inquiry by phone: a callback has the id of its inquiry."""


def new_callback_id() -> CallbackId:
    """Make an id that nothing else has."""
    return CallbackId(InquiryId(str(uuid4())))
