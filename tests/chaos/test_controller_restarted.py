"""The phone door dies and returns while callers are listening: what is known is used, and no one waits in silence."""

import asyncio
from pathlib import Path

from tests.support.machine.system import System, running_system
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity


async def killed_and_back(system: System) -> None:
    system.ivr.kill()
    await asyncio.to_thread(system.restart_ivr)


async def test_caller_in_a_long_prompt_hears_the_successor_and_not_the_rest_of_the_prompt(
    prompts: None, tmp_path: Path
) -> None:
    with running_system(tmp_path) as system:
        async with ringing(system.settings, "1000", "+4768050331") as caller:
            opening = await caller.hears("welcome")
            await killed_and_back(system)
            again = await caller.hears("recovered")
            await caller.hears("ask_identity", after=again.start)
            await caller.keys(synthetic_identity(331))
            await caller.hears("received", after=again.start)
            heard = [each.key for each in await caller.sentences() if each.start > opening.start]
        assert heard.count("welcome") <= 1
        assert heard[heard.index("recovered") + 1] == "ask_identity", "straight to the question"


async def test_caller_who_is_registered_hears_the_receipt_again_and_has_one_callback(
    prompts: None, tmp_path: Path
) -> None:
    with running_system(tmp_path) as system:
        async with ringing(system.settings, "1000", "+4768050332") as caller:
            await caller.hears("ask_identity")
            await caller.keys(synthetic_identity(332))
            first = await caller.hears("received")
            await killed_and_back(system)
            again = await caller.hears("received", after=first.start + 2)
            await caller.hears("change_number", after=again.start)  # the receipt to its end
            assert "recovered" not in await caller.heard()
        async with system.client() as agent:
            page = (await agent.get("/callbacks", params={"department": "kirurgi"})).raise_for_status().json()
        [callback] = page["items"]
        assert (callback["phone"], callback["call_count"]) == ("+4768050332", 1)
