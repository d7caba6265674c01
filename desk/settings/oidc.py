"""Single sign-on: which provider people log in at, and how it recognises us."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator

from desk.connections.tls import check_authority
from desk.errors import SettingsError
from desk.settings.group import Group, Secret, absolute, prefix

CALLBACK_PATH = "/api/v1/login/oidc/callback"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
REQUIRED: Final = ("client_id", "redirect_uri")
CREDENTIALS: Final = ("client_secret", "client_key")


class OidcSettings(Group):
    """Single sign-on (OpenID Connect)."""

    model_config = prefix("OIDC_")

    issuer: str = Field(
        "",
        description=(
            "The provider's name, which is also its address: `https://…`, letter by letter as it writes "
            "it. Empty: no single sign-on."
        ),
    )
    profile: Literal["plain", "helseid"] = Field(
        "plain",
        description=(
            "`helseid`: the client signs with its key, pushes its requests (PAR) and proves possession (DPoP)."
        ),
    )
    client_id: str = Field("", description="The client as the provider registered it.")
    client_secret: Secret = Field(None, description="Its secret: this or OIDC_CLIENT_KEY.")
    client_key: Secret = Field(
        None,
        description=(
            "A private JWK (EC or RSA, with `kid`) as JSON: the client signs with it instead of sending a "
            "secret. Required for HelseID."
        ),
    )
    redirect_uri: str = Field(
        "",
        description="`https://<your host>/api/v1/login/oidc/callback`, exactly as the provider registered it.",
    )
    scopes: str = Field(
        "openid profile offline_access",
        description=(
            "Keep `openid`. Without a refresh token (often `offline_access`) people log in again after "
            "OIDC_CHECK_MINUTES."
        ),
    )
    after_login: str = Field("/", description="The page people reach after a log-in.")
    check_minutes: Annotated[int, Field(ge=1, le=60)] = Field(
        15, description="Minutes after which the provider is asked again whether somebody still has their groups."
    )
    unreachable_minutes: Annotated[int, Field(ge=0, le=720)] = Field(
        240, description="Minutes that log-ins last beyond that while the provider does not answer."
    )
    clock_skew: Annotated[int, Field(ge=0, le=120)] = Field(
        30, description="Seconds that the provider's clock and ours may differ."
    )
    acr: str = Field(
        "",
        description=(
            "How strong a log-in must be, in the provider's words, separated by spaces "
            "(docs/single-sign-on.md#how-strong-a-log-in-must-be). Empty: any log-in is accepted."
        ),
    )
    acr_claim: str = Field(
        "acr",
        description="The claim in which the provider reports it; `acrs` for Entra ID's authentication contexts.",
    )
    acr_accepted: str = Field(
        "",
        description="The values that claim must have, where they differ from OIDC_ACR.",
    )
    amr: str = Field(
        "",
        description="Methods of which `amr` must contain at least one, separated by spaces. Empty: any.",
    )
    max_age_minutes: Annotated[int, Field(ge=1, le=10080)] | None = Field(
        None,
        description=("Minutes since the person authenticated at the provider, at most. Unset: the provider decides."),
    )
    ca: Path | None = Field(
        None,
        description="The authority that issues the identity provider's certificate (PEM).",
    )

    @property
    def enabled(self) -> bool:
        """Whether people can log in at a provider."""
        return bool(self.issuer)

    @property
    def check_every(self) -> timedelta:
        """How long a role is valid before the provider is asked again."""
        return timedelta(minutes=self.check_minutes)

    @property
    def unreachable_for(self) -> timedelta:
        """How much longer a role is valid while the provider can't be reached."""
        return timedelta(minutes=self.unreachable_minutes)

    def check(self) -> None:
        """Raise SettingsError: an incomplete provider would let no one in."""
        present = [field for field in (*REQUIRED, *CREDENTIALS) if getattr(self, field)]
        if not self.issuer:
            if present:
                raise SettingsError(f"{self.variable(present[0])} is set, but {self.variable('issuer')} is not.")
        elif missing := [self.variable(field) for field in REQUIRED if field not in present]:
            raise SettingsError(f"{', '.join(missing)} not set: single sign-on needs what the provider registered.")
        elif self.acr_accepted and not self.acr:
            raise SettingsError(f"{self.variable('acr_accepted')} is set, but {self.variable('acr')} is not.")
        elif self.profile == "helseid" and "client_key" not in present:
            raise SettingsError(f"{self.variable('client_key')} is not set: HelseID knows its clients by their key.")
        elif len([field for field in CREDENTIALS if field in present]) != 1:
            one, other = (self.variable(field) for field in CREDENTIALS)
            raise SettingsError(f"Set {one} or {other}: one of the two.")
        check_authority("OIDC", self.ca, self.issuer, "OIDC_ISSUER")

    @field_validator("issuer")
    @classmethod
    def _issuer_address(cls, issuer: str) -> str:
        if issuer:
            parts = _split(issuer, "write https://host/path, letter by letter as the provider calls itself")
            if parts.query or parts.fragment:
                raise ValueError("leave ? and # out: it is the provider's name")
        return issuer

    @field_validator("redirect_uri")
    @classmethod
    def _callback_address(cls, uri: str) -> str:
        if uri and _split(uri, f"write https://host{CALLBACK_PATH}").path != CALLBACK_PATH:
            raise ValueError(f"its path is {CALLBACK_PATH}")
        return uri

    @field_validator("after_login")
    @classmethod
    def _local_page(cls, path: str) -> str:
        if not is_local_path(path):
            raise ValueError("write a path of this service, such as /")
        return path

    @field_validator("acr", "acr_accepted", "amr")
    @classmethod
    def _separated_by_spaces(cls, values: str) -> str:
        return " ".join(values.replace(",", " ").split())

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, scopes: str) -> str:
        if "openid" not in scopes.split():
            raise ValueError("openid is one of them: without it the provider names no one")
        return " ".join(scopes.split())

    @field_validator("ca")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute(path)


def is_local_path(path: str) -> bool:
    """Whether it is an address within this service: a browser must not be redirected anywhere else."""
    plain = all("!" <= sign <= "~" and sign != "\\" for sign in path)
    return plain and path.startswith("/") and not path.startswith("//") and len(path) <= 500


def is_safe(url: str) -> bool:
    """Whether secrets may be sent to that address: it is encrypted, or on this machine."""
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
