"""Patients on the phone: what they hear while it is said, and when."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from desk.settings.settings import Settings
from ivr.prompts.catalogue import load_catalogue
from ivr.prompts.keys import OWN_WELCOME
from ops.softphone.listening import OPENING, SAME_START, HeardPrompt, PromptRecogniser
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.rtp import RATE

PATIENCE = 60.0  # seconds that a caller waits for a prompt; a limit against hanging, not a measure
LOOK_EVERY = 0.25
SETTLES = 3.0  # seconds without a packet, after which what was heard is all there is
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
    _known: list[HeardPrompt] = field(default_factory=list)

    async def keys(self, digits: str, *, info: bool = False) -> None:
        await self.call.key(digits, info=info)

    async def hears(self, *keys: str, after: float = 0.0) -> HeardPrompt:
        """Wait until it is certain that one of these prompts has started later than `after` seconds into the call."""
        wanted = frozenset().union(*map(sounds_of, keys))
        listener = await asyncio.to_thread(listener_for, self.prompts, wanted)
        assert all(key in listener for key in keys), f"not all of {keys} are built"
        first = int(after * RATE)
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    settled, samples = self._settled(), self.call.heard.samples(first)
                    found = await asyncio.to_thread(listener.recognise, samples)
                    ours = [each for each in found if wanted & {each.key, *each.rivals}]
                    if ours and (settled or ours[0].decided or wanted >= {ours[0].key, *ours[0].rivals}):
                        return self._identified(ours[0], wanted, first)
                    over = settled and self.call.ended.is_set()
                    assert not over, f"the call is over, and {keys} was not heard, but {await self.heard()}"
                    searched = ours[0].first_sample if ours else len(samples)
                    first += max(searched - OVERLAP, 0)
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise AssertionError(f"{keys} was not heard within {PATIENCE} s, but {await self.heard()}") from None

    def _settled(self) -> bool:
        """Whether no more sound is coming that could decide what was heard."""
        heard = self.call.heard
        return self.call.ended.is_set() or time.time() - heard.instant(round(heard.seconds * RATE)) > SETTLES

    def _identified(self, heard: HeardPrompt, wanted: frozenset[str], first: int) -> HeardPrompt:
        key = heard.key if heard.key in wanted else min(wanted & heard.rivals)
        heard = replace(heard, key=key, start=heard.start + first / RATE)
        self._known.append(heard)
        return heard

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
        """The same with times. Waits for more sound where the last sentence could still be several."""
        while True:
            async with self.ears:
                settled, samples = self._settled(), self.call.heard.samples()
                listener = await asyncio.to_thread(listener_of, self.prompts, sentences() | ALIKE)
                found = await asyncio.to_thread(listener.recognise, samples)
            if settled or all(each.decided or len(names_of(each)) == 1 for each in found):
                break
            await asyncio.sleep(LOOK_EVERY)
        named = (replace(each, key=name_of(self._best_of(each))) for each in found)
        return [heard for heard in named if heard.key not in ALIKE]

    def _best_of(self, heard: HeardPrompt) -> str:
        """The prompt's key. Where the sound could be several, the one that `hears` has identified there."""
        near = (known.key for known in self._known if abs(known.start - heard.start) < SAME_START / RATE)
        return next((key for key in near if key in heard.rivals), heard.key)

    def instant(self, heard: HeardPrompt) -> float:
        """Unix time at which the first packet of this prompt arrived."""
        return self.call.heard.instant(heard.first_sample)


def sounds_of(key: str) -> frozenset[str]:
    """The prompts that a test means by `key`: any department's welcome is a welcome."""
    return frozenset(each for each in sentences() if each.startswith(OWN_WELCOME) and key == WELCOME) | {key}


def name_of(key: str) -> str:
    return WELCOME if key.startswith(OWN_WELCOME) else key


def names_of(heard: HeardPrompt) -> set[str]:
    return {name_of(key) for key in (heard.key, *heard.rivals)}


@cache
def listener_for(folder: Path, keys: frozenset[str]) -> PromptRecogniser:
    """A listener for these prompts, and for the sentences that could be mistaken for one of them."""
    whole = listener_of(folder, sentences() | ALIKE | keys)
    return listener_of(folder, keys.union(*map(whole.starting_like, keys)))


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
    settings: Settings,
    extension: str,
    caller: str = "",
    *,
    withheld: bool = False,
    private: bool = True,
    name: str = "",
) -> AsyncIterator[Caller]:
    """A caller who has just been answered. Hangs up at the end of the block, unless the call is over."""
    async with Phone("127.0.0.1", settings.sip.port) as phone:
        call = await phone.ring(extension, caller=caller, withheld=withheld, private=private, name=name, patience=30)
        yield Caller(call, settings.files.prompts / "build" / "nb")
        await call.hang_up()
