"""Cursors give back the key they were made from, and refuse everything else."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.database.cursors import AUDIT, CALLBACKS, CALLS, MAX_LENGTH, PROMISES
from desk.database.errors import BadCursor

AT = datetime(2026, 11, 30, 8, 15, 30, 123456, tzinfo=UTC)
ID = "7e5f1ceb-0000-4000-8000-000000000001"


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_key_of_time_and_uuid_comes_back(at: datetime, id: Any) -> None:
    assert CALLBACKS.key(CALLBACKS.after(at, str(id))) == (at, str(id))


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_key_of_one_number_comes_back(id: int) -> None:
    assert CALLS.key(CALLS.after(id)) == (id,)


def test_time_in_another_zone_comes_back_in_utc() -> None:
    oslo = AT.astimezone(timezone(timedelta(hours=1)))
    assert PROMISES.key(PROMISES.after(oslo, 7))[0].isoformat() == AT.isoformat()


def test_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadCursor):
        AUDIT.key(CALLS.after(7))


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        ["promises"],
        ["promises", AT.isoformat()],
        ["promises", AT.isoformat(), 7, 8],
        ["promises", AT.isoformat(), "7"],
        ["promises", AT.isoformat(), True],
        ["promises", AT.isoformat(), -1],
        ["promises", AT.isoformat(), 2**63],
        ["promises", AT.isoformat(), 1e300],
        ["promises", AT.replace(tzinfo=None).isoformat(), 7],
        ["promises", "0001-01-01T00:00:00+23:59", 7],
        ["promises", 7, 7],
        [7, AT.isoformat(), 7],
    ],
)
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(BadCursor):
        PROMISES.key(encoded(value))


@pytest.mark.parametrize("id", ["", "x", 7, None, ID + "0"])
def test_key_without_a_uuid_is_refused(id: Any) -> None:
    with pytest.raises(BadCursor):
        CALLBACKS.key(encoded(["callbacks", AT.isoformat(), id]))


@given(st.text(max_size=MAX_LENGTH + 1))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        CALLS.key(text)
