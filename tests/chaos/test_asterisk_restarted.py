"""Asterisk stops and returns while the controller runs, without any intervention."""

import asyncio
import time
from pathlib import Path

from tests.support.machine.system import System, running_system
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity

WITHIN = 10.0  # seconds after Asterisk is back, as promised


async def a_call_goes_through(system: System, n: int) -> None:
    async with ringing(system.settings, "1000", f"+4768050{n}") as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(n))
        await caller.hears("received", "already_on_list")


async def test_calls_work_again_after_asterisk_restarts_or_is_killed(prompts: None, tmp_path: Path) -> None:
    with running_system(tmp_path) as system:
        await a_call_goes_through(system, 301)
        controller = system.ivr.pid
        for n, end in ((302, system.asterisk.stop), (303, system.asterisk.kill)):
            async with ringing(system.settings, "1000", f"+47680504{n % 100:02}") as cut_off:
                await cut_off.hears("welcome")
                await asyncio.to_thread(end)
                cut_off.call.end()
            await asyncio.to_thread(system.asterisk.launch)
            back = time.monotonic()
            while not system.ivr_is_in_asterisk():
                await asyncio.sleep(0.05)
                assert time.monotonic() - back < WITHIN, "the controller did not come back"
            await a_call_goes_through(system, n)
        assert system.ivr.alive() and system.ivr.pid == controller
        async with system.client() as agent:
            calls = (await agent.get("/calls", params={"incomplete": True})).raise_for_status().json()["items"]
    assert {call["phone"] for call in calls} == {"+4768050402", "+4768050403"}  # the interrupted call is stored
