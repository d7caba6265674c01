"""SIP and media of the Asterisk that `make run` starts: addresses, ports, trunk, encryption."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from desk.errors import SettingsError
from desk.settings.group import PREFIX, Group, Port, Secret, check_both, prefix

Encryption: TypeAlias = Literal["off", "phones", "all"]
SWITCHBOARD_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
ADDRESS: Final = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?", re.ASCII)
PRIVATE_NETWORKS: Final = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"


class SipSettings(Group):
    """SIP and sound, for the Asterisk that `make run` starts."""

    model_config = prefix("SIP_")

    host: str = Field(
        "127.0.0.1",
        description=(
            "The address Asterisk takes SIP on. `0.0.0.0` lets a trunk or phones on other machines in; `::` those with "
            "IPv6, and no others (docs/operations.md#calls-over-ipv6)."
        ),
    )
    port: Port = Field(5060, description="The port Asterisk takes SIP on, UDP and TCP.")
    rtp_ports: str = Field(
        "10000-10999",
        validation_alias=f"{PREFIX}RTP_PORTS",
        description="First and last UDP port for sound.",
    )
    trunk: str = Field(
        "",
        validation_alias=f"{PREFIX}TRUNK",
        description=(
            "`host` or `host:port` of the telephone company's SIP trunk, used by click to call "
            "(docs/api.md#click-to-call). Empty: patients can't be called from here."
        ),
    )
    switchboard: str = Field(
        "",
        validation_alias=f"{PREFIX}SWITCHBOARD",
        description=(
            "The switchboard, which answers when the service can't: a number called through the trunk, such as "
            "`+4722000000`, or a phone in `dialplan/pjsip.conf`, such as `switchboard`. Empty: SWITCHBOARD in "
            "`dialplan/extensions.conf`."
        ),
    )
    public_address: str = Field(
        "",
        description=(
            "This machine's public address, where a router translates it (NAT). Empty: the trunk reaches the machine's "
            "own address."
        ),
    )
    local_networks: str = Field(
        PRIVATE_NETWORKS, description="Networks that need no SIP_PUBLIC_ADDRESS, with commas between."
    )
    proxy: str = Field(
        "",
        description=(
            "`host` or `host:port` of a Kamailio before this Asterisk (docs/operations.md#more-than-one-machine): it "
            "marks the telephone company's calls, and phones and, without TRUNK, patients are called through it. Two "
            "with a comma between: patients are called through one of them that answers."
        ),
    )
    proxy_mark: Secret = Field(
        None,
        description=(
            "The word by which SIP_PROXY marks the telephone company's calls: 32 letters and digits or more, as MARK "
            "in its local.cfg. Anyone who knows it can call in without a password."
        ),
    )
    encryption: Encryption = Field(
        "off",
        description=(
            "Which calls must use TLS and SRTP: `off`, `phones`, or `all`, the trunk included "
            "(docs/network.md#calls-over-tls-and-srtp)."
        ),
    )
    tls_port: Port = Field(5061, description="The port Asterisk takes SIP over TLS on.")
    tls_cert_file: Path | None = Field(None, description="Asterisk's certificate with its chain (PEM).")
    tls_key_file: Path | None = Field(None, description="The key of SIP_TLS_CERT_FILE.")
    tls_ca_file: Path | None = Field(
        None,
        description=(
            "The authority that issues the trunk's certificate (PEM). Unset: the authorities of this machine."
        ),
    )

    @property
    def ways_out(self) -> tuple[str, ...]:
        """The addresses that calls to patients go to: the trunk's, or else the proxies'."""
        return tuple(filter(None, (self.trunk or self.proxy).split(",")))

    @property
    def in_clear(self) -> bool:
        """Whether Asterisk takes SIP without TLS. A proxy before encrypted phones brings the trunk's calls over TLS."""
        return self.encryption == "off" or (self.encryption == "phones" and not self.proxy)

    @property
    def rtp_range(self) -> tuple[int, int]:
        """The first and last RTP port."""
        first, last = self.rtp_ports.split("-")
        return int(first), int(last)

    def check(self) -> None:
        """Raise SettingsError: half a certificate, or encryption without one."""
        check_both(self, "tls_cert_file", "tls_key_file")
        if self.encryption != "off" and self.tls_cert_file is None:
            raise SettingsError(
                f"{PREFIX}SIP_TLS_CERT_FILE and {PREFIX}SIP_TLS_KEY_FILE are not set: "
                f"{PREFIX}SIP_ENCRYPTION={self.encryption} needs Asterisk's certificate and its key."
            )
        mark = self.proxy_mark.get_secret_value() if self.proxy_mark else ""
        if self.proxy and not re.fullmatch(r"[A-Za-z0-9]{32,100}", mark, re.ASCII):
            raise SettingsError(
                f"{PREFIX}SIP_PROXY_MARK must be 32 letters and digits or more, as MARK in the proxy's local.cfg."
            )
        if self.encryption == "phones" and self.proxy and self.trunk:
            raise SettingsError(
                f"{PREFIX}TRUNK must be empty with {PREFIX}SIP_PROXY and {PREFIX}SIP_ENCRYPTION=phones: patients are "
                "called through the proxy."
            )

    @field_validator("trunk", "proxy")
    @classmethod
    def _host_and_port(cls, address: str, info: ValidationInfo) -> str:
        is_trunk = info.field_name == "trunk"
        if address and not all(map(ADDRESS.fullmatch, [address] if is_trunk else address.split(","))):
            whose = "your telephone company's SIP trunk" if is_trunk else "the SIP proxy"
            raise ValueError(f"write the host, or host:port, of {whose}")
        return address

    @field_validator("switchboard")
    @classmethod
    def _number_or_phone(cls, switchboard: str) -> str:
        phone = re.fullmatch(r"[A-Za-z][\w.-]*", switchboard, re.ASCII)
        if switchboard and not phone and not SWITCHBOARD_NUMBER.fullmatch(switchboard):
            raise ValueError("write a number, such as +4722000000, or the name of a phone in dialplan/pjsip.conf")
        return switchboard

    @field_validator("public_address")
    @classmethod
    def _host(cls, address: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.:-]{0,253}", address, re.ASCII):
            raise ValueError("write this machine's public address, without a port")
        return address

    @field_validator("local_networks")
    @classmethod
    def _networks(cls, networks: str) -> str:
        for each in networks.split(","):
            try:
                ip_network(each.strip())
            except ValueError:
                raise ValueError(f"write networks with commas between, such as {PRIVATE_NETWORKS}") from None
        return networks

    @field_validator("rtp_ports")
    @classmethod
    def _ascending_ports(cls, ports: str) -> str:
        match = re.fullmatch(r"([0-9]{4,5})-([0-9]{4,5})", ports)
        if not match or not 1024 <= int(match[1]) < int(match[2]) <= 65535:
            raise ValueError("write first-last, such as 10000-10999, between 1024 and 65535")
        return ports
