"""The standby sends on the callers of a phone door that died, and only those."""

import asyncio
from contextlib import suppress
from pathlib import Path

from ivr.abandoned import HUNG_AFTER, Abandoned
from ivr.asterisk.errors import AriUnavailable
from ivr.calls.playback import held_ids, playback_ids
from ivr.calls.seat import Occupancy, Seat, occupancy

CALLER = "1790000000.1"


class Channels:
    """What is in our application in Asterisk."""

    def __init__(self, *ids: str) -> None:
        self.ids = frozenset(ids)
        self.languages: dict[str, str] = {}
        self.stopped: list[str] = []
        self.left: list[tuple[str, str, str]] = []
        self.failures = 0

    async def channel_ids(self) -> frozenset[str]:
        if self.failures:
            self.failures -= 1
            raise AriUnavailable
        return self.ids

    async def language(self, channel_id: str) -> str | None:
        return self.languages.get(channel_id)

    async def stop(self, playback_id: str) -> None:
        self.stopped.append(playback_id)

    async def leave(self, channel_id: str, context: str, extension: str) -> None:
        self.left.append((channel_id, context, extension))
        self.ids -= {channel_id}


async def beats(seat: Seat) -> None:
    """Give signs of life often enough for a watcher that asks each millisecond."""
    while True:
        seat.beat()
        await asyncio.sleep(0)


async def watched(channels: Channels, folder: Path, *, lives: bool, ends: str) -> None:
    """Watch a phone door that does, or does not, live at first."""
    seat = Seat(folder)
    beating = asyncio.create_task(beats(seat))
    if not lives:
        seat.leave()
    watching = asyncio.create_task(Abandoned(channels, folder=folder, asked_every=0.001).serve())
    await asyncio.sleep(0.05)
    if ends == "in order":
        seat.end()
    if ends == "hangs":
        beating.cancel()
    elif ends:
        seat.leave()
    await asyncio.sleep(0.05)
    beating.cancel()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    seat.leave()


async def test_caller_of_a_dead_phone_door_goes_on_at_once_and_a_dial_does_not(tmp_path: Path) -> None:
    channels = Channels(CALLER, "dial-0b6cbd0e-1f2a-4a53-9b7e-2f6f2ad8a001-agent")
    channels.failures = 2
    await watched(channels, tmp_path, lives=True, ends="killed")
    assert channels.left == [(CALLER, "again", "nb")]
    assert channels.stopped == [*playback_ids(CALLER), *held_ids(CALLER)], "or it leaves only after what plays"


async def test_caller_of_a_phone_door_that_hangs_goes_on_once(tmp_path: Path) -> None:
    channels = Channels(CALLER, "1790000000.2")
    channels.failures = 2
    await watched(channels, tmp_path, lives=True, ends="hangs")
    assert channels.left == [(CALLER, "again", "nb"), ("1790000000.2", "again", "nb")]


async def test_caller_is_sent_on_in_the_language_of_the_channel_where_the_dialplan_has_it(tmp_path: Path) -> None:
    channels = Channels(CALLER, "1790000000.2", "1790000000.3")
    channels.languages = {CALLER: "en", "1790000000.2": "en_GB", "1790000000.3": "s,1"}
    await watched(channels, tmp_path, lives=True, ends="killed")
    assert [language for _, _, language in channels.left] == ["en", "nb", "nb"]


async def test_caller_of_a_living_phone_door_stays(tmp_path: Path) -> None:
    channels = Channels(CALLER)
    await watched(channels, tmp_path, lives=True, ends="")
    assert channels.left == []


async def test_receipts_that_asterisk_finishes_after_an_orderly_end_are_left_alone(tmp_path: Path) -> None:
    channels = Channels(CALLER)
    await watched(channels, tmp_path, lives=True, ends="in order")
    assert channels.left == []


async def test_phone_door_that_never_lived_here_has_no_callers(tmp_path: Path) -> None:
    channels = Channels(CALLER)
    await watched(channels, tmp_path, lives=False, ends="")
    assert channels.left == []


def test_seat_says_who_has_it(tmp_path: Path) -> None:
    assert occupancy(tmp_path) is Occupancy.NO_ONE
    seat = Seat(tmp_path)
    assert occupancy(tmp_path) is Occupancy.HELD
    seat.leave()
    assert occupancy(tmp_path) is Occupancy.DIED
    successor = Seat(tmp_path)
    assert successor.name == seat.name
    successor.end()
    successor.leave()
    assert occupancy(tmp_path) is Occupancy.NO_ONE
    third = Seat(tmp_path)
    assert (third.name, occupancy(tmp_path)) == (seat.name, Occupancy.HELD)
    third.leave()
    assert occupancy(tmp_path) is Occupancy.DIED


async def test_phone_door_that_hangs_again_loses_its_callers_again_and_one_that_hangs_on_does_not(
    tmp_path: Path,
) -> None:
    seat, channels = Seat(tmp_path), Channels(CALLER)
    watch = Abandoned(channels, folder=tmp_path)
    for caller in (CALLER, "1790000000.2"):
        channels.ids = frozenset({caller})
        seat.beat()
        for _ in range(HUNG_AFTER):
            await watch.ask()
            assert (caller, "again", "nb") not in channels.left
        await watch.ask()
        channels.ids = frozenset({"1790000000.3"})
        await watch.ask()
    assert [channel for channel, _, _ in channels.left] == [CALLER, "1790000000.2"]
    seat.leave()
