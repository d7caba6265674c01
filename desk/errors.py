"""Everything the desk refuses, one class each. The class docstring is the message; it never holds personal data.

Both doors map these once: the api to problem documents, the ivr to what the caller hears.
"""

from pathlib import Path
from typing import ClassVar


class DeskError(Exception):
    """The desk refused."""

    id: ClassVar[str] = "desk-error"
    """Stable name, kebab-case: the end of a problem document's type, and the field logged."""

    def __init__(self, detail: str | None = None) -> None:
        message = (type(self).__doc__ or "").strip()
        super().__init__(f"{message} {detail}" if detail else message)
        self.detail = detail


class CallbackNotFound(DeskError):
    """There is no such callback."""

    id = "callback-not-found"


class RecordingNotFound(DeskError):
    """The callback has no recording."""

    id = "recording-not-found"


class IllegalMove(DeskError):
    """The callback can't go from the status it has to the one asked for."""

    id = "illegal-move"


class ClaimLost(DeskError):
    """The claim is no longer yours: its lease ran out, or someone else has taken the callback."""

    id = "claim-lost"


class AlreadyClaimed(DeskError):
    """Another agent has claimed this callback."""

    id = "already-claimed"


class AlreadyOpenThere(DeskError):
    """The same person has an open callback in that department already: close one of the two."""

    id = "already-open-there"


class PromiseNotPossible(DeskError):
    """A promise lies ahead, within two months, on a day the department rings, while it is open and has room."""

    id = "promise-not-possible"


class IdentityNotTaken(DeskError):
    """This department takes no identity numbers."""

    id = "identity-not-taken"


class KeyUsedBefore(DeskError):
    """This Idempotency-Key came with another request before."""

    id = "idempotency-key-used"


class DepartmentNotFound(DeskError):
    """There is no such department."""

    id = "department-not-found"


class DepartmentNotAllowed(DeskError):
    """You have no access to this department."""

    id = "department-not-allowed"


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


class StorageUnavailable(DeskError):
    """The database can't be reached."""

    id = "storage-unavailable"

    def __init__(self, advice: str = "") -> None:
        """`advice` says what to mend to who runs the service; it names settings, so no client is shown it."""
        super().__init__()
        self.advice = advice


class CannotOpen(DeskError):
    """A sealed value doesn't open: its key is missing, or it has been changed or moved since it was sealed."""

    id = "cannot-open"


class VersionConflict(DeskError):
    """The callback has been changed since you read it."""

    id = "version-conflict"


class InvalidPhoneName(DeskError):
    """This can't name an agent's phone: use a-z, 0-9 and -, at most 32, and not trunk or switchboard."""

    id = "invalid-phone-name"


class DialNotFound(DeskError):
    """Nobody has asked for this callback to be dialled."""

    id = "dial-not-found"


class DialInProgress(DeskError):
    """There is a call in progress for this callback, or by this agent."""

    id = "dial-in-progress"


class DialOver(DeskError):
    """The call has ended already."""

    id = "dial-over"


class DialLost(DeskError):
    """Another controller has taken the dial over."""

    id = "dial-lost"


class OutsideRingingHours(DeskError):
    """The department may not ring patients at this hour."""

    id = "outside-ringing-hours"


class DialCapReached(DeskError):
    """No more calls today: the limit for this number or this agent is reached."""

    id = "dial-cap-reached"


class NoAgentPhone(DeskError):
    """You have no phone that could be rung: an operator adds it with innringing agents add --phone."""

    id = "no-agent-phone"


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


class BadCursor(DeskError):
    """The cursor is not one this list has given out."""

    id = "bad-cursor"


class SettingsError(DeskError):
    """A setting is missing or wrong:"""

    id = "settings-error"


class OperatorsFileError(DeskError):
    """A file can't be used:"""

    id = "operators-file-error"

    def __init__(self, file: Path | str, line: int | None, reason: str) -> None:
        """`line` counts from 1; None when the fault has no place in the file (it is missing, say)."""
        place = f"{file}:{line}" if line is not None else f"{file}"
        super().__init__(f"{place}: {reason}")
        self.file = str(file)
        self.line = line
        self.reason = reason


class DepartmentsFileError(OperatorsFileError):
    """The departments file can't be used:"""

    id = "departments-file-error"


class SmsTextsError(OperatorsFileError):
    """The texts of SMS can't be used:"""

    id = "sms-texts-error"


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


class TooManyNumbers(DeskError):
    """You have seen as many identity numbers as one person may in an hour; the department has been told."""

    id = "too-many-numbers"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until one more is shown."""
        super().__init__()
        self.retry_after = retry_after
