"""Norwegian public holidays, compared with those of a well-kept package."""

from datetime import date

import holidays

from desk.departments.calendar import public_holidays


def test_holidays_have_norwegian_names() -> None:
    assert public_holidays(2027)[date(2027, 3, 25)] == "Skjærtorsdag"
    assert len(public_holidays(2026)) == 12
    assert len(public_holidays(2027)) == 11  # Whit Monday and 17 May are one day


def test_public_holidays_are_those_of_another_calendar() -> None:
    for year in range(2020, 2061):
        expected = holidays.country_holidays("NO", years=year, language="no")
        found = public_holidays(year)
        assert set(found) == set(expected)
        assert all(name in expected[day].split("; ") for day, name in found.items())
