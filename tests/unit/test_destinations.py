"""A dial reaches only an allowed number, through the trunk, or an agent's own phone."""

import re
from datetime import UTC, datetime, time

import pytest

from desk.clock import OSLO
from desk.departments.calendar import may_ring
from desk.departments.departments import Department, Policy
from desk.numbers.endpoints import agent_endpoint, check_phone_name, patient_endpoint
from desk.numbers.errors import InvalidPhone, InvalidPhoneName
from desk.numbers.phone_number import PhoneNumber, PhoneProblem, parse_phone
from tests.support.phone.destination_fuzz import fuzz

NORWAY = ("+47",)


def test_a_norwegian_number_goes_through_the_trunk() -> None:
    assert patient_endpoint(parse_phone("68050001"), prefixes=NORWAY) == "PJSIP/+4768050001@trunk"


@pytest.mark.parametrize(
    "smuggled",
    [
        "+4768050001&PJSIP/+4768050002",
        "+4768050001/30",
        "+4768050001@other",
        "+4768050001,60",
        "+4768050001\n",
        "4768050001",
        "+47 68050001",
        "+47６８０５０００１",
        "",
        "+",
        "sip:+4768050001@example.org",
    ],
)
def test_number_with_extra_characters_is_refused(smuggled: str) -> None:
    with pytest.raises(InvalidPhone) as refused:
        patient_endpoint(PhoneNumber(smuggled, mobile=False), prefixes=("+",))
    assert refused.value.problem is PhoneProblem.NOT_A_NUMBER
    assert "68050001" not in str(refused.value)


@pytest.mark.parametrize(
    ("number", "prefixes", "problem"),
    [
        ("+4782012345", NORWAY, PhoneProblem.PREMIUM),
        ("+4781512345", NORWAY, PhoneProblem.PREMIUM),
        ("+46701740605", NORWAY, PhoneProblem.FOREIGN),
        ("+4768050001", ("+4722",), PhoneProblem.FOREIGN),
        ("+881612345678", ("+",), PhoneProblem.PREMIUM),
        ("+979123456789", ("+",), PhoneProblem.PREMIUM),
        ("+47113", NORWAY, PhoneProblem.NOT_A_NUMBER),
        ("+4780012345", NORWAY, PhoneProblem.PREMIUM),
    ],
)
def test_forbidden_numbers_are_refused(number: str, prefixes: tuple[str, ...], problem: PhoneProblem) -> None:
    with pytest.raises(InvalidPhone) as refused:
        patient_endpoint(PhoneNumber(number, mobile=False), prefixes=prefixes)
    assert refused.value.problem is problem


def test_foreign_number_is_called_where_the_department_allows_it() -> None:
    swedish = parse_phone("+46701740605", allow_foreign=True)
    assert patient_endpoint(swedish, prefixes=("+47", "+46")) == "PJSIP/+46701740605@trunk"


def test_fifty_thousand_random_destinations_stay_within_the_rule() -> None:
    told = fuzz(seed=20261122, count=50_000)
    assert told.endpoints > 1000
    assert told.refused > 10_000
    assert told.astray == []


def test_agents_phone_must_be_a_plain_name() -> None:
    assert agent_endpoint("demo-phone") == "PJSIP/demo-phone"
    for name in ("", "trunk", "switchboard", "Demo", "a/b", "a@trunk", "a&b", "a,b", "-a", "a-", "a\n", "x" * 33):
        with pytest.raises(InvalidPhoneName):
            check_phone_name(name)


def department(**given: object) -> Department:
    return Department(
        slug="kirurgi",
        name="Kirurgi",
        extension="1000",
        policy=Policy.DEADLINE,
        hospital_number=parse_phone("68050000"),
        cutoff=time(14),
        answer_by=time(15),
        **given,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("local", "allowed"),
    [
        ("2026-11-24 07:59:59", False),  # a Tuesday
        ("2026-11-24 08:00:00", True),
        ("2026-11-24 15:59:59", True),
        ("2026-11-24 16:00:00", False),
        ("2026-11-22 12:00:00", False),  # a Sunday
        ("2026-12-25 12:00:00", False),  # a Friday, and Christmas Day
    ],
)
def test_calls_are_allowed_only_within_ringing_hours(local: str, allowed: bool) -> None:
    now = datetime.fromisoformat(local).replace(tzinfo=OSLO).astimezone(UTC)
    assert may_ring(department(), now) is allowed


def test_ringing_hours_may_cover_every_day_until_midnight() -> None:
    always = department(ringing_hours=(time(0), time(0)), ringing_days="every-day")
    assert may_ring(always, datetime(2026, 11, 22, 3, tzinfo=UTC))
    assert may_ring(always, datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC))
    evening = department(ringing_hours=(time(18), time(0)))
    assert may_ring(evening, datetime(2026, 11, 24, 22, 59, tzinfo=UTC))
    assert not may_ring(evening, datetime(2026, 11, 24, 16, 59, tzinfo=UTC))


def test_fuzz_detects_a_forbidden_destination() -> None:
    told = fuzz(seed=1, count=200, build=lambda phone, prefixes: f"PJSIP/{phone.e164}@trunk&PJSIP/other")
    assert told.astray
    assert re.search("&", told.astray[0])
