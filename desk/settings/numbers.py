"""Which phone numbers and identity numbers are accepted."""

from pydantic import Field

from desk.settings.group import EnvironmentGroup


class NumberSettings(EnvironmentGroup):
    """Phone numbers and identity numbers."""

    allow_foreign: bool = Field(
        False, description="Whether agents may book foreign phone numbers, in every department."
    )
    enable_h_numbers: bool = Field(
        False, description="Whether identity numbers that a hospital has issued itself (H-numbers) are accepted."
    )

    @property
    def allow_test(self) -> bool:
        """Whether synthetic identity numbers are accepted: in the demo only."""
        return self.demo
