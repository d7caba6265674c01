"""Workdays: Monday to Friday, less Norwegian public holidays and the days a department is closed. And ringing hours."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from desk.clock import OSLO
from desk.departments.departments import Department

SATURDAY = 5
MIDNIGHT: Final = time(0)
FIXED: Final[Mapping[tuple[int, int], str]] = {
    (1, 1): "Første nyttårsdag",
    (5, 1): "Arbeidernes dag",
    (5, 17): "Grunnlovsdag",
    (12, 25): "Første juledag",
    (12, 26): "Andre juledag",
}
"""Public holidays by month and day."""
FROM_EASTER: Final[Mapping[int, str]] = {
    -3: "Skjærtorsdag",
    -2: "Langfredag",
    0: "Første påskedag",
    1: "Andre påskedag",
    39: "Kristi himmelfartsdag",
    49: "Første pinsedag",
    50: "Andre pinsedag",
}
"""Public holidays by the days since Easter Sunday."""


def is_workday(department: Department, day: date) -> bool:
    """Whether the department calls patients that day, half days included."""
    return day.weekday() < SATURDAY and day not in department.closed_days and day not in public_holidays(day.year)


def may_ring(department: Department, now: datetime) -> bool:
    """Whether the department may call a patient at `now`. An end at midnight is the end of that day."""
    local = now.astimezone(OSLO)
    if department.ringing_days == "workdays" and not is_workday(department, local.date()):
        return False
    first, last = department.ringing_hours
    return first <= local.time() and (last == MIDNIGHT or local.time() < last)


@lru_cache(maxsize=64)
def public_holidays(year: int) -> dict[date, str]:
    """Norwegian public holidays of one year and their names in Bokmål.

    They are in «lov om helligdager og helligdagsfred» § 2 and «lov om 1 og 17 mai som høgtidsdager». Where two fall on
    one day, the name is that of the fixed one.
    """
    sunday = easter_sunday(year)
    moving = {sunday + timedelta(days): name for days, name in FROM_EASTER.items()}
    return moving | {date(year, month, day): name for (month, day), name in FIXED.items()}


def easter_sunday(year: int) -> date:
    """Return Easter Sunday of a Gregorian year. Source: Meeus, Astronomical Algorithms, chapter 8."""
    golden, century = year % 19, year // 100
    new_moons = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (year % 100 // 4) - new_moons - year % 4) % 7
    correction = (golden + 11 * new_moons + 22 * weekday) // 451
    month, day = divmod(new_moons + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)
