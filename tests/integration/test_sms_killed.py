"""A sender killed (kill -9) after the gateway got the text and before this was stored; on both engines."""

import asyncio
import os
import signal
import sys

from aiohttp import web

from desk.access.actor import SYSTEM
from desk.database.engine import Database
from desk.messages.outbox import LEASE
from desk.paths import ROOT
from tests.support.fakes import FakeClock
from tests.support.sms.link_gateway import link_gateway
from tests.support.sms.outbox import Office, link


async def test_next_sender_repeats_a_text_with_the_same_key(
    database: Database, clock: FakeClock, migrated_url: str
) -> None:
    office = Office(database, clock)
    callback = await office.rings()
    async with link_gateway() as gateway:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.sms.sender_process", migrated_url, gateway.url), cwd=ROOT
        )

        async def kills_the_sender(request: web.Request) -> web.StreamResponse:
            os.kill(child.pid, signal.SIGKILL)
            return web.json_response({"messageId": "never-read", "resultCode": 1005})

        gateway.answers = [kills_the_sender]
        try:
            assert await asyncio.wait_for(child.wait(), 120) == -signal.SIGKILL
        finally:
            if child.returncode is None:
                child.kill()
        assert await office.rows("state, tries") == [("queued", 1)]
        async with link(gateway, seconds=30) as ours:
            assert not await office.outbox.send_next(ours), "its lease holds"
            clock.advance(LEASE)
            assert await office.outbox.send_next(ours)
        assert gateway.keys == [await office.key()] * 2
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "sent"
    assert await office.events(callback.id) == [("sms_sent", {"kind": "receipt"})]
