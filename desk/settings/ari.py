"""ARI, Asterisk's HTTP interface: its address and its users."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from desk.connections.tls import check_authority
from desk.errors import SettingsError
from desk.settings.group import PREFIX, Group, Port, Secret, absolute, prefix


class AriSettings(Group):
    """ARI, Asterisk's HTTP interface."""

    model_config = prefix("ARI_")

    # It stands before the address made from it: fields are validated in this order.
    port: Port = Field(8088, description="The port of the Asterisk that `make run` starts.")
    url: str = Field(
        "",
        description="Base address of Asterisk's HTTP server, without `/ari`. Empty: this machine, ARI_PORT.",
    )
    user: str = Field("innringing", description="The ARI user of the phone door.")
    password: Secret = Field(None, description="Its password. The demo makes one.")
    reader: str = Field(
        "innringing-reader",
        description=(
            "An ARI user with read access only, for the web door (docs/network.md#listeners). Used "
            "where its password is set."
        ),
    )
    reader_password: Secret = Field(None, description="The password of ARI_READER.")
    ca: Path | None = Field(
        None,
        description="The authority that issues the certificate of Asterisk's HTTP server (PEM).",
    )

    def require_password(self) -> str:
        """Return the password in clear. Raises SettingsError when it is missing."""
        if self.password is None:
            raise SettingsError(f"{PREFIX}ARI_PASSWORD is not set: it is the password of the ARI user in ari.conf.")
        return self.password.get_secret_value()

    def check(self) -> None:
        """Raise SettingsError: an authority that can't be used, or is given for an address in clear."""
        check_authority("ARI", self.ca, self.url, "ARI_URL")

    @field_validator("url")
    @classmethod
    def _base_address(cls, url: str, info: ValidationInfo) -> str:
        if not url:
            return f"http://127.0.0.1:{info.data.get('port', '')}"
        advice = "write http://host:port or https://host:port"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(advice) from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
            raise ValueError(advice)
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"leave user and password out; they are {PREFIX}ARI_USER and {PREFIX}ARI_PASSWORD")
        return url.rstrip("/").removesuffix("/ari").rstrip("/")

    @field_validator("ca")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute(path)
