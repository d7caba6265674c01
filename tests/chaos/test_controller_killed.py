"""kill -9 of the controller where no standby is: the caller hears an apology, and a person answers."""

import asyncio
from pathlib import Path

from ops.softphone.phone import Phone
from tests.support.machine.system import System, running_system, until
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity


def switchboard(system: System) -> Phone:
    """The switchboard's own phone."""
    return Phone("127.0.0.1", system.settings.sip.port, user="switchboard", password=system.switchboard_password)


async def test_caller_reaches_the_switchboard_when_the_controller_was_killed(prompts: None, tmp_path: Path) -> None:
    with running_system(tmp_path) as system:
        system.ivr.kill()
        await asyncio.to_thread(until, lambda: not system.ivr_is_in_asterisk())
        async with ringing(system.settings, "1000", "+4768050311") as caller:
            await caller.hears("switchboard_unavailable")  # not connected yet
            await caller.ends()
            assert await caller.heard() == ["one_moment", "rescue", "switchboard_unavailable"]
        async with switchboard(system) as phone:
            await phone.register()
            async with ringing(system.settings, "2000", "+4768050312") as caller:
                answered = await phone.answer()
                assert await caller.heard() == ["one_moment", "rescue"]
                await both_are_connected(caller.call.stream.say, answered.heard.samples)
                await caller.hangs_up()
                await asyncio.wait_for(answered.ended.wait(), 30)
        await asyncio.to_thread(system.restart_ivr)
        async with ringing(system.settings, "1000", "+4768050313") as caller:
            await caller.hears("welcome")


async def test_caller_of_a_controller_killed_in_mid_call_reaches_the_switchboard(prompts: None, tmp_path: Path) -> None:
    with running_system(tmp_path) as system:
        async with switchboard(system) as phone:
            await phone.register()
            async with ringing(system.settings, "1000", "+4768050314") as caller:
                await caller.hears("ask_identity")
                await caller.keys(synthetic_identity(314)[:5])
                system.ivr.kill()
                answered = await phone.answer()
                assert (await caller.heard())[-1] == "rescue"
                assert "received" not in await caller.heard()
                await answered.hang_up()
                await caller.ends()


async def both_are_connected(say: object, heard: object) -> None:
    """Check that each hears what the other says."""
    assert callable(say) and callable(heard)
    say(bytes([0x2A, 0xAA] * 80) * 50)  # a second of the loudest tone there is
    for _ in range(100):
        if len(heard()) and abs(heard().astype(int)).max() > 30000:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("nothing was heard at the switchboard")
