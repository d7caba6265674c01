"""Errors of identity and phone numbers; each docstring is the message."""

from desk.errors import DeskError


class InvalidIdentity(DeskError):
    """Not a valid national identity number."""

    id = "invalid-identity"

    def __init__(self, problem: str) -> None:
        """`problem` is an IdentityProblem."""
        super().__init__(f"({problem})")
        self.problem = problem


class InvalidPhone(DeskError):
    """Not a phone number that can be called back."""

    id = "invalid-phone"

    def __init__(self, problem: str) -> None:
        """`problem` is a PhoneProblem."""
        super().__init__(f"({problem})")
        self.problem = problem


class InvalidPhoneName(DeskError):
    """Not a valid phone name: use up to 32 of a-z, 0-9 and -, and neither trunk nor switchboard."""

    id = "invalid-phone-name"
