"""SMS: which gateway sends the messages, and how it recognises us."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from desk.connections.tls import check_authority
from desk.errors import SettingsError
from desk.limits.rate import Rate
from desk.settings.files import PromptsGroup, VarGroup
from desk.settings.group import EnvironmentGroup, Secret, absolute, prefix

GatewayName: TypeAlias = Literal["off", "demo", "link", "elsewhere"]
SENDER = re.compile(r"[A-Za-z][A-Za-z0-9]{1,10}|\+[1-9][0-9]{6,14}|[0-9]{3,14}", re.ASCII)
SHORTEST_SECRET = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")
REQUIRED: Final = ("url", "user", "password", "sender", "platform_id", "partner_id")
"""What the gateway `link` needs."""
REPORTS: Final = ("gate_id", "report_secret")
"""What delivery reports need: both, or neither where none are wanted."""


class SmsSettings(EnvironmentGroup, VarGroup, PromptsGroup):
    """SMS to patients."""

    model_config = prefix("SMS_")

    gateway: GatewayName | None = Field(
        None,
        description=(
            "`off`; `demo` writes texts to a file under VAR_DIR; `link` sends them through LINK Mobility "
            "(docs/operator.md); `elsewhere`: another process sends what this one stores. Unset: `demo` "
            "in the demo, else `off`."
        ),
    )
    url: str = Field(
        "",
        description=(
            "Base address of LINK Mobility's API, as https://n-eu.linkmobility.io, without `/sms/send`. "
            "`link` needs this and the next five."
        ),
    )
    user: str = Field("", description="The user name at the gateway.")
    password: Secret = Field(None, description="The password at the gateway.")
    sender: str = Field(
        "",
        description="The sender that phones show: the hospital's, never a department's.",
    )
    platform_id: str = Field("", description="The platform id from LINK Mobility.")
    partner_id: str = Field("", description="The partner id from LINK Mobility.")
    gate_id: str = Field(
        "",
        description=(
            "The gate through which LINK Mobility reports deliveries to `/sms/reports`. Set this and the "
            "next, or neither."
        ),
    )
    report_secret: Secret = Field(
        None, description="The secret the gateway sends with its reports: 16 characters or more."
    )
    a_number_a_day: Annotated[int, Field(ge=1)] = Field(
        3,
        description=(
            "Receipts that one number gets at once, and as many again spread over a day. As many texts "
            "about an added number."
        ),
    )
    ca: Path | None = Field(
        None,
        description="The authority that issues the SMS gateway's certificate (PEM).",
    )

    @property
    def active_gateway(self) -> GatewayName:
        """The gateway in use."""
        return self.gateway or ("demo" if self.demo else "off")

    @property
    def text_rate(self) -> Rate:
        """How many texts of one kind callers may cause to one number."""
        return Rate(self.a_number_a_day, timedelta(days=1))

    @property
    def texts(self) -> Path:
        """The file with the texts of the messages."""
        return self.prompts / "sms.toml"

    def check(self) -> None:
        """Raise SettingsError: an incomplete gateway, so that callers would be promised messages that never come."""
        self._check_gateway()
        check_authority("SMS", self.ca, self.url, "SMS_URL")

    def _check_gateway(self) -> None:
        present = [field for field in (*REQUIRED, *REPORTS) if getattr(self, field)]
        gateway = self.variable("gateway")
        if self.active_gateway in ("off", "elsewhere") and present:
            state = "not" if self.active_gateway == "off" else self.active_gateway
            raise SettingsError(f"{self.variable(present[0])} is set, but {gateway} is {state}: set it to link.")
        if self.active_gateway == "demo" and not self.demo:
            raise SettingsError(f"{gateway}: demo sends nothing, and is for the demo only. Use link, or off.")
        if self.active_gateway != "link":
            return
        if missing := [self.variable(field) for field in REQUIRED if field not in present]:
            raise SettingsError(f"{', '.join(missing)} not set: {gateway}=link needs what LINK Mobility gave you.")
        if len(absent := [field for field in REPORTS if field not in present]) == 1:
            both = " and ".join(self.variable(field) for field in REPORTS)
            raise SettingsError(f"{self.variable(absent[0])} is not set: delivery reports need {both}, or neither.")

    @field_validator("url")
    @classmethod
    def _base_address(cls, url: str) -> str:
        if not url:
            return url
        advice = "write https://host, as LINK Mobility gave it"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(advice) from None
        if not parts.hostname or port == 0 or parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError(advice)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError(f"the password would be sent in clear: {advice}")
        return url.rstrip("/").removesuffix("/send").removesuffix("/sms").rstrip("/")

    @field_validator("sender")
    @classmethod
    def _name_or_number(cls, sender: str) -> str:
        if sender and not SENDER.fullmatch(sender):
            raise ValueError("write 2 to 11 letters and digits, a letter first; or a number: +47… or a short one")
        return sender

    @field_validator("report_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"it must have {SHORTEST_SECRET} characters or more; make one with: openssl rand -hex 24")
        return secret

    @field_validator("ca")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute(path)
