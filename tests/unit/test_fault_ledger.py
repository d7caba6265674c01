"""The ledger of the fault runs: silence in a sound, and what was heard against what is stored."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ivr.rehearsal import people
from ops.softphone.listening import PromptRecogniser
from ops.softphone.rtp import RATE
from tests.chaos.callers import Call
from tests.chaos.hearing import OPENING, Hearing, Sentence, callers_turns, longest_silence, questions_by_their_ends
from tests.chaos.ledger import Entry, judge
from tests.chaos.many_at_once import fault_of
from tests.chaos.stored import Stored, StoredCall, StoredCallback

NOTHING = Stored({}, {})
CAME = datetime(2026, 11, 30, 9, tzinfo=UTC)
MADE = CAME + timedelta(seconds=41.5)
RECEIPT = Hearing((Sentence("received", 20.0, 23.0),), 1.0, 5.0)


def tone(hertz: float, seconds: float) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), dtype=np.int16)


def test_silence_lasts_to_the_end_of_a_call_whose_sound_ended_before() -> None:
    assert longest_silence(np.concatenate([tone(300, 2), quiet(1)]), 9.0, []) == (7.0, 2.0)


def test_pause_of_a_ringing_tone_is_not_silence() -> None:
    ringing = np.concatenate([tone(425, 1), quiet(4), tone(425, 1)])
    talking = np.concatenate([tone(300, 1), quiet(4), tone(300, 1)])
    assert longest_silence(ringing, 6.0, [])[0] == 0.0
    assert longest_silence(talking, 6.0, [])[0] == 4.0


def test_callers_turn_is_not_silence() -> None:
    sound = np.concatenate([tone(300, 2), quiet(6), tone(300, 1)])
    turns = callers_turns([Sentence("ask_identity", 0.0, 2.0)], [(3.0, 6.0)])
    length, begins = longest_silence(sound, 9.0, turns)
    assert length < 2.1 and begins >= 6.0


def test_turn_after_a_question_without_an_answer_ends() -> None:
    assert callers_turns([Sentence("ask_identity", 0.0, 2.0)], []) == [(0.0, 12.0)]


def test_question_with_a_gap_in_its_opening_is_still_the_callers_turn() -> None:
    question = np.random.default_rng(7).normal(0, 3000, 3 * RATE).astype(np.int16)
    ears = PromptRecogniser({"change_number": question[int(OPENING * RATE) :]})
    torn = np.concatenate([question[: RATE // 2], quiet(0.2), question[RATE // 2 :]])
    sound = np.concatenate([quiet(1), torn, quiet(1)])
    [found] = questions_by_their_ends(ears, sound)
    assert (found.key, round(found.start, 1), round(found.end, 1)) == ("change_number", 1.2, 4.2)
    assert questions_by_their_ends(ears, sound[: 2 * RATE]) == [], "a question that was broken off asked nothing"


def entry(stored: Stored, hearing: Hearing = RECEIPT, *, withheld: bool = False) -> Entry:
    [found] = judge([Call(7, withheld, answered=True)], [hearing], NOTHING, stored)
    return found


def row(person: int = 7, count: int = 1) -> StoredCallback:
    return StoredCallback(people.number(7), people.identity(person), count)


def of(*rows: StoredCallback) -> Stored:
    return Stored({people.number(7): list(rows)}, {people.number(7): [StoredCall(people.number(7), False, None)]})


def test_true_receipt_has_one_row_of_the_same_person() -> None:
    found = entry(of(row()))
    assert found.true_receipt and not (found.lost or found.doubled or found.wrong)


def test_receipt_without_a_row_is_lost() -> None:
    found = entry(NOTHING)
    assert found.lost and not found.true_receipt and not found.traced


def test_two_rows_or_a_second_call_counted_is_doubled() -> None:
    assert entry(of(row(), row())).doubled
    assert entry(of(row(count=2))).doubled


def test_row_of_someone_else_is_wrong() -> None:
    found = entry(of(row(person=8)))
    assert found.wrong and not found.true_receipt


def test_withheld_caller_is_traced_by_a_call_without_a_number() -> None:
    silent = Hearing((), 0.0, 0.0)
    assert entry(Stored({}, {None: [StoredCall(None, True, "hung_up")]}), silent, withheld=True).traced
    assert not entry(NOTHING, silent, withheld=True).traced


@pytest.mark.parametrize(
    ("rows", "calls", "said"),
    [
        ([row()], [], ""),
        ([], [StoredCall("", True, "hung_up", "identity")], "0 rows; call hung_up at identity"),
        ([row(count=2)], [], "1 rows; the right identity number counted 2"),
        (
            [StoredCallback("", None, 1, doubtful=True, made=MADE)],
            [StoredCall("", False, None, at=CAME)],
            "1 rows; without an identity number counted 1 41.5 s after the call came; in doubt",
        ),
    ],
)
def test_what_is_wrong_with_a_call_is_said_without_its_digits(
    rows: list[StoredCallback], calls: list[StoredCall], said: str
) -> None:
    number, identity = people.number(7), people.identity(7)
    stored = Stored({number: rows}, {number: calls})
    assert fault_of(number, identity, stored) == (f"{number}: {said}" if said else "")


def test_another_identity_number_is_said_by_the_places_that_differ() -> None:
    number, identity = people.number(7), people.identity(7)
    other = identity[:3] + str((int(identity[3]) + 1) % 10) + identity[4:]
    said = fault_of(number, identity, Stored({number: [StoredCallback(number, other, 1)]}, {}), ["received"])
    assert said.endswith("another identity number, at 4 of 11 counted 1; heard received")
    assert identity not in said and other not in said
