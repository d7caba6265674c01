"""What goes wrong when somebody logs in at a provider. The docstring is the message; `page` says it to people.

`reason` is for the log alone: a code of ours or of the protocol, never a value that came from outside.
"""

from typing import ClassVar, Final

from api.web.errors import ApiError
from api.web.problems import Statuses


class LoginError(ApiError):
    """The log-in came to nothing."""

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
    """The identity provider can't be asked. Those who are logged in go on; try again in a while."""

    id = "provider-unavailable"
    page = (
        "Innloggingstjenesten kan ikke nås, så ingen nye kan logge inn akkurat nå. "
        "De som allerede er logget inn, kan arbeide videre. Prøv igjen om litt."
    )


class LoginNotValid(LoginError):
    """This log-in was begun in another browser, took too long, or is done already. Begin again."""

    id = "login-not-valid"
    page = "Innloggingen ble startet i en annen nettleser, tok for lang tid eller er brukt allerede. Begynn på nytt."


class LoginRefused(LoginError):
    """What the identity provider answered can't be trusted, so nobody was logged in."""

    id = "login-refused"
    page = "Svaret fra innloggingstjenesten kunne ikke godtas, så du ble ikke logget inn. Kontakt brukerstøtte."


class GrantEnded(LoginRefused):
    """The identity provider no longer accepts this code or refresh token."""


class ProviderRefused(LoginError):
    """The identity provider did not log you in."""

    id = "provider-refused"
    page = "Innloggingstjenesten logget deg ikke inn."


class LoginTooWeak(LoginError):
    """You are logged in at the provider, but not as strongly as is asked for here."""

    id = "login-too-weak"
    page = (
        "Du er logget inn hos innloggingstjenesten, men ikke sikkert nok for Innringing: det kreves "
        "totrinnsbekreftelse eller et høyere sikkerhetsnivå. Logg ut der, logg inn på nytt med det, og prøv igjen. "
        "Får du ikke valget, kontakt brukerstøtte."
    )


class LoginNotAskedFor(LoginError):
    """A log-in begins by a click on a page of this service, never by another page or program."""

    id = "login-not-asked-for"


class NoRole(LoginError):
    """You are logged in at the provider, but in none of the groups that give access here."""

    id = "no-role"
    page = (
        "Du er logget inn hos innloggingstjenesten, men er ikke med i noen gruppe som gir tilgang her. "
        "Be lederen din om tilgang."
    )


class GroupsNotTold(LoginError):
    """You are in more groups than the provider tells: have it send only the groups assigned to this application."""

    id = "groups-not-told"
    page = (
        "Du er med i så mange grupper at innloggingstjenesten ikke forteller hvilke. Driftsansvarlig må sette opp at "
        "bare gruppene som er tildelt dette programmet, sendes."
    )


class LogoutTokenNotValid(LoginError):
    """This is not a logout token of our provider."""

    id = "logout-token-not-valid"


STATUSES: Final[Statuses] = {
    LoginNotValid: 400,
    LogoutTokenNotValid: 400,
    LoginRefused: 403,
    LoginTooWeak: 403,
    LoginNotAskedFor: 403,
    ProviderRefused: 403,
    NoRole: 403,
    GroupsNotTold: 403,
    SingleSignOnOff: 404,
    ProviderUnavailable: 503,
}
