"""Which phone numbers and identity numbers are accepted."""

from pydantic import Field, field_validator

from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.settings.group import EnvironmentGroup


class NumberSettings(EnvironmentGroup):
    """Phone numbers and identity numbers."""

    allow_foreign: bool = Field(
        False, description="Whether agents may book foreign phone numbers, in every department."
    )
    enable_h_numbers: bool = Field(
        False, description="Whether identity numbers that a hospital has issued itself (H-numbers) are accepted."
    )

    own_numbers: str = Field(
        "",
        description=(
            "The hospital's own telephone numbers besides `hospital_number` of each department and "
            "INNRINGING_SWITCHBOARD, with commas between: the switchboard's external number, for one. They can't be "
            "called back; a caller who calls from one is asked for another."
        ),
    )

    @property
    def own(self) -> tuple[PhoneNumber, ...]:
        """The hospital's own numbers that are set."""
        return tuple(parse_phone(each, asserted=True) for each in self.own_numbers.split(",") if each.strip())

    @field_validator("own_numbers")
    @classmethod
    def _numbers(cls, numbers: str) -> str:
        for each in filter(str.strip, numbers.split(",")):
            try:
                parse_phone(each, asserted=True)
            except InvalidPhone:
                raise ValueError(f"«{each.strip()}» is not a Norwegian telephone number, such as +4722000000") from None
        return numbers

    @property
    def allow_test(self) -> bool:
        """Whether synthetic identity numbers are accepted: in the demo only."""
        return self.demo
