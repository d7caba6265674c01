"""The one choice a department may offer after the request, and what it leads to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Topic(StrEnum):
    """What a simple question may be about, in the order the answers are spoken."""

    ADDRESS = "address"
    PARKING = "parking"
    HOURS = "hours"


@dataclass(frozen=True)
class Choice:
    """Either `answers` to simple questions, each the key of a prompt of the operator's own, or the `urgent` line."""

    answers: Mapping[Topic, str] = field(default_factory=lambda: MappingProxyType({}))
    urgent: bool = False
