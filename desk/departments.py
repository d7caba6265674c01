"""Departments: who rings back, and when. Written by operators in departments.toml, read by desk.departments_file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from desk.errors import DepartmentNotFound
from desk.phone import PhoneNumber


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
    """One department's rules. Times are wall time in Europe/Oslo; rounds ascend; cutoff is not after answer_by."""

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
    identity: Literal["required", "optional", "off"] = "optional"
    languages: tuple[str, ...] = ("nb",)
    allow_foreign: bool = False


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


def load_departments(path: Path) -> Departments:
    """Read departments.toml. Raises DepartmentsFileError(file, line, reason) and takes nothing from a faulty file."""
    raise NotImplementedError
