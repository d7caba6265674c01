"""Questions asked at the same time share one answer's work; one asked alone waits for nobody."""

import asyncio
from collections.abc import Sequence

import pytest

from desk.database.batching import MOST, Batcher
from desk.database.errors import StorageUnavailable

UNLUCKY = -13


class Desk:
    """Doubles numbers, when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.called = asyncio.Event()

    async def answer(self, questions: Sequence[int]) -> list[int]:
        self.asked.append(list(questions))
        self.called.set()
        await self.open.wait()
        if UNLUCKY in questions:
            raise StorageUnavailable
        return [2 * question for question in questions]


async def test_one_alone_is_answered_alone() -> None:
    desk = Desk()
    at_once = Batcher(desk.answer)
    assert [await at_once.ask(n) for n in range(3)] == [0, 2, 4]
    assert desk.asked == [[0], [1], [2]]


async def test_what_comes_meanwhile_goes_together_and_each_gets_its_own_answer() -> None:
    desk = Desk()
    desk.open.clear()
    at_once = Batcher(desk.answer)
    asked = [asyncio.create_task(at_once.ask(0))]
    await desk.called.wait()
    asked += [asyncio.create_task(at_once.ask(n)) for n in range(1, MOST + 3)]
    await asyncio.sleep(0)
    desk.open.set()
    assert await asyncio.gather(*asked) == [2 * n for n in range(MOST + 3)]
    assert [len(each) for each in desk.asked] == [1, MOST, 2]


async def test_an_error_is_told_to_all_who_shared_it_and_to_nobody_else() -> None:
    at_once = Batcher(Desk().answer)
    told = await asyncio.gather(*(at_once.ask(n) for n in (UNLUCKY, 1)), return_exceptions=True)
    assert [type(each) for each in told] == [StorageUnavailable, StorageUnavailable]
    assert await at_once.ask(4) == 8


async def test_who_is_cancelled_waits_for_the_end_and_the_others_get_their_answers() -> None:
    desk = Desk()
    desk.open.clear()
    at_once = Batcher(desk.answer)
    first, second = (asyncio.create_task(at_once.ask(n)) for n in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert not first.done()
    desk.open.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == 4
