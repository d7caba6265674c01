"""The settings of single sign-on: which provider people log in at, and how it knows us."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from desk.errors import SettingsError

PREFIX = "INNRINGING_OIDC_"
CALLBACK_PATH = "/api/v1/login/oidc/callback"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
NEEDED = ("client_id", "redirect_uri")
SECRETS = ("client_secret", "client_key")


class OidcSettings(BaseSettings):
    """Single sign-on: log-in at the hospital's OpenID provider. `repr` hides the secrets."""

    access_file: Path = Path("dialplan/access.toml")
    """Which of the provider's groups give which role in which department."""

    oidc_issuer: str = ""
    """The provider's name, which is also its address: `https://…`, letter by letter as it writes it. Empty: no single
    sign-on.
    """
    oidc_profile: Literal["plain", "helseid"] = "plain"
    """`helseid`: the client signs with its key, pushes its requests (PAR) and proves possession (DPoP)."""
    oidc_client_id: str = ""
    """The client as the provider registered it."""
    oidc_client_secret: SecretStr | None = None
    """Its secret: this or OIDC_CLIENT_KEY."""
    oidc_client_key: SecretStr | None = None
    """A private JWK (EC or RSA, with `kid`) as JSON: the client signs with it instead of sending a secret. Required for
    HelseID.
    """
    oidc_redirect_uri: str = ""
    """`https://<your host>/api/v1/login/oidc/callback`, exactly as the provider registered it."""
    oidc_scopes: str = "openid profile offline_access"
    """Keep `openid`. Without a refresh token (often `offline_access`) people log in again after OIDC_CHECK_MINUTES."""
    oidc_after_login: str = "/"
    """The page people reach after a log-in."""
    oidc_check_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    """Minutes after which the provider is asked again whether somebody still has their groups."""
    oidc_unreachable_minutes: Annotated[int, Field(ge=0, le=720)] = 240
    """Minutes that log-ins last beyond that while the provider does not answer."""
    oidc_clock_skew: Annotated[int, Field(ge=0, le=120)] = 30
    """Seconds that the provider's clock and ours may differ."""

    oidc_acr: str = ""
    """How strong a log-in must be, in the provider's words, separated by spaces
    (docs/single-sign-on.md#how-strong-a-log-in-must-be). Empty: any log-in is accepted.
    """
    oidc_acr_claim: str = "acr"
    """The claim in which the provider reports it; `acrs` for Entra ID's authentication contexts."""
    oidc_acr_accepted: str = ""
    """The values that claim must have, where they differ from OIDC_ACR."""
    oidc_amr: str = ""
    """Methods of which `amr` must contain at least one, separated by spaces. Empty: any."""
    oidc_max_age_minutes: Annotated[int, Field(ge=1, le=10080)] | None = None
    """Minutes since the person authenticated at the provider, at most. Unset: the provider decides."""

    @property
    def single_sign_on(self) -> bool:
        """Whether people can log in at a provider."""
        return bool(self.oidc_issuer)

    @property
    def oidc_check_every(self) -> timedelta:
        """How long a role holds without the provider being asked."""
        return timedelta(minutes=self.oidc_check_minutes)

    @property
    def oidc_unreachable_for(self) -> timedelta:
        """How long a role holds beyond that while the provider can't be asked."""
        return timedelta(minutes=self.oidc_unreachable_minutes)

    def check_oidc(self) -> None:
        """Raises SettingsError: half a provider is none, and nobody would get in."""
        given = [name for name in (*NEEDED, *SECRETS) if getattr(self, f"oidc_{name}")]
        if not self.oidc_issuer:
            if given:
                raise SettingsError(f"{_variable(given[0])} is set, but {_variable('issuer')} is not.")
            return
        if missing := [_variable(name) for name in NEEDED if name not in given]:
            raise SettingsError(f"{', '.join(missing)} not set: single sign-on needs what the provider registered.")
        if self.oidc_acr_accepted and not self.oidc_acr:
            raise SettingsError(f"{_variable('acr_accepted')} is set, but {_variable('acr')} is not.")
        if self.oidc_profile == "helseid" and "client_key" not in given:
            raise SettingsError(f"{_variable('client_key')} is not set: HelseID knows its clients by their key.")
        if len([name for name in SECRETS if name in given]) != 1:
            raise SettingsError(f"Set {_variable('client_secret')} or {_variable('client_key')}: one of the two.")

    @field_validator("oidc_issuer")
    @classmethod
    def _address_of_the_provider(cls, issuer: str) -> str:
        if issuer:
            parts = _split(issuer, "write https://host/path, letter by letter as the provider calls itself")
            if parts.query or parts.fragment:
                raise ValueError("leave ? and # out: it is the provider's name")
        return issuer

    @field_validator("oidc_redirect_uri")
    @classmethod
    def _address_of_ours(cls, uri: str) -> str:
        if uri and _split(uri, f"write https://host{CALLBACK_PATH}").path != CALLBACK_PATH:
            raise ValueError(f"its path is {CALLBACK_PATH}")
        return uri

    @field_validator("oidc_after_login")
    @classmethod
    def _page_of_ours(cls, path: str) -> str:
        if not is_local_path(path):
            raise ValueError("write a path of this service, such as /")
        return path

    @field_validator("oidc_acr", "oidc_acr_accepted", "oidc_amr")
    @classmethod
    def _values(cls, given: str) -> str:
        return " ".join(given.replace(",", " ").split())

    @field_validator("oidc_scopes")
    @classmethod
    def _with_openid(cls, scopes: str) -> str:
        if "openid" not in scopes.split():
            raise ValueError("openid is one of them: without it nobody is named")
        return " ".join(scopes.split())


def is_local_path(path: str) -> bool:
    """Whether that is an address within this service: a browser must not be led anywhere else."""
    plain = all("!" <= sign <= "~" and sign != "\\" for sign in path)
    return plain and path.startswith("/") and not path.startswith("//") and len(path) <= 500


def is_safe(url: str) -> bool:
    """Whether secrets may travel to that address: encrypted, or no further than this machine."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if not parts.hostname or port == 0 or parts.username is not None or parts.password is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _split(url: str, advice: str) -> SplitResult:
    if not is_safe(url):
        raise ValueError(advice)
    return urlsplit(url)


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"
