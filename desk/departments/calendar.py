"""Workdays: Monday to Friday, less Norwegian public holidays and the days a department is closed."""

from datetime import date
from functools import lru_cache

import holidays

from desk.departments.departments import Department

SATURDAY = 5


def is_workday(department: Department, day: date) -> bool:
    """Whether the department calls patients that day, half days included."""
    return day.weekday() < SATURDAY and day not in department.closed_days and day not in public_holidays(day.year)


@lru_cache(maxsize=64)
def public_holidays(year: int) -> dict[date, str]:
    """Norwegian public holidays of one year and their names in Bokmål."""
    return dict(holidays.country_holidays("NO", years=year, language="no"))
