"""The web door: its address, its TLS, the proxies before it and the names it answers to."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from desk.settings.group import PREFIX, Group, Port, check_both, prefix

Network: TypeAlias = IPv4Network | IPv6Network
HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]+\]", re.ASCII)


class ApiSettings(Group):
    """Web door."""

    model_config = prefix("API_")

    host: str = Field("127.0.0.1", description="The address the web door listens on.")
    port: Port = Field(8000, description="The port the web door listens on.")
    connections: Annotated[int, Field(ge=8, le=60_000)] = Field(
        2000, description="Connections the web door holds at once; each open event stream is one."
    )
    tls_cert_file: Path | None = Field(
        None,
        validation_alias=f"{PREFIX}TLS_CERT_FILE",
        description="The web door's certificate with its chain (PEM), for TLS without a proxy.",
    )
    tls_key_file: Path | None = Field(
        None, validation_alias=f"{PREFIX}TLS_KEY_FILE", description="The key of TLS_CERT_FILE."
    )
    trusted_proxies: str = Field(
        "",
        validation_alias=f"{PREFIX}TRUSTED_PROXIES",
        description=(
            "Addresses and networks of your own proxies, separated by commas: only their forwarded "
            "headers are believed (docs/network.md#proxies)."
        ),
    )
    forwarded_header: Literal["x-forwarded", "forwarded"] = Field(
        "x-forwarded",
        validation_alias=f"{PREFIX}FORWARDED_HEADER",
        description=(
            "Which headers those proxies write: `x-forwarded` (`X-Forwarded-For`, `-Proto`, `-Host`) or "
            "`forwarded` (RFC 7239). The other kind is ignored."
        ),
    )
    allowed_hosts: str = Field(
        "",
        validation_alias=f"{PREFIX}ALLOWED_HOSTS",
        description=(
            "Host names the web door answers to, separated by commas; `*.` before a name stands for one "
            "label. The address that was reached and `localhost` are always allowed."
        ),
    )

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of the operator's proxies."""
        return tuple(ip_network(part) for part in _parts(self.trusted_proxies))

    @property
    def hosts(self) -> frozenset[str]:
        """The allowed host names in lower case; `*.` before one stands for one label."""
        return frozenset(_parts(self.allowed_hosts.lower()))

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key, where the web door terminates TLS itself."""
        return (self.tls_cert_file, self.tls_key_file) if self.tls_cert_file and self.tls_key_file else None

    def check(self) -> None:
        """Raise SettingsError: half a certificate."""
        check_both(self, "tls_cert_file", "tls_key_file")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: str) -> str:
        for part in _parts(proxies):
            try:
                network = ip_network(part)
            except ValueError:
                raise ValueError(
                    "write addresses or networks with commas between, such as 127.0.0.1, 10.0.3.0/24"
                ) from None
            if network.prefixlen == 0:
                raise ValueError("the whole network is not your proxy: anybody could say who they are")
        return proxies

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, hosts: str) -> str:
        if not all(HOST.fullmatch(part) for part in _parts(hosts.lower())):
            raise ValueError("write names without port, with commas between, such as innringing.sykehus.example")
        return hosts


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
