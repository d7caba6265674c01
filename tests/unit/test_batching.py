"""Requests made at the same time share one piece of work; a single request does not wait."""

import asyncio
import gc
from collections.abc import Sequence

import pytest

from desk.database.batching import MOST, Batcher
from desk.database.errors import StorageUnavailable

UNLUCKY = -13


class Desk:
    """Doubles numbers, once it is allowed to."""

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


async def test_single_request_is_answered_at_once() -> None:
    desk = Desk()
    at_once = Batcher(desk.answer)
    assert [await at_once.ask(n) for n in range(3)] == [0, 2, 4]
    assert desk.asked == [[0], [1], [2]]


async def test_requests_that_arrive_meanwhile_share_one_batch() -> None:
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


async def test_error_reaches_everyone_in_the_batch_and_no_one_else() -> None:
    at_once = Batcher(Desk().answer)
    told = await asyncio.gather(*(at_once.ask(n) for n in (UNLUCKY, 1)), return_exceptions=True)
    assert [type(each) for each in told] == [StorageUnavailable, StorageUnavailable]
    assert await at_once.ask(4) == 8


async def test_cancelled_request_waits_for_the_batch_and_the_others_are_answered() -> None:
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


async def test_error_of_a_request_that_was_cancelled_is_not_reported_as_lost() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    desk = Desk()
    desk.open.clear()
    asked = asyncio.create_task(Batcher(desk.answer).ask(UNLUCKY))
    await desk.called.wait()
    asked.cancel()
    desk.open.set()
    with pytest.raises(asyncio.CancelledError):
        await asked
    del asked
    gc.collect()
    assert reported == []
