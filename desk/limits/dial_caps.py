"""How many calls may be made in one day, and how much the trunk may be used in one hour."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DialCaps:
    """The most calls in one day (Europe/Oslo): to one patient's number, and by one agent.

    The trunk's budget is of all departments together, over the last hour: calls, and minutes of conversation.
    """

    number: int = 6
    agent: int = 300
    trunk_calls: int = 1000
    trunk_minutes: int = 3000


@dataclass(frozen=True)
class TrunkUse:
    """How much click to call has used the trunk in the last hour, and how much it may."""

    calls: int
    minutes: float
    caps: DialCaps

    @property
    def is_spent(self) -> bool:
        """Whether no more calls may go out for now."""
        return self.calls >= self.caps.trunk_calls or self.minutes >= self.caps.trunk_minutes
