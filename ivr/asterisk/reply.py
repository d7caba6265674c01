"""Asterisk's response to a request, however it travelled."""

from __future__ import annotations

import json
from typing import Any

from ivr.asterisk.errors import AriError, AriRefused, AriUnavailable, ChannelGone, NotInStasis, WrongState


class Reply:
    """A response, read to its end so that its connection is free again."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    async def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            raise AriError("not JSON") from error


def require_success(reply: Reply) -> Reply:
    """Return the reply. Raises the AriError of its status."""
    if reply.status >= 400:
        raise error_of(reply.status)
    return reply


def error_of(status: int) -> AriError:
    """Return our error for an HTTP status."""
    match status:
        case 401 | 403:
            return AriRefused()
        case 404:
            return ChannelGone()
        case 409:
            return NotInStasis()
        case 412:
            return WrongState()
        case 500 | 502 | 503 | 504:
            return AriUnavailable(f"HTTP {status}")
        case _:
            return AriError(f"HTTP {status}")
