"""One table of departments.toml, read key by key. Every fault is a DepartmentsFileError with its line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from desk.departments.errors import DepartmentsFileError
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, parse_phone

_TYPE_NAMES = {str: "text in quotes", bool: "true or false", int: "a whole number", list: "a list", dict: "a table"}


class Table:
    """A table of the file at `path`, with `lines` telling where each key of the file stands."""

    def __init__(
        self, file: Path, lines: Mapping[tuple[str, ...], int], values: Mapping[str, Any], path: tuple[str, ...] = ()
    ) -> None:
        self._file = file
        self._lines = lines
        self._values = values
        self._path = path

    @property
    def name(self) -> str:
        """The table's own key: a department's slug, a half day's date."""
        return self._path[-1]

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def line_of(self, key: str) -> int:
        """The line the key stands on; 0 where the file doesn't tell."""
        return self._lines.get((*self._path, key), 0)

    def refuse(self, reason: str, key: str | None = None) -> NoReturn:
        """Raise the fault at `key`, or at the table itself."""
        path = self._path if key is None else (*self._path, key)
        while path and path not in self._lines:
            path = path[:-1]
        raise DepartmentsFileError(self._file, self._lines.get(path), reason)

    def refuse_unknown(self, known: Sequence[str]) -> None:
        """Refuse a key that is not `known`, with a suggestion."""
        for key in self._values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                self.refuse(f"unknown key «{key}»" + (f": did you mean «{near[0]}»?" if near else ""), key)

    def require(self, *keys: str, reason: str) -> None:
        """Refuse the table when one of the keys is missing."""
        for key in keys:
            if key not in self:
                self.refuse(f"«{key}» is missing: {reason}")

    def forbid(self, *keys: str, reason: str) -> None:
        """Refuse a key that has no meaning here."""
        for key in keys:
            if key in self:
                self.refuse(f"«{key}» does not belong here: {reason}", key)

    def table(self, key: str) -> "Table":
        """The table under `key`; an empty one where there is none."""
        return Table(self._file, self._lines, self._value(key, dict, {}), (*self._path, key))

    def text(self, key: str) -> str:
        """Text that is not blank."""
        text: str = self._value(key, str, "")
        if not text.strip():
            self.refuse(f"«{key}» is empty", key)
        return text.strip()

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        flag: bool = self._value(key, bool, default)
        return flag

    def number(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        number: int = self._value(key, int, default)
        if isinstance(number, bool) or not low <= number <= high:
            self.refuse(f"«{key}» must be a whole number from {low} to {high}", key)
        return number

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of `choices`."""
        choice: str = self._value(key, str, default)
        if choice not in choices:
            self.refuse(f"«{key}» must be one of {', '.join(choices)}", key)
        return choice

    def choices(self, key: str, choices: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
        """One or more of `choices`, each once."""
        chosen: list[Any] = self._value(key, list, list(default))
        if not chosen or any(item not in choices for item in chosen) or len(set(chosen)) < len(chosen):
            self.refuse(f"«{key}» must be a list of one or more of {', '.join(choices)}, each once", key)
        return tuple(chosen)

    def time_of_day(self, key: str) -> time | None:
        """A time of day such as "14:00", or None when it is not given."""
        return self._time(self._values[key], key) if key in self else None

    def times_of_day(self, key: str) -> tuple[time, ...]:
        """Times of day, one or more, ascending; none when the key is not given."""
        if key not in self:
            return ()
        times = tuple(self._time(item, key) for item in self._value(key, list, []))
        if not times:
            self.refuse(f"«{key}» is empty", key)
        if any(later <= earlier for earlier, later in pairwise(times)):
            self.refuse(f"«{key}» must ascend, each time once", key)
        return times

    def two_times(self, key: str) -> tuple[time, time]:
        """A list of two times of day."""
        times = self._value(key, list, [])
        if len(times) != 2:
            self.refuse(f'«{key}» must be two times, such as ["08:00", "16:00"]', key)
        return self._time(times[0], key), self._time(times[1], key)

    def texts(self, key: str, default: Sequence[str]) -> tuple[str, ...]:
        """A list of one or more texts, each once."""
        texts: list[Any] = self._value(key, list, list(default))
        if not texts or any(not isinstance(text, str) for text in texts) or len(set(texts)) < len(texts):
            self.refuse(f"«{key}» must be a list of one or more texts in quotes, each once", key)
        return tuple(texts)

    def days(self, key: str) -> frozenset[date]:
        """Dates such as 2026-12-28, without quotes."""
        days: list[Any] = self._value(key, list, [])
        if any(not isinstance(day, date) or isinstance(day, datetime) for day in days):
            self.refuse(f"«{key}» must be a list of dates without quotes, such as [2026-12-28]", key)
        return frozenset(days)

    def phone(self, key: str) -> PhoneNumber:
        """A Norwegian phone number."""
        try:
            return parse_phone(self.text(key))
        except InvalidPhone as error:
            self.refuse(f"«{key}» is not a Norwegian phone number that can be rung ({error.problem})", key)

    def _value(self, key: str, kind: type, default: Any) -> Any:
        value = self._values.get(key, default)
        if not isinstance(value, kind):
            self.refuse(f"«{key}» must be {_TYPE_NAMES[kind]}", key)
        return value

    def _time(self, value: Any, key: str) -> time:
        match = re.fullmatch(r"([0-9]{2}):([0-9]{2})", value) if isinstance(value, str) else None
        if not match or int(match[1]) > 23 or int(match[2]) > 59:
            self.refuse(f'«{key}» must be hours and minutes in quotes, such as "14:00"', key)
        return time(int(match[1]), int(match[2]))
