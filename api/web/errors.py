"""Errors of the web door itself; each docstring is the message."""

from collections.abc import Mapping
from typing import ClassVar, Final

from desk.errors import DeskError


class ApiError(Exception):
    """The request was refused."""

    id: ClassVar[str] = "api-error"
    """Stable name, kebab-case: the end of the problem document's type."""
    retry_after: int | None = None
    """Seconds until another try can succeed, where that is known."""

    def __init__(self, detail: str | None = None) -> None:
        super().__init__((type(self).__doc__ or "").strip())
        self.detail = detail


class NotSignedIn(ApiError):
    """Log in, or send a valid bearer token."""

    id = "not-signed-in"


class WallNotOpen(ApiError):
    """This screen has no access to the wall, or no longer. Enter a wall screen's token."""

    id = "wall-not-open"


class PasswordMustBeChanged(ApiError):
    """Your password was set by someone else. Choose your own first, with POST /session/password."""

    id = "password-must-be-changed"


class SecondFactorMustBeAdded(ApiError):
    """Your role requires a second factor. Add one first, with POST /second-factor."""

    id = "second-factor-must-be-added"


class CrossSite(ApiError):
    """Changes authenticated by a cookie must come from our own pages and carry their CSRF token."""

    id = "cross-site"


class RoleNotAllowed(ApiError):
    """Your role does not allow this."""

    id = "role-not-allowed"


class VersionNeeded(ApiError):
    """If-Match is required: send the ETag of the callback you read."""

    id = "version-needed"


class NoPatient(ApiError):
    """The patient gave no identity number."""

    id = "no-patient"


class TooManyRequests(ApiError):
    """Too many requests. Wait for the seconds in Retry-After."""

    id = "too-many-requests"

    def __init__(self, retry_after: int) -> None:
        """`retry_after` is in seconds."""
        super().__init__()
        self.retry_after = retry_after


class TooManyReaders(ApiError):
    """This server has no room for another live reader, or is stopping. Try again."""

    id = "too-many-readers"


class TooManyStreams(ApiError):
    """This log-in or token has as many live streams open as it may have. Close one first."""

    id = "too-many-streams"


STATUSES: Final[Mapping[type[ApiError] | type[DeskError], int]] = {
    NotSignedIn: 401,
    WallNotOpen: 401,
    RoleNotAllowed: 403,
    CrossSite: 403,
    PasswordMustBeChanged: 403,
    SecondFactorMustBeAdded: 403,
    TooManyRequests: 429,
    TooManyReaders: 503,
    TooManyStreams: 429,
}
