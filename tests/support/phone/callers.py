"""Patients on the phone: what they hear while it is said, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from desk.settings.settings import Settings
from ivr.prompts.catalogue import load_catalogue
from ivr.prompts.keys import OWN_WELCOME
from ops.softphone.listening import OPENING, HeardPrompt, PromptRecogniser
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.rtp import RATE

PATIENCE = 60.0  # seconds that a caller waits for a prompt; a limit against hanging, not a measure
LOOK_EVERY = 0.25
OVERLAP = 2 * OPENING  # samples searched again, because a prompt may have started just before the last search


WELCOME = "welcome"
"""What the welcome is called here, whichever department's it is."""
ALIKE = frozenset({"we_ring", "ring_number"})
"""Fragments that some sentences start with. A listener without them would mistake them for those sentences."""


@dataclass
class Caller:
    """A person in a call. `keys` and `hears` are what a person can do; `heard` gives the result afterwards.

    `ears`: entered to search a whole recording. Where many call at once, one at a time, or others get too late.
    """

    call: PhoneCall
    prompts: Path
    ears: AbstractAsyncContextManager[Any] = field(default_factory=nullcontext)

    async def keys(self, digits: str, *, info: bool = False) -> None:
        await self.call.key(digits, info=info)

    async def hears(self, *keys: str, after: float = 0.0) -> HeardPrompt:
        """Wait until one of these prompts has started later than `after` seconds into the call."""
        listener = await asyncio.to_thread(listener_of, self.prompts, frozenset(keys))
        assert len(listener) == len(keys), f"not all of {keys} are built"
        first = int(after * RATE)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    over, samples = self.call.ended.is_set(), self.call.heard.samples(first)
                    found = await asyncio.to_thread(listener.recognise, samples)
                    if found:
                        return replace(found[0], start=found[0].start + first / RATE)
                    assert not over, f"the call is over, and {keys} was not heard, but {await self.heard()}"
                    first += max(len(samples) - OVERLAP, 0)
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise AssertionError(f"{keys} was not heard within {PATIENCE} s, but {await self.heard()}") from None

    async def ends(self) -> None:
        """Wait until the other side has hung up."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.call.ended.wait()
        except TimeoutError:
            raise AssertionError(f"nobody hung up; heard was {await self.heard()}") from None

    async def hangs_up(self) -> None:
        await self.call.hang_up()

    async def heard(self) -> list[str]:
        """Every sentence heard so far, in order (single words and digits left out)."""
        return [heard.key for heard in await self.sentences()]

    async def sentences(self) -> list[HeardPrompt]:
        """The same with times. In a thread, so that packets do not have to wait."""
        async with self.ears:
            samples = self.call.heard.samples()
            listener = await asyncio.to_thread(listener_of, self.prompts, sentences() | ALIKE)
            found = await asyncio.to_thread(listener.recognise, samples)
        named = (replace(each, key=WELCOME) if each.key.startswith(OWN_WELCOME) else each for each in found)
        return [heard for heard in named if heard.key not in ALIKE]

    def instant(self, heard: HeardPrompt) -> float:
        """Unix time at which the first packet of this prompt arrived."""
        return self.call.heard.instant(heard.first_sample)


@cache
def listener_of(folder: Path, keys: frozenset[str]) -> PromptRecogniser:
    """A listener for these prompts. Cached, because reading them takes longer than a search in a second of sound."""
    return PromptRecogniser.of_folder(folder, keys)


@cache
def sentences() -> frozenset[str]:
    """The whole sentences of the Bokmål catalogue."""
    catalogue = load_catalogue(Settings.load(need_keys=False, environment="demo").files.prompts / "catalogue.toml")
    return frozenset(key for key in catalogue.texts["nb"] if not catalogue.is_fragment("nb", key))


@asynccontextmanager
async def ringing(
    settings: Settings, extension: str, caller: str = "", *, withheld: bool = False, name: str = ""
) -> AsyncIterator[Caller]:
    """A caller who has just been answered. Hangs up at the end of the block, unless the call is over."""
    async with Phone("127.0.0.1", settings.sip.port) as phone:
        call = await phone.ring(extension, caller=caller, withheld=withheld, name=name, patience=30)
        yield Caller(call, settings.files.prompts / "build" / "nb")
        await call.hang_up()
