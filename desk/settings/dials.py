"""Dials: how long phones ring, and how often patients may be called."""

from typing import Annotated

from pydantic import Field

from desk.limits.dial_caps import DialCaps
from desk.settings.group import PREFIX, Group

Seconds = Annotated[int, Field(ge=1, le=120)]


class DialSettings(Group):
    """Click to call."""

    agent_rings: Seconds = Field(25, description="Seconds that click to call rings the agent's phone.")
    patient_rings: Seconds = Field(40, description="Seconds that click to call rings the patient's phone.")
    per_number_a_day: Annotated[int, Field(ge=1)] = Field(
        6,
        validation_alias=f"{PREFIX}DIALS_A_NUMBER_A_DAY",
        description="How often one number may be dialled in a day.",
    )
    per_agent_a_day: Annotated[int, Field(ge=1)] = Field(
        300, validation_alias=f"{PREFIX}DIALS_AN_AGENT_A_DAY", description="How often one agent may dial in a day."
    )

    trunk_calls_an_hour: Annotated[int, Field(ge=1)] = Field(
        1000,
        validation_alias=f"{PREFIX}TRUNK_CALLS_AN_HOUR",
        description="Calls to patients in one hour, of all departments. Beyond it no more go out, and /readyz alarms.",
    )
    trunk_minutes_an_hour: Annotated[int, Field(ge=1)] = Field(
        3000,
        validation_alias=f"{PREFIX}TRUNK_MINUTES_AN_HOUR",
        description="Minutes of conversation with patients in one hour, of all departments. The same.",
    )

    @property
    def caps(self) -> DialCaps:
        """How many dials are allowed in a day, and how much use of the trunk in an hour."""
        return DialCaps(
            number=self.per_number_a_day,
            agent=self.per_agent_a_day,
            trunk_calls=self.trunk_calls_an_hour,
            trunk_minutes=self.trunk_minutes_an_hour,
        )
