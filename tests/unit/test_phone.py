"""Phone numbers that may be called back."""

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneProblem, parse_phone

MOBILE = "+4740612345"  # phonenumbers' example of a Norwegian mobile number


def example_number(region: str, kind: int) -> str:
    number = phonenumbers.example_number_for_type(region, kind)
    assert number is not None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    "written",
    ["68050001", "+4768050001", "004768050001", "68 05 00 01", "+47 680 50 001", " 68050001 ", "+47-68050001"],
)
def test_norwegian_number_is_read_in_every_spelling(written: str) -> None:
    assert parse_phone(written).e164 == "+4768050001"


def test_every_number_reserved_for_fiction_is_accepted() -> None:
    for number in range(68050000, 68060000):
        parsed = parse_phone(str(number))
        assert (parsed.e164, parsed.mobile) == (f"+47{number}", False)


@pytest.mark.parametrize(
    "kind",
    [
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.VOIP,
        phonenumbers.PhoneNumberType.UAN,
    ],
)
def test_allowed_kinds_of_numbers_are_accepted(kind: int) -> None:
    number = example_number("NO", kind)
    assert parse_phone(number).e164 == number
    assert parse_phone(number).mobile is (kind == phonenumbers.PhoneNumberType.MOBILE)


@pytest.mark.parametrize("kind", [phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST])
@pytest.mark.parametrize("allow_foreign", [False, True])
def test_premium_numbers_are_refused(kind: int, allow_foreign: bool) -> None:
    assert problem(example_number("NO", kind), allow_foreign=allow_foreign) is PhoneProblem.PREMIUM


@pytest.mark.parametrize("region", ["GB", "SE", "DE", "US"])
def test_foreign_premium_numbers_are_refused(region: str) -> None:
    number = example_number(region, phonenumbers.PhoneNumberType.PREMIUM_RATE)
    assert problem(number, allow_foreign=True) is PhoneProblem.PREMIUM


@pytest.mark.parametrize("written", ["110", "112", "113", "116117", "116123", "1881", "175", "+47113", "0047116117"])
def test_short_numbers_are_refused(written: str) -> None:
    assert problem(written) is PhoneProblem.SHORT_NUMBER
    assert problem(written, allow_foreign=True) is PhoneProblem.SHORT_NUMBER


@pytest.mark.parametrize("written", ["+46701740605", "0046701740605", "+4532123456", "+442083661177"])
def test_foreign_numbers_are_accepted_only_where_allowed(written: str) -> None:
    assert problem(written) is PhoneProblem.FOREIGN
    assert parse_phone(written, allow_foreign=True).e164 == "+" + written.lstrip("+0")


@pytest.mark.parametrize("written", [None, "", " ", "\t\n", "\u00a0"])
def test_missing_number_is_empty(written: str | None) -> None:
    assert problem(written) is PhoneProblem.EMPTY


@pytest.mark.parametrize("written", ["anonymous", "Anonymous", "unknown", "restricted", '"Anonymous"', "unavailable"])
def test_withheld_numbers_are_recognised(written: str) -> None:
    assert problem(written) is PhoneProblem.WITHHELD


@pytest.mark.parametrize(
    "written",
    [
        "sip:68050001@example.org",
        "sip:+4768050001@192.0.2.1;user=phone",
        "<sip:anonymous@anonymous.invalid>",
        "tel:+4768050001",
        "68050001&PJSIP/100",
        "68050001@trunk",
        "68050001,20",
        "68050001/n",
        "68050001 ext 5",
        "68050001;phone-context=+47",
        "68050001\r\nX-Header: 1",
        "68050001\x00",
        "６８０５０００１",
        "٦٨٠٥٠٠٠١",
        "+",
        "++4768050001",
        "+00",
        "00",
        "+0",
        "+999123456789",
        "68050001680500016805000168050001",
        "6805" + " " * 25 + "0001",  # longer than any number
        "9" * 31,
        "9" * 100_000,
        "+80012345678",
        "1800FLOWERS",
        "10000000",
        "00000000",
        "80012345",
    ],
)
def test_invalid_number_is_refused(written: str) -> None:
    assert problem(written) in {PhoneProblem.NOT_A_NUMBER, PhoneProblem.SHORT_NUMBER, PhoneProblem.FOREIGN}


@given(
    st.one_of(st.none(), st.text(max_size=40), st.text(alphabet="+0123456789 ()-.#*;=@", max_size=33)), st.booleans()
)
@example("\ud800", False)
@example("+" * 32, True)
def test_arbitrary_text_is_a_number_or_refused(written: str | None, allow_foreign: bool) -> None:
    try:
        number = parse_phone(written, allow_foreign=allow_foreign)
    except InvalidPhone as refusal:
        assert refusal.problem in set(PhoneProblem)
        assert not any(character.isdigit() for character in str(refusal))
    else:
        assert number.e164.startswith("+")
        assert number.e164[1:].isascii()
        assert number.e164[1:].isdigit()
        assert parse_phone(number.e164, allow_foreign=allow_foreign) == number
        assert all(number.national_groups)


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        (MOBILE, ("406", "12", "345")),
        ("68050001", ("68", "05", "00", "01")),
        ("02800", ("02", "80", "0")),
        ("+46701740605", ("0046", "70", "17", "40", "60", "5")),
    ],
)
def test_numbers_are_grouped_as_people_say_them(written: str, groups: tuple[str, ...]) -> None:
    assert parse_phone(written, allow_foreign=True).national_groups == groups


def test_a_number_is_masked_wherever_it_is_shown() -> None:
    number = parse_phone("68050001")
    assert str(number) == f"{number}" == number.masked == "+47******01"
    assert "680500" not in repr([number])


def problem(written: str | None, *, allow_foreign: bool = False) -> PhoneProblem:
    with pytest.raises(InvalidPhone) as refusal:
        parse_phone(written, allow_foreign=allow_foreign)
    return PhoneProblem(refusal.value.problem)


@pytest.mark.parametrize(
    "raw",
    [
        "(+47) 680 50 001",
        "+47 (0) 68050001",
        "680\u202f50\u2009001",
        "\u202a+4768050001\u202c",
        "\u200e68050001",
        "+47\u00a068\u00a005\u00a000\u00a001",
    ],
)
def test_copied_number_is_cleaned(raw: str) -> None:
    assert parse_phone(raw).e164 == "+4768050001"


@pytest.mark.parametrize("number", ["42000001", "+4743000001", "44000001", "49000001", "04123"])
def test_number_that_the_library_does_not_know_is_taken_when_the_trunk_asserts_it(number: str) -> None:
    assert parse_phone(number, asserted=True).e164.endswith(number.removeprefix("+47").lstrip("+"))
    with pytest.raises(InvalidPhone):
        parse_phone(number)


@pytest.mark.parametrize("number", ["82900000", "113", "116117", "+999123"])
def test_premium_short_and_impossible_numbers_are_refused_also_when_asserted(number: str) -> None:
    with pytest.raises(InvalidPhone):
        parse_phone(number, allow_foreign=True, asserted=True)
