"""Errors of accounts, log-in, sessions and tokens. Each docstring is the message."""

from pathlib import Path

from desk.errors import DeskError
from desk.files.errors import OperatorsFileError


class EmergencyNotNeeded(DeskError):
    """You already have access to this department."""

    id = "emergency-not-needed"


class EmergencyNotFound(DeskError):
    """There is no such emergency access, or it is not yours to end."""

    id = "emergency-not-found"


class AgentNotFound(DeskError):
    """There is no such agent."""

    id = "agent-not-found"


class WrongLogin(DeskError):
    """Name or password is wrong."""

    id = "wrong-login"


class WrongPassword(DeskError):
    """Current password is incorrect."""

    id = "wrong-password"


class WeakPassword(DeskError):
    """Not a valid password: use 12 to 128 characters, nothing easy to guess, and no common or leaked password."""

    id = "weak-password"

    def __init__(self, problem: str) -> None:
        """`problem` is a PasswordProblem (desk/accounts/passwords/rules.py)."""
        super().__init__(problem)
        self.problem = problem


class SecondFactorNeeded(DeskError):
    """The account has a second factor: send an unused code from it too."""

    id = "second-factor-needed"


class WrongCode(DeskError):
    """Not the code your authenticator shows now. Check the clock of your phone, and try again."""

    id = "wrong-code"


class SecondFactorNotStarted(DeskError):
    """You have not started to set up a second factor, or it took too long. Start again."""

    id = "second-factor-not-started"


class SecondFactorNotFound(DeskError):
    """The account has no second factor."""

    id = "second-factor-not-found"


class SecondFactorElsewhere(DeskError):
    """You log in at an identity provider: set up your second factor there."""

    id = "second-factor-elsewhere"


class LoginsBusy(DeskError):
    """Too many people are logging in right now. Try again in a moment."""

    id = "logins-busy"


class AgentDisabled(DeskError):
    """The account is closed. Ask an administrator to open it."""

    id = "agent-disabled"


class AgentNameTaken(DeskError):
    """Another account already has that name."""

    id = "agent-name-taken"


class GrantNotFound(DeskError):
    """The agent has no such role in that department."""

    id = "grant-not-found"


class TokenNotFound(DeskError):
    """There is no such token."""

    id = "token-not-found"


class TooManyTokens(DeskError):
    """The agent has the maximum number of tokens: revoke those no longer used."""

    id = "too-many-tokens"


class SessionNotFound(DeskError):
    """There is no such session."""

    id = "session-not-found"


class LogInAgain(DeskError):
    """Log in again first: this requires a log-in within the last ten minutes."""

    id = "log-in-again"


class NarrowedToken(DeskError):
    """A token with limits can't manage tokens or open emergency access: log in, or use a token without limits."""

    id = "narrowed-token"


class TokenTooWide(DeskError):
    """A token can't have permissions that you don't have yourself."""

    id = "token-too-wide"


class TokenOutlives(DeskError):
    """A token can't be valid longer than the token it is made with."""

    id = "token-outlives"


class AgentAtProvider(DeskError):
    """This agent logs in at an identity provider, so it can't have a token or a password here."""

    id = "agent-at-provider"


class AccessFileError(OperatorsFileError):
    """The file of groups and roles has an error:"""

    id = "access-file-error"


class LeakedPasswordsFault(OperatorsFileError):
    """The list of leaked passwords can't be used:"""

    id = "leaked-passwords-unavailable"

    def __init__(self, file: Path | str, reason: str) -> None:
        """The problem document has no detail, so that the web door doesn't show the file's name."""
        super().__init__(file, None, reason)
        self.detail = None
