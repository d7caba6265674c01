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

    @property
    def caps(self) -> DialCaps:
        """How many dials are allowed in a day."""
        return DialCaps(number=self.per_number_a_day, agent=self.per_agent_a_day)
