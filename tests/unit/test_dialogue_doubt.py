"""Digits that follow a complete identity number: it may be someone else's, and the agent sees that."""

import pytest

from desk.database.errors import StorageUnavailable
from desk.numbers.identity_number import parse_identity
from ivr.rehearsal.virtual_time import on_virtual_time
from tests.support.phone.dialogue import COMMIT_SECONDS, IDENTITY, OPENING, OWN_NUMBER, RECEIPT, World

KEYED = 2.5 + 0.5 * 10
"""The second of the last digit of a caller who keys while the request plays."""


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
