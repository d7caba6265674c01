"""How many calls may be made in one day."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DialCaps:
    """The most calls in one day (Europe/Oslo): to one patient's number, and by one agent."""

    number: int = 6
    agent: int = 300
