"""The table of transitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import AttemptOutcome, CallKey, callback_id
from desk.inquiries.errors import IllegalMove
from desk.inquiries.model import TRANSITIONS, Status, next_status

CANONICAL = "0f8fad5b-d9cb-469f-a165-70867728950e"
ALLOWED = {
    ("waiting", "claimed"),
    ("waiting", "closed"),
    ("claimed", "waiting"),
    ("claimed", "unreachable"),
    ("claimed", "closed"),
    ("unreachable", "waiting"),
    ("unreachable", "closed"),
    ("closed", "waiting"),
}


@pytest.mark.parametrize("current", Status)
@pytest.mark.parametrize("to", Status)
def test_only_the_designed_transitions_are_allowed(current: Status, to: Status) -> None:
    if (current.value, to.value) in ALLOWED:
        assert next_status(current, to) is to
    else:
        with pytest.raises(IllegalMove, match=f"{current} -> {to}"):
            next_status(current, to)


@given(st.lists(st.sampled_from(Status), max_size=30))
def test_every_path_stays_in_the_table_and_closed_leads_only_to_waiting(wishes: list[Status]) -> None:
    current = Status.WAITING
    for wish in wishes:
        before = current
        try:
            current = next_status(current, wish)
        except IllegalMove:
            assert wish not in TRANSITIONS[before]
            continue
        assert wish in TRANSITIONS[before]
        assert before is not Status.CLOSED or current is Status.WAITING


def test_every_status_can_be_left_and_none_leads_to_itself() -> None:
    for status in Status:
        assert TRANSITIONS[status]
        assert status not in TRANSITIONS[status]


def test_codes_are_stable() -> None:
    assert [outcome.value for outcome in AttemptOutcome] == [
        "reached",
        "no_answer",
        "busy",
        "voicemail",
        "wrong_number",
        "dropped",
    ]
    assert CallKey("a", "1") == CallKey("a", "1")


@pytest.mark.parametrize(
    "text", [CANONICAL, CANONICAL.upper(), CANONICAL.replace("-", ""), f"{{{CANONICAL}}}", f"urn:uuid:{CANONICAL}"]
)
def test_id_is_read_in_every_form_of_a_uuid(text: str) -> None:
    assert callback_id(text) == CANONICAL


@pytest.mark.parametrize("text", ["", "nonsense", "1' or '1'='1", "\x00", "å" * 500, "0" * 31])
def test_text_that_is_not_an_id_finds_no_callback(text: str) -> None:
    with pytest.raises(CallbackNotFound):
        callback_id(text)
