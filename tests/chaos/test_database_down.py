"""The database becomes unavailable in a running system: the receipt is never false."""

import asyncio
from pathlib import Path

from ops.machine import postgres
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import run, running_system
from tests.support.machine.systems import create_database
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity


async def test_caller_hears_no_receipt_when_nothing_can_be_stored(prompts: None, tmp_path: Path) -> None:
    with postgres.start() as server:
        url = await create_database(server)
        done = await asyncio.to_thread(run, machine_settings(tmp_path, database_url=url), "migrate")
        assert done.returncode == 0, done.stderr
        with running_system(tmp_path, database_url=url) as system:
            server.stop()
            async with ringing(system.settings, "1000", "+4768050321") as caller:
                await caller.hears("welcome")
                await caller.keys(synthetic_identity(321))
                sorry = await caller.hears("storage_down")
                await caller.hears("to_switchboard", after=sorry.start)
                await caller.ends()
                heard = await caller.heard()
            assert "received" not in heard and "already_on_list" not in heard
            assert heard[-1] == "switchboard_unavailable"
            assert system.ivr.alive()
