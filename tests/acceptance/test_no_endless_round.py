"""A conversation that always fails, and no switchboard: the caller hears a last word, and the call ends."""

import asyncio
from pathlib import Path

from tests.support.machine.system import running_system
from tests.support.phone.callers import ringing

UNKNOWN = "[departments](+)\nexten => 9999,1,Set(DEPARTMENT=nowhere)\n same => n,Goto(innringing,s,1)\n"
LONGEST_CALL = 120.0


async def test_caller_of_a_conversation_that_always_fails_hears_the_last_word(tmp_path: Path) -> None:
    with running_system(tmp_path) as system:
        own = system.asterisk.instance.folder / "etc" / "local" / "extensions.conf"
        own.write_text(UNKNOWN, "utf-8")
        system.asterisk.console("dialplan reload")
        async with asyncio.timeout(LONGEST_CALL), ringing(system.settings, "9999", "+4740612345") as caller:
            await caller.hears("switchboard_unavailable")
            await caller.call.ended.wait()
    failures = (system.folder / "ivr.said").read_text("utf-8").count("A conversation failed")
    assert 1 <= failures <= 4
