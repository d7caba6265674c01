"""The telephone company's trunk: an account, a registration, and how to see that it is alive."""

import re

from pydantic import Field, field_validator

from desk.errors import SettingsError
from desk.settings.group import PREFIX, Group, Secret, prefix


class TrunkSettings(Group):
    """The account at the telephone company, where calls are not recognised by address alone."""

    model_config = prefix("TRUNK_")

    user: str = Field(
        "",
        description=(
            "The account at the telephone company, used where it asks for a password (digest) "
            "(docs/carriers.md). Empty: it knows us by our address."
        ),
    )
    password: Secret = Field(None, description="The password of TRUNK_USER.")
    registers: bool = Field(
        False,
        validation_alias=f"{PREFIX}TRUNK_REGISTER",
        description="Register at the telephone company with TRUNK_USER, so that it sends calls to where we are.",
    )
    from_domain: str = Field(
        "", description="The domain in the From of our calls, where the telephone company wants its own."
    )
    qualify: int = Field(
        60,
        ge=0,
        le=3600,
        description=(
            "Seconds between the OPTIONS that ask whether the trunk is alive. Calls to one that does not answer fail "
            "at once. 0: never, for a telephone company that ignores OPTIONS."
        ),
    )

    def check(self) -> None:
        """Raise SettingsError: an account without a password, or a registration without an account."""
        if bool(self.user) != (self.password is not None):
            raise SettingsError(f"{PREFIX}TRUNK_USER and {PREFIX}TRUNK_PASSWORD: set both, or neither.")
        if self.registers and not self.user:
            raise SettingsError(f"{PREFIX}TRUNK_REGISTER is on, but {PREFIX}TRUNK_USER is not set.")
        if self.password and re.search(r"[\r\n]", self.password.get_secret_value()):
            raise SettingsError(f"{PREFIX}TRUNK_PASSWORD can't contain a line break.")

    @field_validator("user")
    @classmethod
    def _account(cls, user: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9+._-]{0,100}", user, re.ASCII):
            raise ValueError("write the account's name alone, without the domain")
        return user

    @field_validator("from_domain")
    @classmethod
    def _domain(cls, domain: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.-]{0,253}", domain, re.ASCII):
            raise ValueError("write a domain, such as sip.telephone.example")
        return domain
