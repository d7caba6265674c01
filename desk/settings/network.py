"""The settings of what reaches us over a network: proxies and names, TLS, and encrypted calls."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from desk.errors import SettingsError

Network: TypeAlias = IPv4Network | IPv6Network
Encryption: TypeAlias = Literal["off", "phones", "all"]
PREFIX = "INNRINGING_"
HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]+\]", re.ASCII)


class NetworkSettings(BaseSettings):
    """Network: proxies, host names, TLS, encrypted calls."""

    trusted_proxies: str = ""
    """Addresses and networks of your own proxies, separated by commas: only their forwarded headers are believed
    (docs/network.md#proxies).
    """
    forwarded_header: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    """Which headers those proxies write: `x-forwarded` (`X-Forwarded-For`, `-Proto`, `-Host`) or `forwarded` (RFC
    7239). The other kind is ignored.
    """
    allowed_hosts: str = ""
    """Host names the web door answers to, separated by commas; `*.` before a name stands for one label. The address
    that was reached and `localhost` are always allowed.
    """

    tls_cert_file: Path | None = None
    """The web door's certificate with its chain (PEM), for TLS without a proxy."""
    tls_key_file: Path | None = None
    """The key of TLS_CERT_FILE."""
    api_connections: Annotated[int, Field(ge=8, le=60_000)] = 2000
    """Connections the web door holds at once; each open event stream is one."""

    sip_encryption: Encryption = "off"
    """Which calls must use TLS and SRTP: `off`, `phones`, or `all`, the trunk included
    (docs/network.md#calls-over-tls-and-srtp).
    """
    sip_tls_port: Annotated[int, Field(ge=1, le=65535)] = 5061
    """The port Asterisk takes SIP over TLS on."""
    sip_tls_cert_file: Path | None = None
    """Asterisk's certificate with its chain (PEM)."""
    sip_tls_key_file: Path | None = None
    """The key of SIP_TLS_CERT_FILE."""
    sip_tls_ca_file: Path | None = None
    """The authority that issues the trunk's certificate (PEM). Unset: the authorities of this machine."""

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of our own proxies."""
        return tuple(ip_network(part) for part in _parts(self.trusted_proxies))

    @property
    def hosts(self) -> frozenset[str]:
        """The names allowed, in lower case; `*.` before one stands for one label."""
        return frozenset(_parts(self.allowed_hosts.lower()))

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key of the web door, where it speaks TLS itself."""
        return (self.tls_cert_file, self.tls_key_file) if self.tls_cert_file and self.tls_key_file else None

    def check_network(self) -> None:
        """Raises SettingsError: half a certificate, or calls to be encrypted without one."""
        _both("TLS_CERT_FILE", self.tls_cert_file, "TLS_KEY_FILE", self.tls_key_file)
        _both("SIP_TLS_CERT_FILE", self.sip_tls_cert_file, "SIP_TLS_KEY_FILE", self.sip_tls_key_file)
        if self.sip_encryption != "off" and self.sip_tls_cert_file is None:
            raise SettingsError(
                f"{PREFIX}SIP_TLS_CERT_FILE and {PREFIX}SIP_TLS_KEY_FILE are not set: "
                f"{PREFIX}SIP_ENCRYPTION={self.sip_encryption} needs Asterisk's certificate and its key."
            )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: str) -> str:
        for part in _parts(given):
            try:
                network = ip_network(part)
            except ValueError:
                raise ValueError(
                    "write addresses or networks with commas between, such as 127.0.0.1, 10.0.3.0/24"
                ) from None
            if network.prefixlen == 0:
                raise ValueError("the whole network is not your proxy: anybody could say who they are")
        return given

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, given: str) -> str:
        if not all(HOST.fullmatch(part) for part in _parts(given.lower())):
            raise ValueError("write names without port, with commas between, such as innringing.sykehus.example")
        return given


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _both(one: str, first: Path | None, other: str, second: Path | None) -> None:
    if (first is None) != (second is None):
        missing, given = (one, other) if first is None else (other, one)
        raise SettingsError(f"{PREFIX}{missing} is not set, but {PREFIX}{given} is: give both, or neither.")
