"""Workdays: Monday to Friday, less Norwegian public holidays and the days a department is closed. And ringing hours."""

from datetime import date, datetime, time
from functools import cache, lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final, cast

import holidays
from holidays.holiday_base import HolidayBase

from desk.clock import OSLO
from desk.departments.departments import Department

SATURDAY = 5
MIDNIGHT: Final = time(0)


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
    """Norwegian public holidays of one year and their names in Bokmål."""
    return dict(_norway()(years=year, language="no"))


@cache
def _norway() -> type[HolidayBase]:
    """Load Norway's calendar alone.

    To import it from its package would load those of 250 countries: 8 MB, and a pause in the middle of a call.
    """
    file = Path(holidays.__file__).with_name("countries") / "norway.py"
    spec = spec_from_file_location("norwegian_holidays", file)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(type[HolidayBase], module.Norway)
