"""National identity numbers: public test vectors with their sources, and what control digits detect."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import IdentityKind, IdentityNumber, IdentityProblem, parse_identity
from tests.support.synthetic import synthetic_identity, with_control_digits

# github.com/navikt/fnrvalidator, tests/fnr.spec.ts
NAVIKT = [
    ("13097248022", "fnr"),
    ("29029648784", "fnr"),  # a leap year
    ("29020075838", "fnr"),  # 2000 was one too
    ("15021951940", "fnr"),  # second control digit 11, written 0
    ("53097248016", "dnr"),
    ("13527248013", "nav"),
    ("10915596784", "tenor"),
    ("68467038838", "nav"),  # a synthetic D-number
    ("50846202355", "tenor"),  # a synthetic D-number
    ("02013299997", "fnr"),  # from 2032
    ("30108299920", "fnr"),  # from 2032, remainder 0
    ("30108299939", "fnr"),  # from 2032, remainder 1: the same date and individual number
    ("70108299914", "dnr"),  # from 2032
]
# github.com/bekkopen/NoCommons, FodselsnummerValidatorTest.java; the last two are of the D-number series of 2021
NOCOMMONS = [
    ("01010101006", "fnr"),
    ("29029633310", "fnr"),
    ("47086303651", "dnr"),
    ("41014061078", "dnr"),
    ("41010021861", "dnr"),
]
# github.com/FHIDev/Fhi.NINCheck, ValidationTests.cs
FHI = [
    ("81212121223", "fh"),
    ("94545456561", "fh"),
    ("28894698995", "tenor"),
    ("31739556891", "nhn"),
    ("51106297510", "dnr"),
]
# Synthetic persons of NAV's Dolly: navikt, FødselsnummerTest.kt of familie-felles
DOLLY = [("15507600333", "nav"), ("55507608360", "nav"), ("29422059278", "nav"), ("69422056629", "nav")]
# fnrinfo.no, «Beregning av kontrollsiffer»
FNRINFO = [("31129956715", "fnr")]

REFUSED = [
    ("1234567890", "length"),  # navikt/fnrvalidator, as all down to the blank line
    ("123456789101", "length"),
    ("1234567891A", "not_digits"),
    ("29020112345", "date"),  # 2001, 1901 and 2101 have no 29 February
    ("13097248032", "control_digits"),
    ("13097248023", "control_digits"),
    ("32127248022", "date"),
    ("13137248022", "date"),
    ("02013299987", "control_digits"),
    ("02013299996", "control_digits"),
    # FHIDev/Fhi.NINCheck
    ("01112835480", "control_digits"),
    ("1898z388020", "not_digits"),
    # ours
    ("", "length"),
    ("00000000000", "date"),
    ("40010100000", "date"),  # day 40 is day 0 of no month
    ("72010100000", "date"),  # D-numbers end at day 71
    ("01400100000", "date"),
    ("01650100000", "date"),
    ("01800100000", "date"),
    ("01930100000", "date"),
    ("٠١٠١٥٠١٢٣٤٥", "not_digits"),  # digits, but not those of a telephone
    ("0101501234²", "not_digits"),
    ("010150 12345", "not_digits"),
    ("-1010150123", "not_digits"),
    ("0" * 100_000, "length"),
]


@pytest.mark.parametrize(("digits", "kind"), NAVIKT + NOCOMMONS + FHI + DOLLY + FNRINFO)
def test_public_vectors_pass(digits: str, kind: str) -> None:
    number = parse_identity(digits, allow_test=True, allow_h=False)
    assert (number.value, number.kind) == (digits, kind)


@pytest.mark.parametrize(("digits", "problem"), REFUSED)
def test_faulty_numbers_are_refused_and_not_repeated(digits: str, problem: str) -> None:
    with pytest.raises(InvalidIdentity) as refusal:
        parse_identity(digits, allow_test=True, allow_h=True)
    assert refusal.value.problem == problem
    assert not any(character.isdigit() for character in str(refusal.value))


@pytest.mark.parametrize("digits", ["13097248022", "53097248016", "81212121223", "30108299939", "41014061078"])
def test_production_accepts_real_kinds(digits: str) -> None:
    assert parse_identity(digits, allow_test=False, allow_h=False).value == digits


@pytest.mark.parametrize("allow_h", [False, True])
@pytest.mark.parametrize("digits", ["10915596784", "50846202355", "31739556891", "68467038838"])
def test_production_refuses_synthetic_numbers_whether_or_not_h_is_enabled(digits: str, allow_h: bool) -> None:
    with pytest.raises(InvalidIdentity) as refusal:
        parse_identity(digits, allow_test=False, allow_h=allow_h)
    assert refusal.value.problem == IdentityProblem.KIND_NOT_ALLOWED


def test_month_plus_forty_is_an_h_number_where_those_are_enabled_and_navs_otherwise() -> None:
    def kind(*, allow_test: bool, allow_h: bool) -> IdentityKind:
        return parse_identity("13527248013", allow_test=allow_test, allow_h=allow_h).kind

    assert kind(allow_test=False, allow_h=True) is IdentityKind.HNR
    assert kind(allow_test=True, allow_h=True) is IdentityKind.HNR
    assert kind(allow_test=True, allow_h=False) is IdentityKind.NAV
    with pytest.raises(InvalidIdentity) as refusal:
        kind(allow_test=False, allow_h=False)
    assert refusal.value.problem == IdentityProblem.KIND_NOT_ALLOWED


def test_wrong_number_of_a_forbidden_kind_is_reported_as_wrong() -> None:
    """A caller who mistyped is asked again; only a correct number of a forbidden kind is reported as such."""
    with pytest.raises(InvalidIdentity) as refusal:
        parse_identity("10915596785", allow_test=False, allow_h=False)
    assert refusal.value.problem == IdentityProblem.CONTROL_DIGITS


@pytest.mark.parametrize("day_offset", [0, 40])
@pytest.mark.parametrize(("month_offset", "kind"), [(80, "tenor"), (65, "nhn"), (40, "nav")])
def test_every_synthetic_series_combines_with_d_numbers(day_offset: int, month_offset: int, kind: str) -> None:
    for n in range(50):
        digits = synthetic_identity(n, day_offset=day_offset, month_offset=month_offset)
        assert parse_identity(digits, allow_test=True, allow_h=False).kind == kind


@pytest.mark.parametrize("remainder", [0, 1, 2, 3])
def test_both_control_digit_rules_are_accepted(remainder: int) -> None:
    for n in range(50):
        digits = synthetic_identity(n, remainder=remainder)
        assert parse_identity(digits, allow_test=True, allow_h=False).kind is IdentityKind.TENOR


@pytest.mark.parametrize("remainder", [4, 5, 6, 7, 8, 9, 10])
def test_other_remainders_are_refused(remainder: int) -> None:
    digits = synthetic_identity(1, remainder=remainder)
    with pytest.raises(InvalidIdentity) as refusal:
        parse_identity(digits, allow_test=True, allow_h=False)
    assert refusal.value.problem == IdentityProblem.CONTROL_DIGITS


@pytest.mark.parametrize(
    ("yy", "accepted"),
    # 1900 and 2100 were no leap years and 2000 was: 29.02.00 may be real. 04, 96: leap in each century.
    [("00", True), ("04", True), ("96", True), ("01", False), ("97", False), ("98", False)],
)
def test_29_february_is_valid_only_in_leap_years(yy: str, accepted: bool) -> None:
    made = (with_control_digits(f"2902{yy}{individual:03}") for individual in range(1000))
    digits = next(number for number in made if number)
    if accepted:
        assert parse_identity(digits, allow_test=False, allow_h=False).kind is IdentityKind.FNR
    else:
        with pytest.raises(InvalidIdentity) as refusal:
            parse_identity(digits, allow_test=False, allow_h=False)
        assert refusal.value.problem == IdentityProblem.DATE


def accepted(digits: str) -> bool:
    try:
        parse_identity(digits, allow_test=True, allow_h=True)
    except InvalidIdentity:
        return False
    return True


def numbers_of_both_rules() -> st.SearchStrategy[str]:
    return st.builds(
        lambda n, day, month, remainder: synthetic_identity(n, day_offset=day, month_offset=month, remainder=remainder),
        st.integers(0, 10**6),
        st.sampled_from([0, 40]),
        st.sampled_from([0, 40, 65, 80]),
        st.sampled_from([0, 1, 2, 3]),
    )


@given(numbers_of_both_rules())
def test_one_wrong_digit_is_always_caught(digits: str) -> None:
    """Under both rules: no weight of the second control digit is 0 modulo 11, and its remainder must still be 0."""
    for place in range(11):
        for wrong in "0123456789":
            if wrong != digits[place]:
                assert not accepted(digits[:place] + wrong + digits[place + 1 :])


@given(numbers_of_both_rules())
def test_two_swapped_neighbours_are_always_caught(digits: str) -> None:
    """Under both rules: neighbouring weights of the second control digit differ modulo 11."""
    for place in range(10):
        swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
        if swapped != digits:
            assert not accepted(swapped)


def test_share_of_random_numbers_that_pass_is_as_calculated() -> None:
    """Control digits alone: 4 in 121 (3.3 %), of which today's rule is 1 in 121 (0.8 %). Dates thin that out further:
    an FH-number has none, so a fifth of all numbers is judged by its control digits only."""
    source = random.Random(2032)
    drawn = 40_000
    fh = sum(accepted(f"{source.choice('89')}{source.randrange(10**10):010}") for _ in range(drawn)) / drawn
    dated = sum(accepted(f"{source.randrange(8)}{source.randrange(10**10):010}") for _ in range(drawn)) / drawn
    assert 0.030 < fh < 0.036
    assert 0.011 < dated < 0.0135  # 36.5 % of them hold the date of some series, synthetic ones included


@given(st.text(max_size=15))
def test_arbitrary_text_is_refused_without_a_crash(text: str) -> None:
    accepted(text)


@pytest.mark.parametrize(
    ("digits", "masked"),
    [("13097248022", "130972*****"), ("53097248016", "530972*****"), ("81212121223", "8**********")],
)
def test_a_number_is_masked_wherever_it_is_shown(digits: str, masked: str) -> None:
    number = parse_identity(digits, allow_test=False, allow_h=False)
    assert number.masked == masked
    assert str(number) == f"{number}" == masked
    assert digits not in repr(number)
    assert digits[6:] not in repr([number])
    assert number == IdentityNumber(digits, number.kind)


def test_generator_is_deterministic_and_gives_different_numbers() -> None:
    first = [synthetic_identity(n) for n in range(10_000)]
    assert first == [synthetic_identity(n) for n in range(10_000)]
    assert len(set(first)) > 9_990
