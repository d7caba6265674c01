"""Departments: who rings back, and when. Operators write them in departments.toml."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from desk.departments.choice import Choice, read_choice
from desk.departments.errors import DepartmentNotFound, DepartmentsFileError
from desk.departments.table import Table
from desk.files.toml_files import parse, read_text
from desk.files.toml_lines import key_lines
from desk.numbers.phone_number import PhoneNumber

LANGUAGES = ("nb", "nn", "en")
SLUG = re.compile(r"[a-z][a-z0-9-]{0,31}")
EXTENSION = re.compile(r"[0-9]{1,15}")
MOST_ATTEMPTS = 20
MOST_SPACING_MINUTES = 7 * 24 * 60
RINGING_HOURS = (time(8), time(16))
PREFIX = re.compile(r"\+(?:[1-9][0-9]{0,6})?", re.ASCII)
LONGEST_ROUND_MINUTES = 12 * 60
MOST_CAPACITY = 10_000
KEYS = (
    *("name", "extension", "hospital_number", "policy", "cutoff", "answer_by", "rounds", "closed_days", "half_days"),
    *("max_attempts", "min_spacing_minutes", "round_minutes", "identity", "languages", "allow_foreign"),
    *("ringing_hours", "ringing_days", "ring_prefixes", "capacity"),
    *("choice", "key_tone", "recording", "referrer_extension", "urgent_extension", "sms_receipt"),
)
EXTENSION_KEYS = ("extension", "referrer_extension", "urgent_extension")
HALF_DAY_KEYS = ("cutoff", "answer_by", "rounds")


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
    """One department's rules. Times are wall time in Europe/Oslo; rounds ascend; cutoff is not after answer_by.

    `capacity`: how many callbacks a round holds, or a day under the deadline policy; None is any number.
    `recording`: callers may say what it is about once the callback is stored.
    `referrer_extension` and `urgent_extension`: numbers that ring the agents' and the urgent line, past the
    conversation; None where there is none.
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
    ringing_hours: tuple[time, time] = RINGING_HOURS
    ringing_days: Literal["workdays", "every-day"] = "workdays"
    ring_prefixes: tuple[str, ...] = ("+47",)
    capacity: int | None = None
    sms_receipt: bool = False
    choice: Choice | None = None
    key_tone: bool = False
    recording: bool = False
    referrer_extension: str | None = None
    urgent_extension: str | None = None

    @property
    def has_urgent_line(self) -> bool:
        """Whether somebody answers at once what can't wait."""
        return self.urgent_extension is not None or (self.choice is not None and self.choice.urgent)

    @property
    def extensions(self) -> Mapping[str, str]:
        """Every number of the department, by the key that gives it."""
        given = {key: getattr(self, key) for key in EXTENSION_KEYS}
        return {key: number for key, number in given.items() if number is not None}


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
        """The department of that slug. Raises DepartmentNotFound."""
        try:
            return self._by_slug[slug]
        except KeyError:
            raise DepartmentNotFound from None

    def all(self) -> Sequence[Department]:
        """Every department, in the order of the file."""
        return tuple(self._by_slug.values())


def load_departments(file: Path) -> Departments:
    """Read departments.toml. Raises DepartmentsFileError(file, line, reason) and takes nothing from a faulty file."""
    text = read_text(file, DepartmentsFileError)
    content = parse(file, text, DepartmentsFileError)
    if not content:
        raise DepartmentsFileError(
            file, None, "there is no department in it: write a table for each, such as [kirurgi]"
        )
    root = Table(file, key_lines(text), content)
    departments = [_department(root.table(slug)) for slug in content]
    _refuse_shared_extensions(root, departments)
    return Departments(departments)


def _department(table: Table) -> Department:
    table.refuse_unknown(KEYS)
    if not SLUG.fullmatch(table.name):
        table.refuse(f"«{table.name}» can't name a department: use a-z, 0-9 and -, a letter first, at most 32")
    table.require("name", "extension", "hospital_number", "policy", reason="every department has one")
    policy = Policy(table.choice("policy", [*Policy]))
    hours = _hours(table, policy)
    closed_days = table.days("closed_days")
    half_days = _half_days(table.table("half_days"), policy, closed_days)
    _refuse_rounds_that_overlap(table, hours.rounds)
    ringing_hours = _ringing_hours(table)
    _refuse_promises_outside(ringing_hours, table, hours)
    for day, each in half_days.items():
        _refuse_promises_outside(ringing_hours, table.table("half_days").table(str(day)), each)
    return Department(
        slug=table.name,
        name=table.text("name"),
        extension=_extension(table, "extension"),
        policy=policy,
        hospital_number=table.phone("hospital_number"),
        cutoff=hours.cutoff,
        answer_by=hours.answer_by,
        rounds=hours.rounds,
        closed_days=closed_days,
        half_days=half_days,
        max_attempts=table.number("max_attempts", 3, low=1, high=MOST_ATTEMPTS),
        min_spacing=timedelta(minutes=table.number("min_spacing_minutes", 120, low=1, high=MOST_SPACING_MINUTES)),
        round_length=timedelta(minutes=table.number("round_minutes", 60, low=1, high=LONGEST_ROUND_MINUTES)),
        identity=cast(
            Literal["required", "optional", "off"],
            table.choice("identity", ("required", "optional", "off"), default="optional"),
        ),
        languages=table.choices("languages", LANGUAGES, default=("nb",)),
        allow_foreign=table.flag("allow_foreign", default=False),
        ringing_hours=ringing_hours,
        ringing_days=cast(
            Literal["workdays", "every-day"],
            table.choice("ringing_days", ("workdays", "every-day"), default="workdays"),
        ),
        ring_prefixes=_ring_prefixes(table),
        capacity=table.number("capacity", 1, low=1, high=MOST_CAPACITY) if "capacity" in table else None,
        sms_receipt=table.flag("sms_receipt", default=False),
        choice=read_choice(table.table("choice")),
        key_tone=table.flag("key_tone", default=False),
        recording=table.flag("recording", default=False),
        referrer_extension=_extension(table, "referrer_extension") if "referrer_extension" in table else None,
        urgent_extension=_extension(table, "urgent_extension") if "urgent_extension" in table else None,
    )


def _extension(table: Table, key: str) -> str:
    number = table.text(key)
    if not EXTENSION.fullmatch(number):
        table.refuse(f"«{key}» must be 1 to 15 digits", key)
    return number


def _ringing_hours(table: Table) -> tuple[time, time]:
    """From when until when patients may be rung; an end at "00:00" is midnight."""
    if "ringing_hours" not in table:
        return RINGING_HOURS
    first, last = table.two_times("ringing_hours")
    if last != time(0) and last <= first:
        table.refuse("«ringing_hours» must end after they begin", "ringing_hours")
    return first, last


def _refuse_rounds_that_overlap(table: Table, rounds: Sequence[time]) -> None:
    minutes = table.number("round_minutes", 60, low=1, high=LONGEST_ROUND_MINUTES)
    for earlier, later in pairwise(rounds):
        if _minutes(later) - _minutes(earlier) < minutes:
            reason = f"the round {earlier:%H:%M} is not over when {later:%H:%M} begins: «round_minutes» is {minutes}"
            table.refuse(reason, "rounds")


def _refuse_promises_outside(ringing_hours: tuple[time, time], table: Table, hours: HalfDay) -> None:
    """A promise for an hour at which patients may not be rung could never be kept."""
    first, last = ringing_hours
    end = _minutes(last) or 24 * 60
    told = f"patients are rung from {first:%H:%M} to {last:%H:%M} («ringing_hours»)"
    for each in hours.rounds:
        if not _minutes(first) <= _minutes(each) < end:
            table.refuse(f"there is a round at {each:%H:%M}, but {told}", "rounds")
    if hours.answer_by and not _minutes(first) < _minutes(hours.answer_by) <= end:
        table.refuse(f"the promise is for {hours.answer_by:%H:%M}, but {told}", "answer_by")


def _minutes(each: time) -> int:
    return 60 * each.hour + each.minute


def _ring_prefixes(table: Table) -> tuple[str, ...]:
    """What a number must begin with to be rung by the exchange; foreign ones need `allow_foreign` too."""
    foreign = table.flag("allow_foreign", default=False)
    prefixes = table.texts("ring_prefixes", default=("+",) if foreign else ("+47",))
    for prefix in prefixes:
        if not PREFIX.fullmatch(prefix):
            table.refuse(f"«{prefix}» is not the beginning of a number, such as +47 or +4768", "ring_prefixes")
        if not foreign and not prefix.startswith("+47"):
            table.refuse(f"«{prefix}» is foreign, and «allow_foreign» is not true", "ring_prefixes")
    return prefixes


def _hours(table: Table, policy: Policy) -> HalfDay:
    """The hours of a department or of one of its half days: what the policy needs, and nothing it doesn't."""
    if policy is Policy.ROUNDS:
        table.require("rounds", reason="the rounds policy needs it")
        table.forbid("cutoff", "answer_by", reason="the policy is rounds")
        return HalfDay(rounds=table.times_of_day("rounds"))
    table.require("cutoff", "answer_by", reason="the deadline policy needs it")
    table.forbid("rounds", "round_minutes", reason="the policy is deadline")
    cutoff, answer_by = table.time_of_day("cutoff"), table.time_of_day("answer_by")
    if cutoff and answer_by and answer_by < cutoff:
        table.refuse("«answer_by» is before «cutoff»", "answer_by")
    return HalfDay(cutoff=cutoff, answer_by=answer_by)


def _half_days(table: Table, policy: Policy, closed_days: frozenset[date]) -> Mapping[date, HalfDay]:
    half_days = {}
    for key in table:
        day = _date(table, key)
        if day in closed_days:
            table.refuse(f"{day} is in «closed_days» too", key)
        hours = table.table(key)
        hours.refuse_unknown(HALF_DAY_KEYS)
        half_days[day] = _hours(hours, policy)
    return MappingProxyType(half_days)


def _date(table: Table, key: str) -> date:
    try:
        return datetime.strptime(key, "%Y-%m-%d").date()
    except ValueError:
        table.refuse(f"«{key}» is not a date such as 2026-12-24", key)


def _refuse_shared_extensions(root: Table, departments: Iterable[Department]) -> None:
    first: dict[str, tuple[str, str]] = {}
    for department in departments:
        for key, number in department.extensions.items():
            owner, other = first.setdefault(number, (department.slug, key))
            if (owner, other) != (department.slug, key):
                what = f"in [{owner}]" if other == key else f"«{other}» of [{owner}]"
                root.table(department.slug).refuse(f"«{key}» is the same as {what}", key)
