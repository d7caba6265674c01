"""What can go wrong with the test phone."""


class PhoneError(Exception):
    """The call can't be made."""


class NobodyThere(PhoneError):
    """Nothing answers SIP at that address."""


class Refused(PhoneError):
    """The exchange said no."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The exchange answered {status} {reason}.")
        self.status = status
