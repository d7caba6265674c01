"""What readiness asks of a real Asterisk."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr

from api.health.readiness import Asterisk
from api.health.telephony import Telephony
from desk.departments.file import load_departments
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine.asterisk import AsteriskServer

DEPARTMENTS = load_departments(ROOT / "dialplan" / "departments.toml").all()
pytestmark = pytest.mark.usefixtures("prompts")


@asynccontextmanager
async def asked(settings: Settings) -> AsyncIterator[Telephony]:
    asterisk = Asterisk(settings.ari)
    try:
        yield Telephony(asterisk.read)
    finally:
        await asterisk.close()


async def test_reader_sees_numbers_transport_and_sounds(start_asterisk: Callable[..., AsteriskServer]) -> None:
    running = start_asterisk(ari_reader_password=SecretStr("only-for-reading"))
    lost = replace(DEPARTMENTS[0], slug="borte", extension="9000")
    async with asked(running.settings) as telephony:
        found = await telephony.check(DEPARTMENTS)
        with_lost = await telephony.check([*DEPARTMENTS, lost])
    assert {name: part.ok for name, part in found.items()} == {
        "numbers": True,
        "sip": True,
        "sounds": True,
        "conversation": False,  # no phone door is connected
    }
    assert with_lost["numbers"].detail == "no way into the conversation for 9000: innringing check"


async def test_asterisk_without_a_transport_is_not_ready(start_asterisk: Callable[..., AsteriskServer]) -> None:
    running = start_asterisk()
    own = running.instance.folder / "etc" / "local" / "pjsip.conf"
    own.write_text(own.read_text("utf-8").replace("type=transport", "type=transpor"), "utf-8")
    running.restart()
    async with asked(running.settings) as telephony:
        found = await telephony.check(DEPARTMENTS)
    assert found["sip"].detail == "Asterisk has no SIP transport: no call arrives"
    assert found["numbers"].ok
