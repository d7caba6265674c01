"""One deadline for a use case, with everything it waits for."""

import asyncio

import pytest

from desk.database.deadline import require_time, within
from desk.database.errors import StorageUnavailable
from ivr.rehearsal.virtual_time import on_virtual_time


@on_virtual_time
async def test_use_case_in_time_returns_its_result_or_its_error() -> None:
    async def answer() -> int:
        await asyncio.sleep(1.9)
        require_time()
        return 42

    async def refuse() -> None:
        raise KeyError("no")

    assert await within(2.0, answer()) == 42
    with pytest.raises(KeyError):
        await within(2.0, refuse())


@on_virtual_time
async def test_late_use_case_is_not_cut_off_but_knows_that_it_is_late() -> None:
    noticed = []

    async def late() -> None:
        await asyncio.sleep(10)
        try:
            require_time()
        except StorageUnavailable:
            noticed.append(asyncio.get_running_loop().time())
            raise

    began = asyncio.get_running_loop().time()
    with pytest.raises(StorageUnavailable):
        await within(2.0, late())
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)
    await asyncio.sleep(20)
    assert noticed == [pytest.approx(began + 10)]


@on_virtual_time
async def test_waits_of_many_do_not_add_up() -> None:
    lock = asyncio.Lock()

    async def hold() -> None:
        async with lock:
            require_time()
            await asyncio.sleep(10)

    began = asyncio.get_running_loop().time()
    results = await asyncio.gather(*(within(2.0, hold()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailable] * 5
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)


def test_without_a_deadline_there_is_always_time() -> None:
    async def ask() -> None:
        require_time()

    asyncio.run(ask())
