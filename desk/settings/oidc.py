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
    """The part of `Settings` that is about single sign-on. Secrets hide in `repr`."""

    access_file: Path = Path("dialplan/access.toml")
    """Which of the provider's groups give which role in which department."""

    oidc_issuer: str = ""
    """The provider's name, which is also its address; empty: no single sign-on."""
    oidc_profile: Literal["plain", "helseid"] = "plain"
    """`helseid`: the client signs with its key, pushes its requests (PAR) and proves possession (DPoP)."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_client_key: SecretStr | None = None
    """A private JWK (EC or RSA, with `kid`), as JSON: the client signs with it instead of showing a secret."""
    oidc_redirect_uri: str = ""
    """Where the provider sends people back to, exactly as it is registered there."""
    oidc_scopes: str = "openid profile offline_access"
    oidc_after_login: str = "/"
    """The page people come to when nothing else was asked for."""
    oidc_check_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    """So long after the last look the provider is asked whether somebody still has their groups."""
    oidc_unreachable_minutes: Annotated[int, Field(ge=0, le=720)] = 240
    """So long those who are logged in go on while the provider can't be asked."""
    oidc_clock_skew: Annotated[int, Field(ge=0, le=120)] = 30
    """Seconds the provider's clock and ours may differ."""

    oidc_acr: str = ""
    """How strong a log-in must be, in the provider's words, space between; it is asked for one of them. Empty: any."""
    oidc_acr_claim: str = "acr"
    """Where the provider says how strong it was. `acrs`, Entra ID's list of contexts, is asked for in its own way."""
    oidc_acr_accepted: str = ""
    """What must stand there, where that is another word than what is asked for; empty: one of `oidc_acr`."""
    oidc_amr: str = ""
    """Methods of which one at least must have been used, by the provider's `amr`, space between. Empty: any."""
    oidc_max_age_minutes: Annotated[int, Field(ge=1, le=10080)] | None = None
    """How long ago somebody may have shown the provider who they are; None: as the provider has it."""

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
