"""A planned stop of the phone door: callers stay on the line, and a receipt that has started is heard to its end."""

import asyncio
from pathlib import Path

from tests.support.machine.system import running_system
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity


async def test_caller_on_the_line_is_taken_over_by_the_successor(prompts: None, tmp_path: Path) -> None:
    with running_system(tmp_path) as system:
        async with ringing(system.settings, "1000", "+4768050341") as caller:
            await caller.hears("ask_identity")
            await caller.keys(synthetic_identity(341)[:4])
            await asyncio.to_thread(system.ivr.stop)
            await asyncio.to_thread(system.restart_ivr)
            again = await caller.hears("recovered")
            await caller.hears("ask_identity", after=again.start)
            await caller.keys(synthetic_identity(341))
            await caller.hears("received", after=again.start)
            assert "rescue" not in await caller.heard()


async def test_receipt_is_heard_once_to_its_end_although_the_phone_door_has_stopped(
    prompts: None, tmp_path: Path
) -> None:
    with running_system(tmp_path) as system:
        async with ringing(system.settings, "1000", "+4768050342") as caller:
            await caller.hears("ask_identity")
            await caller.keys(synthetic_identity(342))
            await caller.hears("received")
            await asyncio.to_thread(system.ivr.stop)
            await caller.ends()
            heard = await caller.heard()
        assert heard[-2:] == ["received", "change_number"]
        await asyncio.to_thread(system.restart_ivr)
        async with system.client() as agent:
            page = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()
        assert [each["phone"] for each in page["items"]] == ["+4768050342"]
