"""Errors of log-in at an identity provider. The docstring is the message; `page` is the text for people.

`reason` is only for the log: a code of ours or of the protocol, never a value from outside.
"""

from typing import ClassVar, Final

from api.web.errors import ApiError
from api.web.problems import Statuses


class LoginError(ApiError):
    """The log-in failed."""

    id = "login-error"
    page: ClassVar[str] = "Innloggingen kunne ikke fullføres."

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason


class SingleSignOnOff(LoginError):
    """Single sign-on is not set up here."""

    id = "single-sign-on-off"
    page = "Felles innlogging er ikke satt opp her."


class ProviderUnavailable(LoginError):
    """The identity provider can't be reached. People who are logged in can keep working; try again in a while."""

    id = "provider-unavailable"
    page = (
        "Innloggingstjenesten kan ikke nås, så ingen nye kan logge inn akkurat nå. "
        "De som allerede er logget inn, kan arbeide videre. Prøv igjen om litt."
    )


class LoginNotValid(LoginError):
    """This log-in was started in another browser, took too long, or has been used already. Start again."""

    id = "login-not-valid"
    page = "Innloggingen ble startet i en annen nettleser, tok for lang tid eller er brukt allerede. Begynn på nytt."


class LoginRefused(LoginError):
    """The identity provider's response can't be trusted, so no one was logged in."""

    id = "login-refused"
    page = "Svaret fra innloggingstjenesten kunne ikke godtas, så du ble ikke logget inn. Kontakt brukerstøtte."


class GrantEnded(LoginRefused):
    """The identity provider no longer accepts this code or refresh token."""


class ProviderRefused(LoginError):
    """The identity provider did not log you in."""

    id = "provider-refused"
    page = "Innloggingstjenesten logget deg ikke inn."


class LoginTooWeak(LoginError):
    """You are logged in at the provider, but not with the strength required here."""

    id = "login-too-weak"
    page = (
        "Du er logget inn hos innloggingstjenesten, men ikke sikkert nok for Innringing: det kreves "
        "totrinnsbekreftelse eller et høyere sikkerhetsnivå. Logg ut der, logg inn på nytt med det, og prøv igjen. "
        "Får du ikke valget, kontakt brukerstøtte."
    )


class LoginNotRequested(LoginError):
    """A log-in must be started by a click on a page of this service, not by another page or program."""

    id = "login-not-requested"


class NoRole(LoginError):
    """You are logged in at the provider, but you are not in any group that gives access here."""

    id = "no-role"
    page = (
        "Du er logget inn hos innloggingstjenesten, men er ikke med i noen gruppe som gir tilgang her. "
        "Be lederen din om tilgang."
    )


class TooManyGroups(LoginError):
    """You are in more groups than the provider sends: set it to send only the groups assigned to this application."""

    id = "too-many-groups"
    page = (
        "Du er med i så mange grupper at innloggingstjenesten ikke forteller hvilke. Driftsansvarlig må sette opp at "
        "bare gruppene som er tildelt dette programmet, sendes."
    )


class LogoutTokenNotValid(LoginError):
    """Not a logout token of our provider."""

    id = "logout-token-not-valid"


STATUSES: Final[Statuses] = {
    LoginNotValid: 400,
    LogoutTokenNotValid: 400,
    LoginRefused: 403,
    LoginTooWeak: 403,
    LoginNotRequested: 403,
    ProviderRefused: 403,
    NoRole: 403,
    TooManyGroups: 403,
    SingleSignOnOff: 404,
    ProviderUnavailable: 503,
}
