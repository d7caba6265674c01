"""Digits that follow a complete identity number: it may be someone else's, and the agent sees that."""

import asyncio

import pytest

from desk.database.errors import StorageUnavailable
from desk.numbers.identity_number import parse_identity
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import COMMIT_SECONDS, IDENTITY, OPENING, OWN_NUMBER, RECEIPT, World
from tests.support.synthetic import with_control_digits

KEYED = 2.5 + 0.5 * 10
"""The second of the last digit of a caller who keys while the request plays."""

TWICE = with_control_digits("018150233") or ""
"""The eighth digit comes again, and no other does."""


def world() -> World:
    made = World()
    made.caller.keys(IDENTITY, at=2.5)
    return made


@pytest.mark.parametrize("late", [2.0, 3.5])
@on_virtual_time
async def test_late_digits_mark_the_identity_number_and_cut_nothing_off(late: float) -> None:
    made = world()
    made.caller.keys("72", at=KEYED + late)
    await made.ring()
    assert made.prompts == [*OPENING, *RECEIPT]
    assert made.stored == (IDENTITY, OWN_NUMBER)
    assert made.callers.doubted == 1


@on_virtual_time
async def test_caller_who_keys_late_digits_and_hangs_up_is_marked_too() -> None:
    made = world()
    made.caller.keys("7", at=KEYED + 2)
    made.caller.hangs_up(at=KEYED + COMMIT_SECONDS + 2)
    await made.ring()
    assert made.hung_up
    assert made.callers.doubted == 1


@pytest.mark.parametrize(("keys", "second"), [("", 0.0), ("#", 2.0), ("1", 12.0)])
@on_virtual_time
async def test_nothing_late_leaves_the_identity_number_certain(keys: str, second: float) -> None:
    made = world()
    made.caller.keys(keys, at=KEYED + second)
    await made.ring()
    assert made.callers.doubted == 0


@on_virtual_time
async def test_digits_within_the_answer_decide_what_is_registered() -> None:
    made = World()
    made.caller.keys(IDENTITY + "7", at=2.5, gap=0.3)
    await made.ring()
    [(_, _, patient, _, _)] = made.desk.registered
    assert patient == parse_identity(IDENTITY, allow_test=True, allow_h=False)
    assert patient and patient.doubtful
    assert made.callers.doubted == 0


@on_virtual_time
async def test_mark_that_cannot_be_stored_takes_no_receipt_away() -> None:
    made = world()
    made.callers.failing = StorageUnavailable()
    made.caller.keys("7", at=KEYED + 2)
    await made.ring()
    assert made.prompts == [*OPENING, *RECEIPT]


def keyed(caller: FakeChannel, digits: str, *, at: float, fast: int | None, gap: float = 0.5) -> None:
    """Key digits at an even pace, and the one at `fast` only 0.1 s after the one before it."""
    for place, digit in enumerate(digits):
        caller.keys(digit, at=at)
        at += 0.1 if place + 1 == fast else gap


@pytest.mark.parametrize(("fast", "doubtful"), [(None, False), (8, True), (3, False)])
@on_virtual_time
async def test_key_that_came_twice_too_fast_marks_the_identity_number(fast: int | None, doubtful: bool) -> None:
    made = World()
    keyed(made.caller, TWICE, at=2.5, fast=fast)
    await made.ring()
    [(_, _, patient, _, _)] = made.desk.registered
    assert patient and patient.value == TWICE
    assert patient.doubtful is doubtful
    assert made.prompts == [*OPENING, *RECEIPT]


@pytest.mark.parametrize(("held", "doubtful"), [(True, True), (False, False)])
@on_virtual_time
async def test_surplus_key_that_is_not_the_one_doubled_too_fast_marks_the_identity_number(
    held: bool, doubtful: bool
) -> None:
    """«13900771619» with the first 0 held and the last digit left out is someone else's number with the 7 doubled."""
    made, at = World(), 2.5
    for place, digit in enumerate("139000077161"):
        at += 0.1 if held and place in (4, 5) else 0.5
        made.caller.keys(digit, at=at)
    await made.ring()
    [(_, _, patient, _, _)] = made.desk.registered
    assert patient and patient.value == "13900007161"
    assert patient.doubtful is doubtful


@on_virtual_time
async def test_fast_fingers_are_no_doubled_key() -> None:
    made = World()
    keyed(made.caller, TWICE, at=2.5, fast=None, gap=0.12)
    await made.ring()
    [(_, _, patient, _, _)] = made.desk.registered
    assert patient and not patient.doubtful


@pytest.mark.parametrize(("fast", "doubtful"), [(None, False), (1, True)])
@on_virtual_time
async def test_key_of_the_telephone_number_that_came_twice_too_fast_marks_the_callback(
    fast: int | None, doubtful: bool
) -> None:
    made = World(withheld=True)
    made.caller.keys(IDENTITY, at=2.5)
    keyed(made.caller, "66059877", at=14.0, fast=fast)
    await made.ring()
    [(_, _, patient, phone, _)] = made.desk.registered
    assert phone.e164 == "+4766059877"
    assert patient and patient.doubtful is doubtful


@pytest.mark.parametrize(("fast", "doubted"), [(None, 0), (1, 1)])
@on_virtual_time
async def test_new_number_with_a_key_that_came_twice_too_fast_marks_the_callback(
    fast: int | None, doubted: int
) -> None:
    asked, began = world(), asyncio.get_running_loop().time()
    asked.caller.answers("change_number", "1")
    await asked.ring()
    second = next(at for at, prompt in asked.caller.heard if prompt == "ask_phone") - began
    made = world()
    made.caller.answers("change_number", "1")
    keyed(made.caller, "66059877", at=second + 1.5, fast=fast)
    await made.ring()
    assert made.callers.changed_to == ["+4766059877"]
    assert made.callers.doubted == doubted
