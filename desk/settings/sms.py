"""The settings of SMS: which gateway takes the texts, and how it knows us."""

import re
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

from desk.errors import SettingsError

Gateway: TypeAlias = Literal["off", "demo", "link", "elsewhere"]
PREFIX = "INNRINGING_SMS_"
SENDER = re.compile(r"[A-Za-z][A-Za-z0-9]{1,10}|\+[1-9][0-9]{6,14}|[0-9]{3,14}", re.ASCII)
SHORTEST_SECRET = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")
NEEDED = ("url", "user", "password", "sender", "platform_id", "partner_id")
"""What the gateway `link` can't do without."""
REPORTS = ("gate_id", "report_secret")
"""What delivery reports need: both, or none where none are wanted."""


class SmsSettings(BaseSettings):
    """Text messages: the SMS gateway. `repr` hides the secrets."""

    environment: Literal["production", "demo"] = "production"
    prompts_dir: Path = Path("prompts")

    sms_gateway: Gateway | None = None
    """`off`; `demo` writes texts to a file under VAR_DIR; `link` sends them through LINK Mobility (docs/operator.md);
    `elsewhere`: another process sends what this one stores. Unset: `demo` in the demo, else `off`.
    """
    sms_url: str = ""
    """Base address of LINK Mobility's API, as https://n-eu.linkmobility.io, without `/sms/send`. `link` needs this and
    the next five.
    """
    sms_user: str = ""
    """The user name at the gateway."""
    sms_password: SecretStr | None = None
    """The password at the gateway."""
    sms_sender: str = ""
    """The sender that phones show: the hospital's, never a department's."""
    sms_platform_id: str = ""
    """The platform id from LINK Mobility."""
    sms_partner_id: str = ""
    """The partner id from LINK Mobility."""
    sms_gate_id: str = ""
    """The gate through which LINK Mobility reports deliveries to `/sms/reports`. Set this and the next, or neither."""
    sms_report_secret: SecretStr | None = None
    """The secret the gateway sends with its reports: 16 characters or more."""

    @property
    def sms(self) -> Gateway:
        """The gateway in use."""
        return self.sms_gateway or ("demo" if self.environment == "demo" else "off")

    @property
    def sms_texts(self) -> Path:
        """Where the words of texts stand."""
        return self.prompts_dir / "sms.toml"

    def check_sms(self) -> None:
        """Raises SettingsError: half a gateway is none, and callers would be told of texts that never come."""
        given = [name for name in (*NEEDED, *REPORTS) if getattr(self, f"sms_{name}")]
        if self.sms in ("off", "elsewhere") and given:
            said = "not" if self.sms == "off" else self.sms
            raise SettingsError(f"{_variable(given[0])} is set, but {PREFIX}GATEWAY is {said}: set it to link.")
        if self.sms == "demo" and self.environment != "demo":
            raise SettingsError(f"{PREFIX}GATEWAY: demo sends nothing, and is for the demo only. Use link, or off.")
        if self.sms != "link":
            return
        if missing := [_variable(name) for name in NEEDED if name not in given]:
            raise SettingsError(
                f"{', '.join(missing)} not set: {PREFIX}GATEWAY=link needs what LINK Mobility gave you."
            )
        if len(half := [name for name in REPORTS if name not in given]) == 1:
            raise SettingsError(f"{_variable(half[0])} is not set: delivery reports need {_both()}, or neither.")

    @field_validator("sms_url")
    @classmethod
    def _base_of_the_gateway(cls, url: str) -> str:
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
            raise ValueError(f"the password would travel in clear: {advice}")
        return url.rstrip("/").removesuffix("/send").removesuffix("/sms").rstrip("/")

    @field_validator("sms_sender")
    @classmethod
    def _name_or_number(cls, sender: str) -> str:
        if sender and not SENDER.fullmatch(sender):
            raise ValueError("write 2 to 11 letters and digits, a letter first; or a number: +47… or a short one")
        return sender

    @field_validator("sms_report_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"it must have {SHORTEST_SECRET} characters or more; make one with: openssl rand -hex 24")
        return secret


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _both() -> str:
    return " and ".join(_variable(name) for name in REPORTS)
