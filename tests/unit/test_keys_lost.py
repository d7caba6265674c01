"""A connection that was away may have cost keys: the caller is asked again soon, and one who keys on is left alone."""

import asyncio

import pytest

from ivr.calls.call import Keys
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.virtual_time import on_virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@on_virtual_time
async def test_caller_whose_keys_were_lost_with_the_connection_is_soon_asked_again() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.keys("123", at=1.0)  # the last at 2 seconds
    asyncio.get_running_loop().call_later(2.5, call.events_lost)
    assert await call.collect(digits=11, first=8, between=5) == Keys("123", "timeout")
    assert now() == pytest.approx(2.5 + 2)
    caller.keys("4", at=1.0)
    assert (await call.collect(digits=11, first=8, between=5)).digits == "4"
    assert now() == pytest.approx(4.5 + 1 + 2), "no key after it comes within two seconds"


@on_virtual_time
async def test_caller_who_keys_on_after_a_lost_connection_is_not_interrupted() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.keys("12345678901", at=1.0, gap=1.5)
    for second in (3, 4, 9):
        asyncio.get_running_loop().call_later(second, call.events_lost)
    assert (await call.collect(digits=11, first=8, between=5)).digits == "12345678901"
    caller.keys("12", at=0.5, gap=4)
    assert (await call.collect(digits=2, first=8, between=5)).digits == "12", "the complete number lost no key"
    asyncio.get_running_loop().call_later(1, call.events_lost)
    await asyncio.sleep(15)
    caller.keys("12", at=0.5, gap=4)
    assert (await call.collect(digits=2, first=8, between=5)).digits == "12", "a later number has all its time"


@on_virtual_time
async def test_slow_caller_whose_keys_were_lost_is_soon_asked_again_however_long_the_number_took() -> None:
    caller = FakeChannel()
    call = caller.call()
    caller.keys("123456789", at=1.0, gap=1.8)  # the last at 15.4 seconds
    asyncio.get_running_loop().call_later(0.5, call.events_lost)
    assert await call.collect(digits=11, first=8, between=6) == Keys("123456789", "timeout")
    assert now() == pytest.approx(15.4 + 1.5 * 1.8), "one and a half of the caller's own gaps"
