"""Errors of accounts, log-in, sessions and tokens; each docstring is the message."""

from pathlib import Path

from desk.errors import DeskError
from desk.files.errors import OperatorsFileError


class EmergencyNotNeeded(DeskError):
    """This department is open to you already."""

    id = "emergency-not-needed"


class EmergencyNotFound(DeskError):
    """There is no such emergency access."""

    id = "emergency-not-found"


class AgentNotFound(DeskError):
    """There is no such agent."""

    id = "agent-not-found"


class WrongLogin(DeskError):
    """Name or password is wrong."""

    id = "wrong-login"


class WrongPassword(DeskError):
    """The password you have now is another one."""

    id = "wrong-password"


class WeakPassword(DeskError):
    """This can't be a password here: 12 to 128 characters, nothing that anybody would try first, none that is known."""

    id = "weak-password"

    def __init__(self, problem: str) -> None:
        """`problem` is a desk.passwords.PasswordProblem."""
        super().__init__(problem)
        self.problem = problem


class SecondFactorNeeded(DeskError):
    """The account has a second factor: a code of it is needed too, one that was not used before."""

    id = "second-factor-needed"


class WrongCode(DeskError):
    """This is not the code your authenticator shows now. Look at its clock, and try again."""

    id = "wrong-code"


class SecondFactorNotStarted(DeskError):
    """No second factor is being set up for you, or it took too long. Begin again."""

    id = "second-factor-not-started"


class SecondFactorNotFound(DeskError):
    """The account has no second factor."""

    id = "second-factor-not-found"


class SecondFactorElsewhere(DeskError):
    """You log in at a provider: a second factor is asked for, and set up, there."""

    id = "second-factor-elsewhere"


class TooManyTries(DeskError):
    """Too many failed tries. Wait a little, and try again."""

    id = "too-many-tries"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until a try is looked at again."""
        super().__init__()
        self.retry_after = retry_after


class LoginsBusy(DeskError):
    """Too many are logging in at this moment. Try again."""

    id = "logins-busy"


class AgentDisabled(DeskError):
    """The account is closed. An administrator opens it again."""

    id = "agent-disabled"


class AgentNameTaken(DeskError):
    """Another account has that name."""

    id = "agent-name-taken"


class GrantNotFound(DeskError):
    """The agent has no such role in that department."""

    id = "grant-not-found"


class TokenNotFound(DeskError):
    """There is no such token."""

    id = "token-not-found"


class TooManyTokens(DeskError):
    """The agent has as many tokens as one may have: revoke those no longer used."""

    id = "too-many-tokens"


class SessionNotFound(DeskError):
    """There is no such session."""

    id = "session-not-found"


class LogInAgain(DeskError):
    """Log in again first: this needs a log-in of the last ten minutes."""

    id = "log-in-again"


class NarrowedToken(DeskError):
    """A narrowed token makes and ends no tokens and opens no emergency access: log in, or use one that is not."""

    id = "narrowed-token"


class TokenTooWide(DeskError):
    """A token can't open more than whoever makes it may."""

    id = "token-too-wide"


class TokenOutlives(DeskError):
    """A token can't last longer than the one it is made with."""

    id = "token-outlives"


class ProvidersPerson(DeskError):
    """Who logs in at a provider gets no token and no password here: either would go on when the provider says no."""

    id = "providers-person"


class AccessFileError(OperatorsFileError):
    """The file of groups and roles can't be used:"""

    id = "access-file-error"


class LeakedPasswordsFault(OperatorsFileError):
    """The list of leaked passwords can't be used:"""

    id = "leaked-passwords-unavailable"

    def __init__(self, file: Path | str, reason: str) -> None:
        """Who sets a password over the web is not told the file's name: the problem document has no detail."""
        super().__init__(file, None, reason)
        self.detail = None
