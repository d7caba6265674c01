"""The settings of whom we believe at the other end of TLS, and of the certificate we show the database."""

from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import field_validator
from pydantic_settings import BaseSettings

from desk.errors import SettingsError
from desk.tls import PREFIX, client_context

VERIFIED = "verify-full"
FILES = {"database_ca": "sslrootcert", "database_certificate": "sslcert", "database_key": "sslkey"}
"""Settings, and what libpq calls them in the address of a database."""


class TrustSettings(BaseSettings):
    """Certificates for connections to others: each a file in PEM."""

    database_ca: Path | None = None
    """The authority that issues the database's certificate (PEM), and the only one believed
    (docs/network.md#tls-to-others). Unset: the authorities of this machine.
    """
    database_certificate: Path | None = None
    """A certificate with its chain (PEM) that we show the database instead of a password. A renewed file is used from
    the next connection.
    """
    database_key: Path | None = None
    """The key of DATABASE_CERTIFICATE."""
    ari_ca: Path | None = None
    """The authority that issues the certificate of Asterisk's HTTP server (PEM)."""
    sms_ca: Path | None = None
    """The authority that issues the SMS gateway's certificate (PEM)."""
    oidc_ca: Path | None = None
    """The authority that issues the identity provider's certificate (PEM)."""

    def check_trust(self, *, database_url: str, ari_url: str, sms_url: str, oidc_issuer: str) -> None:
        """Raises SettingsError: a file that can't be used, or one given where nothing would look at it."""
        if (self.database_certificate is None) != (self.database_key is None):
            missing, given = "DATABASE_CERTIFICATE", "DATABASE_KEY"
            if self.database_key is None:
                missing, given = given, missing
            raise SettingsError(f"{PREFIX}{missing} is not set, but {PREFIX}{given} is: give both, or neither.")
        for name in FILES:
            if getattr(self, name) and not is_verified(database_url):
                raise SettingsError(
                    f"{PREFIX}{name.upper()} is set, but {PREFIX}DATABASE_URL does not end with ?ssl={VERIFIED}."
                )
        if self.database_ca or self.database_certificate:
            client_context("DATABASE", self.database_ca, self.database_certificate, self.database_key)
        for name, url, setting in (
            ("ari", ari_url, "ARI_URL"),
            ("sms", sms_url, "SMS_URL"),
            ("oidc", oidc_issuer, "OIDC_ISSUER"),
        ):
            if (authority := getattr(self, f"{name}_ca")) is None:
                continue
            if not url.startswith("https://"):
                raise SettingsError(f"{PREFIX}{name.upper()}_CA is set, but {PREFIX}{setting} is no https:// address.")
            client_context(name.upper(), authority)

    @field_validator("database_ca", "database_certificate", "database_key", "ari_ca", "sms_ca", "oidc_ca")
    @classmethod
    def _whole_path(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()


def is_verified(url: str) -> bool:
    """Whether that database must show a certificate of its own name."""
    return parse_qs(urlsplit(url).query).get("ssl", [""])[-1] == VERIFIED


def with_files(url: str, files: dict[str, Path | None]) -> str:
    """The address with the files in it, as libpq names them: whoever opens it goes the same way."""
    given = {name: str(path) for setting, name in FILES.items() if (path := files.get(setting))}
    return f"{url}&{urlencode(given)}" if given and is_verified(url) else url
