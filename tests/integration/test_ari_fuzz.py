"""Ten thousand broken events, after which the next caller is served as usual."""

import asyncio
import copy
import json
import random
from typing import Any

from structlog.testing import capture_logs

from ivr.asterisk.events import WANTED
from ivr.calls.call import Call, Keys
from tests.support.phone.fake_ari import channel_json, serving
from tests.support.phone.phone_door import open_door, until

EVENTS = 10_000
SEED = 20270324
JUNK: list[Any] = [None, True, -1, 1e308, "", "x", "\ud800", "Ø" * 300, [], [[]], {}, {"id": None}, {"id": "1.1"}]
TYPES = (
    *WANTED[:-1],
    "ChannelVarset",
    "PlaybackStarted",
    "Dial",
    "",
    "stasisstart",
    "__class__",
    "ApplicationReplaced ",
)


def broken(chance: random.Random) -> str | bytes:
    """One event, or what is left of it. Never a valid ApplicationReplaced, which would end the controller."""
    channel_id = chance.choice(
        ["1.1", "1.2", "1.3", "../../asterisk/ping", "x?y=1&z#", "x" * chance.choice([160, 4000])]
    )
    message: dict[str, Any] = {
        "type": chance.choice(TYPES),
        "args": chance.choice([["kirurgi", "nb", "allowed"], ["kirurgi"], ["?"], []]),
        "asterisk_id": "02:00:00:00:00:01",
        "digit": chance.choice("0123456789*#AD"),
        "channel": channel_json(channel_id, ("kirurgi", "nb")),
        "playback": {"id": chance.choice(["p", ""]), "target_uri": f"channel:{channel_id}", "state": "done"},
    }
    for _ in range(chance.randrange(3)):
        spoil(message, chance)
    text = json.dumps(message)
    match chance.randrange(40):
        case 0:
            return text[: chance.randrange(len(text))]
        case 1:
            return text.encode()
        case 2:
            return json.dumps({**message, "padding": "x" * 300_000})
        case 3:
            return text.replace('"', "'")
        case 4:
            return json.dumps([message])
        case _:
            return text


def spoil(message: dict[str, Any], chance: random.Random) -> None:
    """Remove or replace one field."""
    at = message
    while True:
        key = chance.choice(list(at))
        if isinstance(at[key], dict) and at[key] and chance.random() < 0.6:
            at = at[key]
            continue
        break
    if chance.random() < 0.4:
        del at[key]
    else:
        at[key] = copy.deepcopy(chance.choice(JUNK))
    message.setdefault("type", chance.choice(TYPES))


async def test_controller_still_serves_after_ten_thousand_broken_events() -> None:
    chance = random.Random(SEED)
    served: list[Keys] = []

    async def conversation(call: Call, *_: Any) -> None:
        keys = await call.ask("welcome", digits=5, first=2, between=2)
        if call.key.channel_id == "9.9":
            served.append(keys)
        await call.play("received")

    with capture_logs() as logs:
        async with serving() as fake, open_door(fake, conversation) as door:
            for number in range(EVENTS):
                message = broken(chance)
                await fake.send(message)
                if chance.random() < 0.1:
                    await fake.send(message)
                if number % 100 == 0:
                    await asyncio.sleep(0)
            await fake.call_in("9.9", "kirurgi", "nb", "allowed")
            await until(lambda: fake.made("POST /channels/9.9/play"), 60)
            await fake.press("9.9", "12345")
            await until(lambda: fake.made("DELETE /channels/9.9"), 60)
            assert [keys.digits for keys in served] == ["12345"]
            assert fake.connections == 1
            assert not door.serving.done()
            await until(lambda: door.controller.calls == 0, 60)
    events = {log["event"] for log in logs if log["log_level"] in {"error", "critical"}}
    assert "Could not route an event" not in events
    assert "12345" not in str(logs)
    assert not [request for request in fake.requests if request.path.startswith("/asterisk/ping/")]
