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
    assert parse_channel({"id": "1.1"}, "a") is None
    assert parse_channel(None, "a") is None
