"""The database: its address, its certificate authority, and the certificate shown to it."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from desk.connections.tls import DATABASE_FILES, VERIFIED, client_context, is_verified, with_files
from desk.errors import SettingsError
from desk.settings.files import VarGroup
from desk.settings.group import PREFIX, SecretUrl, absolute, check_both, prefix

SQLITE = "sqlite+aiosqlite:///"
POSTGRESQL = "postgresql+asyncpg://"


class DatabaseSettings(VarGroup):
    """Database. Files are in PEM."""

    model_config = prefix("DATABASE_")

    # These stand before the addresses that name them: fields are validated in this order.
    ca: Path | None = Field(
        None,
        description=(
            "The authority that issues the database's certificate (PEM), and the only one believed "
            "(docs/network.md#tls-to-others). Unset: the authorities of this machine."
        ),
    )
    certificate: Path | None = Field(
        None,
        description=(
            "A certificate with its chain (PEM) that we show the database instead of a password. A "
            "renewed file is used from the next connection."
        ),
    )
    key: Path | None = Field(None, description="The key of DATABASE_CERTIFICATE.")
    url: SecretUrl = Field(
        f"{SQLITE}innringing.db",
        repr=False,
        description=(
            "`sqlite+aiosqlite:///name.db` (a relative name is under VAR_DIR), or "
            "`postgresql+asyncpg://user:password@host/name`; on another machine with `?ssl=verify-full` "
            "at its end."
        ),
    )
    migration_url: SecretUrl = Field(
        "",
        validation_alias=f"{PREFIX}MIGRATION_URL",
        repr=False,
        description=(
            "The PostgreSQL database with the role that owns the tables, for `innringing migrate` and the "
            "deletion of old audit rows. Empty: DATABASE_URL."
        ),
    )

    @property
    def owner_url(self) -> str:
        """The address with which the owner of the tables connects."""
        return self.migration_url or self.url

    @property
    def embedded(self) -> bool:
        """Whether it is SQLite, in a file of this machine."""
        return self.url.startswith("sqlite")

    def check(self) -> None:
        """Raise SettingsError: half a certificate, files that can't be used, or files that would not be used."""
        check_both(self, "certificate", "key")
        for field in DATABASE_FILES:
            if getattr(self, field) and not is_verified(self.url):
                raise SettingsError(
                    f"{self.variable(field)} is set, but {self.variable('url')} does not end with ?ssl={VERIFIED}."
                )
        if self.ca or self.certificate:
            client_context("DATABASE", self.ca, self.certificate, self.key)

    @field_validator("ca", "certificate", "key")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute(path)

    @field_validator("url")
    @classmethod
    def _supported_database(cls, url: str, info: ValidationInfo) -> str:
        scheme, _, rest = url.partition("://")
        if scheme in ("postgresql", "postgresql+asyncpg") and rest:
            return with_files(POSTGRESQL + rest, info.data)
        path = rest.removeprefix("/").partition("?")[0]
        if scheme == "sqlite+aiosqlite" and rest.startswith("/") and path:
            if path == ":memory:" or "var" not in info.data:
                return url
            return f"{SQLITE}{info.data['var'] / path}{rest.removeprefix('/')[len(path) :]}"
        raise ValueError(f"write {POSTGRESQL}user:password@host/name or {SQLITE}name.db")

    @field_validator("migration_url")
    @classmethod
    def _postgresql(cls, url: str, info: ValidationInfo) -> str:
        scheme, _, rest = url.partition("://")
        if url and (scheme not in ("postgresql", "postgresql+asyncpg") or not rest):
            raise ValueError(f"write {POSTGRESQL}owner:password@host/name, or leave it out")
        return with_files(POSTGRESQL + rest, info.data) if url else url
