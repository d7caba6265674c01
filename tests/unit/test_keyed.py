"""What surplus keys mean, and when the identity number that they leave is in doubt."""

import pytest

from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import IdentityNumber
from ivr.dialogue.keyed import keeps_doubled, read_identity, read_phone
from tests.support.synthetic import synthetic_identity

IDENTITY = synthetic_identity(12)  # no key stands next to one like it
OTHER = synthetic_identity(2)


def read(keyed: str) -> IdentityNumber:
    return read_identity(keyed, allow_test=True, allow_h=False)


@pytest.mark.parametrize("place", range(11))
@pytest.mark.parametrize("times", [2, 3])
def test_one_doubled_or_held_key_leaves_the_number_certain(place: int, times: int) -> None:
    number = read(IDENTITY[:place] + IDENTITY[place] * times + IDENTITY[place + 1 :])
    assert (number.value, number.doubtful) == (IDENTITY, False)


def test_number_that_was_started_over_is_certain() -> None:
    number = read(IDENTITY[:6] + IDENTITY)
    assert (number.value, number.doubtful) == (IDENTITY, False)


@pytest.mark.parametrize("surplus", ["7", "91", "9099"])
def test_number_that_surplus_keys_do_not_explain_is_doubtful(surplus: str) -> None:
    assert not surplus.startswith(IDENTITY[-1])
    number = read(IDENTITY + surplus)
    assert (number.value, number.doubtful) == (IDENTITY, True)


def test_number_with_three_slips_that_is_not_the_only_valid_one_is_refused() -> None:
    """«03910679812» with one key doubled and the last one held: the last eleven keys are valid by chance."""
    with pytest.raises(InvalidIdentity):
        read("03910067981222")
    assert read("03910679812").value == "03910679812"


def test_key_left_doubled_of_three_is_doubtful() -> None:
    """«08920268715» with its fifth key left out and the 7 held: what is left is a valid number of someone else."""
    assert read("089226877715") == IdentityNumber("08922687715", read("08922687715").kind)
    assert read("089226877715").doubtful


def test_doubt_is_no_part_of_who_it_is() -> None:
    assert read(IDENTITY + "7") == read(IDENTITY)


def test_keys_that_could_be_either_of_two_people_are_refused() -> None:
    with pytest.raises(InvalidIdentity):
        read(IDENTITY + OTHER)


@pytest.mark.parametrize(
    ("keyed", "number", "doubtful"),
    [("688059321", "+4768059321", False), ("685777790", "+4768577790", True), ("4768059321", "+4768059321", False)],
)
def test_surplus_keys_that_do_not_explain_a_phone_number_make_it_doubtful(
    keyed: str, number: str, doubtful: bool
) -> None:
    phone = read_phone(keyed)
    assert (phone.number.e164, phone.changed, phone.doubtful) == (number, True, doubtful)


@pytest.mark.parametrize(
    ("keyed", "digits", "doubled", "keeps"),
    [
        ("139000077161", "13900007161", {5, 6}, True),  # the 0 was held, the 7 keyed twice, and the last 9 left out
        ("139000077161", "13900007161", {8}, False),
        ("139000077161", "13900007161", set(), False),
        ("1390007716199", "13900771619", {5, 12}, False),
        ("1390007716199", "13900771619", {4, 5, 12}, True),
        ("13900771619", "13900771619", {4}, True),
        ("1390013900771619", "13900771619", {4}, False),  # in what was started over
        ("1390013900771619", "13900771619", {9}, True),
        ("113900771619", "13900771619", {1}, False),
        ("4778059321", "78059321", {2}, True),
    ],
)
def test_number_keeps_a_doubled_key_unless_the_surplus_keys_are_the_doubled_ones(
    keyed: str, digits: str, doubled: set[int], keeps: bool
) -> None:
    assert keeps_doubled(keyed, digits, doubled) is keeps


def test_one_key_held_and_another_one_doubled_leave_the_number_certain() -> None:
    number = read(IDENTITY[0] + IDENTITY[1] * 3 + IDENTITY[2:9] + IDENTITY[9] * 2 + IDENTITY[10])
    assert (number.value, number.doubtful) == (IDENTITY, False)
