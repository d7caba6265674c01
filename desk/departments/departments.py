"""Departments: who calls patients back, and when. Operators write them in departments.toml."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from desk.departments.choice import Choice
from desk.departments.errors import DepartmentNotFound
from desk.numbers.phone_number import PhoneNumber

LANGUAGES = ("nb", "nn", "en")
DEFAULT_RINGING_HOURS = (time(8), time(16))
EXTENSION_KEYS = ("extension", "referrer_extension", "urgent_extension")


class Policy(StrEnum):
    """How a department promises: by an hour (deadline), or at fixed times of day (rounds)."""

    DEADLINE = "deadline"
    ROUNDS = "rounds"


@dataclass(frozen=True)
class HalfDay:
    """Other hours for one date. The deadline policy uses `cutoff` and `answer_by`, the rounds policy `rounds`."""

    cutoff: time | None = None
    answer_by: time | None = None
    rounds: tuple[time, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Department:
    """One department's rules. Times are local time in Oslo; rounds ascend; cutoff is not after answer_by.

    `capacity`: the callbacks a round holds, or a day under the deadline policy; None is any number.
    `flood_from`: how many first-time callers within an hour may be a flood; None: by the capacity.
    `ringing_hours`: when patients may be called; an end at 00:00 is midnight.
    `ring_prefixes`: the beginnings of the numbers the exchange may call.
    `recording`: callers may say what it is about once the callback is stored.
    `topics`: what callbacks can be about, as agents sort them: words by key, in the order of the file.
    `referrer_extension` and `urgent_extension`: numbers that ring the agents' and the urgent line, past the
    conversation.
    """

    slug: str
    name: str
    extension: str
    policy: Policy
    hospital_number: PhoneNumber
    cutoff: time | None = None
    answer_by: time | None = None
    rounds: tuple[time, ...] = ()
    closed_days: frozenset[date] = frozenset()
    half_days: Mapping[date, HalfDay] = field(default_factory=lambda: MappingProxyType({}))
    max_attempts: int = 3
    min_spacing: timedelta = timedelta(hours=2)
    round_length: timedelta = timedelta(hours=1)
    identity: Literal["required", "optional", "off"] = "optional"
    languages: tuple[str, ...] = ("nb",)
    allow_foreign: bool = False
    ringing_hours: tuple[time, time] = DEFAULT_RINGING_HOURS
    ringing_days: Literal["workdays", "every-day"] = "workdays"
    ring_prefixes: tuple[str, ...] = ("+47",)
    capacity: int | None = None
    flood_from: int | None = None
    sms_receipt: bool = False
    choice: Choice | None = None
    key_tone: bool = False
    recording: bool = False
    topics: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    referrer_extension: str | None = None
    urgent_extension: str | None = None

    @property
    def has_urgent_line(self) -> bool:
        """Whether urgent calls are answered at once."""
        return self.urgent_extension is not None or (self.choice is not None and self.choice.urgent)

    @property
    def extensions(self) -> Mapping[str, str]:
        """The numbers that reach the department, by key."""
        numbers = {key: getattr(self, key) for key in EXTENSION_KEYS}
        return {key: number for key, number in numbers.items() if number is not None}


class Departments(Mapping[str, Department]):
    """All departments, by slug, in the order of the file."""

    def __init__(self, departments: Iterable[Department]) -> None:
        self._by_slug = {department.slug: department for department in departments}

    def __getitem__(self, slug: str) -> Department:
        return self._by_slug[slug]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_slug)

    def __len__(self) -> int:
        return len(self._by_slug)

    def get(self, slug: str) -> Department:  # type: ignore[override]  # no default: an unknown slug is an error here
        """Return the department of that slug. Raises DepartmentNotFound."""
        try:
            return self._by_slug[slug]
        except KeyError:
            raise DepartmentNotFound from None

    def all(self) -> Sequence[Department]:
        """Return the departments in the order of the file."""
        return tuple(self._by_slug.values())
