"""What is said, word by word, compared with tables made by hand."""

import re
from datetime import datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.clock import OSLO
from desk.departments.departments import Department, Policy
from desk.numbers.phone_number import PhoneNumber, parse_phone
from desk.paths import ROOT
from desk.promises.model import Promise
from desk.promises.rules import promise_for, spoken_text
from ivr.dialogue.speech import (
    callback_number_prompts,
    count_prompts,
    phone_prompts,
    promise_prompts,
    since_prompts,
    time_prompts,
)
from ivr.prompts.catalogue import load_catalogue
from ivr.prompts.keys import Prompt, all_keys

CATALOGUE = load_catalogue(ROOT / "prompts" / "catalogue.toml")
HOSPITAL = parse_phone("+4768050001")
KIRURGI = Department(
    slug="kirurgi",
    name="Kirurgisk poliklinikk",
    extension="1000",
    policy=Policy.DEADLINE,
    hospital_number=HOSPITAL,
    cutoff=time(14),
    answer_by=time(15),
)
HJERTE = Department(
    slug="hjerte",
    name="Hjertepoliklinikken",
    extension="2000",
    policy=Policy.ROUNDS,
    hospital_number=HOSPITAL,
    rounds=(time(10), time(13)),
)


def words(prompts: list[str], language: str = "nb") -> str:
    """The prompts as they sound."""
    return " ".join(filter(None, (CATALOGUE.text(language, prompt) for prompt in prompts)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


@pytest.mark.parametrize(
    ("rings", "department", "nb", "en"),
    [
        # the table of promises, each both ways
        ("2026-11-24T09:00", KIRURGI, "i dag innen klokken femten", "today by three p m"),
        ("2026-11-24T09:00", HJERTE, "i dag klokken ti", "today at ten a m"),
        ("2026-11-24T10:00", KIRURGI, "i dag innen klokken femten", "today by three p m"),
        ("2026-11-24T10:00", HJERTE, "i dag klokken tretten", "today at one p m"),
        ("2026-11-24T13:59:59", KIRURGI, "i dag innen klokken femten", "today by three p m"),
        ("2026-11-24T13:59:59", HJERTE, "i morgen klokken ti", "tomorrow at ten a m"),
        ("2026-11-24T14:00", KIRURGI, "i morgen innen klokken femten", "tomorrow by three p m"),
        ("2026-11-24T14:00", HJERTE, "i morgen klokken ti", "tomorrow at ten a m"),
        ("2026-11-27T14:30", KIRURGI, "mandag innen klokken femten", "Monday by three p m"),
        ("2026-11-27T14:30", HJERTE, "mandag klokken ti", "Monday at ten a m"),
        ("2026-11-29T03:00", KIRURGI, "i morgen innen klokken femten", "tomorrow by three p m"),
        ("2026-11-29T03:00", HJERTE, "i morgen klokken ti", "tomorrow at ten a m"),
        ("2027-03-24T14:30", KIRURGI, "tirsdag innen klokken femten", "Tuesday by three p m"),
        ("2027-03-24T14:30", HJERTE, "tirsdag klokken ti", "Tuesday at ten a m"),
    ],
)
def test_promise_is_spoken_as_people_say_it(rings: str, department: Department, nb: str, en: str) -> None:
    now = at(rings)
    prompts = promise_prompts(promise_for(department, now), now)
    assert words(prompts) == nb
    assert words(prompts, "en") == en


@pytest.mark.parametrize(
    ("now", "by", "policy", "nb", "en"),
    [
        ("2026-11-24T09:00", "2026-11-30T10:00", Policy.ROUNDS, "mandag klokken ti", "Monday at ten a m"),
        (
            *("2026-11-24T09:00", "2026-12-01T15:00", Policy.DEADLINE),
            *("tirsdag første desember innen klokken femten", "Tuesday the first of December by three p m"),
        ),
        (
            *("2027-03-20T09:00", "2027-03-30T10:00", Policy.ROUNDS),
            *("tirsdag trettiende mars klokken ti", "Tuesday the thirtieth of March at ten a m"),
        ),
        (
            *("2026-12-01T09:00", "2026-12-21T07:30", Policy.ROUNDS),
            *("mandag tjueførste desember klokken sju tretti", "Monday the twenty-first of December at seven thirty"),
        ),
        # promised for the night of the change to summer time, called the evening before: one calendar day, 23 hours
        ("2027-03-27T23:30", "2027-03-28T12:00", Policy.ROUNDS, "i morgen klokken tolv", "tomorrow at noon"),
        # 23:30 UTC is the next day in Oslo
        ("2026-11-24T00:30", "2026-11-24T15:00", Policy.DEADLINE, "i dag innen klokken femten", "today by three p m"),
    ],
)
def test_days_and_dates_are_spoken(now: str, by: str, policy: Policy, nb: str, en: str) -> None:
    prompts = promise_prompts(Promise(policy, at(by), at(by)), at(now))
    assert words(prompts) == nb
    assert words(prompts, "en") == en


@pytest.mark.parametrize(
    ("clock", "nb", "en"),
    [
        ("00:00", "null null", "midnight"),
        ("00:05", "null null fem", "zero oh five"),
        ("01:00", "ett", "one a m"),
        ("01:01", "ett null én", "one oh one"),
        ("07:00", "sju", "seven a m"),
        ("09:45", "ni førtifem", "nine forty-five"),
        ("10:05", "ti null fem", "ten oh five"),
        ("11:30", "elleve tretti", "eleven thirty"),
        ("12:00", "tolv", "noon"),
        ("14:20", "fjorten tjue", "fourteen twenty"),
        ("15:00", "femten", "three p m"),
        ("16:21", "seksten tjueen", "sixteen twenty-one"),
        ("17:31", "sytten trettien", "seventeen thirty-one"),
        ("20:00", "tjue", "eight p m"),
        ("21:00", "tjueen", "nine p m"),
        ("22:07", "tjueto null sju", "twenty-two oh seven"),
        ("23:59", "tjuetre femtini", "twenty-three fifty-nine"),
    ],
)
def test_times_of_day_are_spoken(clock: str, nb: str, en: str) -> None:
    prompts = time_prompts(at(f"2026-11-24T{clock}"))
    assert words(prompts) == nb
    assert words(prompts, "en") == en


@pytest.mark.parametrize(
    ("number", "spoken"),
    [
        (parse_phone("68050107"), "seks åtte | null fem | null én | null sju"),
        (parse_phone("40612345"), "fire null seks | én to | tre fire fem"),
        (
            parse_phone("+46701740605", allow_foreign=True),
            "null null fire seks | sju null | én sju | fire null | seks null | fem",
        ),
    ],
)
def test_phone_numbers_are_read_in_groups(number: PhoneNumber, spoken: str) -> None:
    prompts = phone_prompts(number)
    assert " ".join("|" if prompt == "pause" else CATALOGUE.text("nb", prompt) for prompt in prompts) == spoken


def test_number_is_placed_in_its_sentence() -> None:
    phone = parse_phone("40612345")
    assert words(callback_number_prompts(phone)) == "Vi ringer deg på fire null seks én to tre fire fem"
    assert words(phone_prompts(phone), "en") == "four zero six one two three four five"


@pytest.mark.parametrize(
    ("by", "policy", "nn"),
    [
        ("2026-11-24T15:00", Policy.DEADLINE, "i dag innan klokka femten"),
        ("2026-11-25T10:00", Policy.ROUNDS, "i morgon klokka ti"),
        ("2026-11-28T13:00", Policy.ROUNDS, "laurdag klokka tretten"),
        ("2026-12-01T07:31", Policy.DEADLINE, "tysdag første desember innan klokka sju trettiein"),
        ("2026-12-21T21:01", Policy.ROUNDS, "måndag tjueførste desember klokka tjueein null éin"),
        ("2026-12-30T01:00", Policy.ROUNDS, "onsdag trettiande desember klokka eitt"),
    ],
)
def test_promises_are_spoken_in_nynorsk(by: str, policy: Policy, nn: str) -> None:
    now = at("2026-11-24T09:00")
    assert words(promise_prompts(Promise(policy, at(by), at(by)), now), "nn") == nn


@pytest.mark.parametrize(
    ("since", "nb", "nn", "en"),
    [
        ("2026-11-24T08:05", "i dag klokken åtte null fem", "i dag klokka åtte null fem", "today at eight oh five"),
        ("2026-11-23T14:00", "i går klokken fjorten", "i går klokka fjorten", "yesterday at two p m"),
        ("2026-11-20T09:30", "fredag klokken ni tretti", "fredag klokka ni tretti", "Friday at nine thirty"),
        ("2026-11-18T12:00", "onsdag klokken tolv", "onsdag klokka tolv", "Wednesday at noon"),
        (
            *("2026-11-17T12:00", "tirsdag syttende november klokken tolv"),
            *("tysdag syttande november klokka tolv", "Tuesday the seventeenth of November at noon"),
        ),
    ],
)
def test_time_on_the_list_is_spoken(since: str, nb: str, nn: str, en: str) -> None:
    prompts = since_prompts(at(since), at("2026-11-24T09:00"))
    assert [words(prompts, language) for language in ("nb", "nn", "en")] == [nb, nn, en]


def test_received_and_expected_digits_are_spoken() -> None:
    nine = count_prompts(9, Prompt.SHOULD_BE_ELEVEN)
    assert words(nine) == "Vi fikk ni siffer det skal være elleve."
    assert words(nine, "nn") == "Vi fekk ni siffer det skal vere elleve."
    assert words(nine, "en") == "We received nine digits it should be eleven."
    assert words(count_prompts(1, Prompt.SHOULD_BE_EIGHT)) == "Vi fikk ett siffer det skal være åtte."


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2029, 12, 31)).map(lambda moment: moment.replace(tzinfo=OSLO))
NUMBERS = {CATALOGUE.text("nb", f"hour_{n}"): n for n in range(24)}


@given(now=MOMENTS, department=st.sampled_from([KIRURGI, HJERTE]))
def test_spoken_promise_equals_the_stored_text(now: datetime, department: Department) -> None:
    """For any moment of four years, the prompts say the same words as the text stored with the callback."""
    promise = promise_for(department, now)
    prompts = promise_prompts(promise, now)
    assert set(prompts) <= all_keys()
    stored = spoken_text(promise, department, now)
    *before, hour = words(prompts).split()
    ordinals = {CATALOGUE.text("nb", f"date_{day}"): f"{day}." for day in range(1, 32)}
    assert " ".join([*(ordinals.get(word, word) for word in before), str(NUMBERS[hour])]) == stored
    assert re.search(r"\d", words(prompts)) is None
