"""What the web door itself refuses, before the desk is asked. One base; the docstring is the message."""

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
    """A log-in or a valid bearer token is needed."""

    id = "not-signed-in"


class PasswordMustBeChanged(ApiError):
    """Somebody else chose your password: choose your own first, with POST /session/password."""

    id = "password-must-be-changed"


class SecondFactorMustBeAdded(ApiError):
    """Your role needs a second factor: add it first, with POST /second-factor."""

    id = "second-factor-must-be-added"


class CrossSite(ApiError):
    """A request that changes something and signs in by cookie must come from our own pages, with their CSRF token."""

    id = "cross-site"


class RoleNotAllowed(ApiError):
    """Your role may not do this."""

    id = "role-not-allowed"


class VersionNeeded(ApiError):
    """If-Match is needed: the ETag of the callback you read."""

    id = "version-needed"


class NoPatient(ApiError):
    """The patient gave no identity number."""

    id = "no-patient"


class TooManyRequests(ApiError):
    """Too many requests in a short time. Wait as long as Retry-After says."""

    id = "too-many-requests"

    def __init__(self, retry_after: int) -> None:
        """`retry_after`: seconds until one more is answered."""
        super().__init__()
        self.retry_after = retry_after


class TooManyReaders(ApiError):
    """This process has as many live readers as it takes, or is stopping. Try again."""

    id = "too-many-readers"


STATUSES: Final[Mapping[type[ApiError] | type[DeskError], int]] = {
    NotSignedIn: 401,
    RoleNotAllowed: 403,
    CrossSite: 403,
    PasswordMustBeChanged: 403,
    SecondFactorMustBeAdded: 403,
    TooManyRequests: 429,
    TooManyReaders: 503,
}
