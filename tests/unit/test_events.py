"""Asterisk's messages as typed events: what is incomplete is ignored, and no event shows the caller in its repr."""

from typing import Any

import pytest

from ivr.asterisk.events import ApplicationReplaced, ChannelDtmfReceived, StasisStart, parse, parse_channel
from tests.support.phone.fake_ari import channel_json

NUMBER = "+4768050001"


def test_repr_of_events_hides_the_caller_and_the_keyed_digits() -> None:
    assert "6805" not in repr(StasisStart("asterisk-1", "1.1", ("kirurgi",), NUMBER))
    assert "7" not in repr(ChannelDtmfReceived("1.1", "7"))


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"type": "StasisStart"},
        {"type": "StasisStart", "args": "kirurgi", "channel": {"id": "1.1"}},
        {"type": "StasisStart", "args": [1], "channel": {"id": "1.1"}},
        {"type": "StasisStart", "args": [], "channel": {"id": ""}},
        {"type": "StasisStart", "args": [], "channel": {"id": "\ud800"}},
        {"type": "StasisStart", "args": ["\ud800"], "channel": {"id": "1.1"}},
        {"type": "StasisStart", "args": [], "channel": {"id": "x" * 161}},
        {"type": "StasisStart", "args": [], "channel": [{"id": "1.1"}]},
        {"type": "ChannelDtmfReceived", "digit": 1, "channel": {"id": "1.1"}},
        {"type": "PlaybackFinished", "playback": {"id": "p"}},
        {"type": "StasisEnd", "channel": None},
        {"type": "ChannelVarset", "channel": {"id": "1.1"}},
    ],
)
def test_incomplete_event_is_ignored(message: Any) -> None:
    assert parse(message) is None


def test_complete_event_is_typed() -> None:
    assert parse({"type": "ApplicationReplaced"}) == ApplicationReplaced()
    message = {"type": "StasisStart", "args": ["kirurgi"], "channel": {"id": "1.1"}}
    assert parse(message) == StasisStart("", "1.1", ("kirurgi",), None)


def test_listed_channel_equals_its_start_event() -> None:
    json = channel_json("1.1", ("kirurgi", "nb", "allowed"), NUMBER)
    assert parse_channel(json, "asterisk-1") == StasisStart("asterisk-1", "1.1", ("kirurgi", "nb", "allowed"), NUMBER)
    assert parse_channel({**json, "dialplan": {"app_name": "Stasis", "app_data": "another,kirurgi"}}, "a") is None
    chosen = parse_channel({**json, "language": "en"}, "asterisk-1")
    assert chosen and chosen.args == ("kirurgi", "en", "allowed"), "the caller changed it"
    assert parse_channel({"id": "1.1"}, "a") is None
    assert parse_channel(None, "a") is None


def dtmf(digit: str, at: str, held: Any = 120) -> ChannelDtmfReceived:
    channel = {"type": "ChannelDtmfReceived", "digit": digit, "channel": {"id": "1.1"}}
    event = parse({**channel, "timestamp": f"2026-11-24T09:00:{at}+0000", "duration_ms": held})
    assert isinstance(event, ChannelDtmfReceived)
    return event


def test_press_that_asterisk_reports_twice_is_one() -> None:
    first = dtmf("8", "43.462")
    assert dtmf("8", "43.491").echoes(first)
    assert not dtmf("8", "43.702").echoes(first), "pressed again, without a pause"
    assert not dtmf("8", "43.585").echoes(first), "seen late, but it may be another press"
    assert not dtmf("7", "43.491").echoes(first)
    assert not dtmf("8", "43.400").echoes(first), "Asterisk's clock was set back"
    assert not first.echoes(None)


@pytest.mark.parametrize(("at", "held"), [("x", 120), ("43.462", None), ("43.462", "120"), ("61.0", 120)])
def test_press_without_a_moment_or_a_length_is_a_press(at: str, held: Any) -> None:
    assert not dtmf("8", at, held).echoes(dtmf("8", at, held))
