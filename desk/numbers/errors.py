"""Errors of identity and phone numbers; each docstring is the message."""

from desk.errors import DeskError


class InvalidIdentity(DeskError):
    """This is not a national identity number that can be used here."""

    id = "invalid-identity"

    def __init__(self, problem: str) -> None:
        """`problem` is a desk.identity.IdentityProblem."""
        super().__init__(f"({problem})")
        self.problem = problem


class InvalidPhone(DeskError):
    """This is not a phone number that can be rung back."""

    id = "invalid-phone"

    def __init__(self, problem: str) -> None:
        """`problem` is a desk.phone.PhoneProblem."""
        super().__init__(f"({problem})")
        self.problem = problem


class InvalidPhoneName(DeskError):
    """This can't name an agent's phone: use a-z, 0-9 and -, at most 32, and not trunk or switchboard."""

    id = "invalid-phone-name"
