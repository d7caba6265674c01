"""The cases in docs/figures.md, held against the one rule of what keeps a promise."""

from datetime import UTC, datetime

import pytest

from desk.clock import OSLO
from desk.departments.calendar import may_ring
from desk.departments.departments import Department, Policy
from desk.ledger.forecast import PromiseState, judge
from desk.numbers.phone_number import PhoneNumber
from desk.paths import ROOT
from desk.promises.keeping import PromiseWindow, TimedAttempt

KIRURGI = Department(
    slug="kirurgi",
    name="Kirurgi",
    extension="1000",
    policy=Policy.DEADLINE,
    hospital_number=PhoneNumber("+4768059000", mobile=False),
)
HEAD = "| promise made | promised from | due | attempts | closed | state |"
DAYS = {"Sun": 22, "Mon": 23, "Tue": 24, "Wed": 25}
AFTERWARDS = datetime(2026, 11, 30, tzinfo=UTC)


def moment(text: str) -> datetime:
    day, clock = text.split()
    hour, minute = clock.split(":")
    return datetime(2026, 11, DAYS[day], int(hour), int(minute), tzinfo=OSLO).astimezone(UTC)


def moments(text: str) -> list[datetime]:
    return [moment(each) for each in text.split(",") if each.strip()]


def cases() -> list[list[str]]:
    _, _, rest = (ROOT / "docs" / "figures.md").read_text("utf-8").partition(HEAD)
    table = rest.strip().split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


def test_document_has_cases_of_every_outcome() -> None:
    assert {case[-1] for case in cases()} == {"kept", "broken", "withdrawn"}


@pytest.mark.parametrize("case", cases(), ids=" ".join)
def test_case_in_the_document_holds(case: list[str]) -> None:
    made, opens, due, attempts, closed, state = case
    window = PromiseWindow(moment(made), moment(opens), moment(due))
    timed = [TimedAttempt(at, may_ring(KIRURGI, at)) for at in moments(attempts)]
    assert judge(window, timed, moments(closed), AFTERWARDS) is PromiseState(state)
