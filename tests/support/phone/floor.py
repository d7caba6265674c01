"""The setup for callers' stories: a running system, phone lines, and access to the agents' lists."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import dropwhile
from typing import Any

from desk.clock import OSLO
from tests.support.machine.system import System
from tests.support.phone.callers import Caller, listener_of, ringing, sounds_of
from tests.support.phone.exchange import spoken_time
from tests.support.synthetic import synthetic_identity

MOST_TRIES = 6
OPENING = ("welcome", "emergency", "ask_identity")
"""Any of these shows that keys are accepted; on a busy machine the first may be distorted."""
TIMES = frozenset(
    {
        *("today_by", "today_at", "tomorrow_by", "tomorrow_at", "by_clock", "at_clock", "we_ring", "from_number"),
        *(f"weekday_{n}" for n in range(7)),
        *(f"date_{n}" for n in range(1, 32)),
        *(f"month_{n}" for n in range(1, 13)),
        *(f"oclock_{n}" for n in range(8, 16)),
    }
)


@dataclass
class Floor:
    """The tools of a story: `rings` makes a call, `callback` and `call` read what was stored for a number."""

    system: System
    lines: asyncio.Semaphore
    ears: asyncio.Semaphore

    @asynccontextmanager
    async def rings(
        self, number: str, extension: str = "1000", *, withheld: bool = False, language: str = "nb"
    ) -> AsyncIterator[Caller]:
        async with self.lines, ringing(self.system.settings, extension, number, withheld=withheld) as caller:
            caller.ears = self.ears
            yield speaking(caller, language)

    @asynccontextmanager
    async def cuts(
        self,
        prompt: str,
        key: str,
        number: str,
        before: "Before | None" = None,
        *,
        withheld: bool = False,
        registers: bool = False,
    ) -> AsyncIterator[Caller]:
        """A call in which `key` interrupted the prompt. On a busy machine a key may be late: then call again.

        `registers`: the call has stored a callback by then. It is closed before the next try, which would hear its
        status instead of the prompt.
        """
        for _ in range(MOST_TRIES):
            if registers:
                await self._close_open(number)
            async with self.rings(number, withheld=withheld) as caller:
                if before:
                    await before(caller)
                begun = await caller.hears(prompt)
                await caller.keys(key)
                await asyncio.sleep(0.4)
                samples = caller.call.heard.samples(begun.first_sample)
                listener = listener_of(caller.prompts, sounds_of(prompt))
                heard = await asyncio.to_thread(listener.recognise, samples)
                if heard and not heard[0].whole:
                    yield caller
                    return
        raise AssertionError(f"{prompt} was never broken off by a key")

    async def _close_open(self, number: str) -> None:
        """Close the callbacks of the number that are open, as an agent who reaches the patient does."""
        for each in await self.callbacks(number):
            if each["status"] == "waiting":
                fence = (await self.api("POST", f"/callbacks/{each['id']}/claim"))["fence"]
                await self.api("POST", f"/callbacks/{each['id']}/attempts", {"outcome": "reached", "fence": fence})

    async def registers(self, number: str, person: int, extension: str = "1000") -> dict[str, Any]:
        """Call as someone who knows what to do. Returns the stored callback."""
        async with self.rings(number, extension) as caller:
            await caller.hears(*OPENING)
            await caller.keys(synthetic_identity(person))
            await caller.hears("received")  # and hangs up at once; the callback is stored
        return await self.callback(number)

    async def callbacks(self, number: str) -> list[dict[str, Any]]:
        items = (await self.api("GET", "/callbacks?limit=200"))["items"]
        return [item for item in items if item["phone"] == number]

    async def callback(self, number: str) -> dict[str, Any]:
        """The only callback of the number."""
        (item,) = await self.callbacks(number)
        return dict(item)

    async def stored_soon(self, number: str) -> dict[str, Any]:
        """The only callback of the number, which is stored shortly after the caller has hung up."""
        async with asyncio.timeout(30):
            while True:
                if found := await self.callbacks(number):
                    (item,) = found
                    return dict(item)
                await asyncio.sleep(0.3)

    async def calls(self, number: str | None) -> list[dict[str, Any]]:
        """The calls of the number that were stored without a callback, once the last one is."""
        items = (await self.api("GET", "/calls?incomplete=true&limit=200"))["items"]
        return [item for item in items if item["phone"] == number]

    async def call(self, number: str | None, step: str, *, department: str = "") -> dict[str, Any]:
        """The only call of the number that ended at `step`; it is written shortly after the caller has hung up."""
        async with asyncio.timeout(30):
            while True:
                calls = [item for item in await self.calls(number) if item["step"] == step]
                found = [item for item in calls if item["department"] == (department or item["department"])]
                if found:
                    (item,) = found
                    return dict(item)
                await asyncio.sleep(0.3)

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        async with self.system.client() as agent:
            answer = await agent.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()


Story = Callable[[Floor], Awaitable[None]]
Before = Callable[[Caller], Awaitable[None]]


def speaking(caller: Caller, language: str) -> Caller:
    """The same caller, who hears this language from now on."""
    return replace(caller, prompts=caller.prompts.parent / language)


async def to_the_end(caller: Caller) -> list[str]:
    """Listen until the other side hangs up. Returns everything heard."""
    await caller.ends()
    heard = await caller.heard()
    assert "rescue" not in heard, "the dialplan took over a call that was being served"
    return heard


async def received(caller: Caller) -> list[str]:
    """Listen to the receipt, and to the end."""
    await caller.hears("received")
    return await to_the_end(caller)


def in_order(heard: Sequence[str], *expected: str) -> bool:
    """Whether these were heard in this order, with anything between them."""
    rest = iter(heard)
    return all(key in rest for key in expected)


async def promise_heard_is_stored(caller: Caller, callback: dict[str, Any], *, after: str = "received") -> None:
    """Check that the day and hour spoken after the prompt are the ones that agents see."""
    begun = await caller.hears(after)
    async with caller.ears:
        samples = caller.call.heard.samples(begun.first_sample)
        found = await asyncio.to_thread(listener_of(caller.prompts, TIMES).recognise, samples)
    words = [heard.key for heard in found]
    assert "from_number" in words, words
    before = words[: words.index("from_number")]
    words_after = list(dropwhile(lambda word: not word.startswith(("today_", "tomorrow_", "weekday_")), before))
    words_after = words_after if after == "received" else before[before.index("we_ring") + 1 :]
    by, when = spoken_time(words_after, datetime.fromisoformat(callback["created_at"]))
    stored = datetime.fromisoformat(callback["promise"]["by"])
    assert when == stored.astimezone(OSLO), (words_after, callback["promise"])
    assert by == (callback["promise"]["from"] != callback["promise"]["by"])


def masked(person: int) -> dict[str, str]:
    """A synthetic person as agents see them."""
    return {"kind": "tenor", "masked": synthetic_identity(person)[:6] + "*****"}
