"""Errors of the test phone."""


class PhoneError(Exception):
    """The call failed."""


class NoSipResponse(PhoneError):
    """No SIP server responds at that address."""


class SipRefusal(PhoneError):
    """The server refused the request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The server responded {status} {reason}.")
        self.status = status
