"""End to end: a patient calls, keys a number, hears a true receipt, and an agent claims the callback."""

import asyncio
import contextlib
import sqlite3
import time
from dataclasses import dataclass

import asyncpg

from tests.support.machine.system import System
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity

CALLER = "+4768050101"
LOOK_EVERY = 0.001


@dataclass
class Watch:
    """When another connection last did not see the caller's callback, and when it first did (Unix time)."""

    last_absent: float = 0.0
    first_seen: float = 0.0

    def note(self, looked: float, found: bool) -> None:
        if found:
            self.first_seen = time.time()
        else:
            self.last_absent = looked


def watch(database_url: str, phone: str) -> Watch:
    """Poll from another thread and connection until the row is there."""
    if database_url.startswith("sqlite"):
        return _watch_sqlite(database_url.partition("///")[2], phone)
    return asyncio.run(_watch_postgres(database_url.replace("+asyncpg", ""), phone))


def _watch_sqlite(path: str, phone: str) -> Watch:
    seen = Watch()
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        while not seen.first_seen:
            looked = time.time()
            found = connection.execute("select 1 from callbacks where phone = ?", (phone,)).fetchone()
            seen.note(looked, found is not None)
            time.sleep(LOOK_EVERY)
    return seen


async def _watch_postgres(url: str, phone: str) -> Watch:
    seen = Watch()
    connection = await asyncpg.connect(url)
    try:
        while not seen.first_seen:
            looked = time.time()
            found = await connection.fetchval("select 1 from callbacks where phone = $1", phone)
            seen.note(looked, found is not None)
            await asyncio.sleep(LOOK_EVERY)
    finally:
        await connection.close()
    return seen


async def test_receipt_is_heard_after_the_commit_and_an_agent_claims_the_callback(system: System) -> None:
    identity = synthetic_identity(101)
    watching = asyncio.create_task(asyncio.to_thread(watch, system.settings.database.url, CALLER))
    async with ringing(system.settings, "1000", CALLER) as caller:
        await caller.hears("ask_identity")
        await caller.keys(identity)
        await caller.hears("received")
        seen = await watching
        await caller.hears("change_number")
        heard = {heard.key: heard for heard in await caller.sentences()}
        receipt = heard["received"]
        assert receipt.whole and receipt.score > 0.97
        assert heard["welcome"].start < heard["ask_identity"].start < receipt.start
        assert heard["change_number"].start > receipt.start
        # A query that starts after the commit sees the row. One that starts after the receipt and sees no row would
        # prove the receipt false.
        assert seen.last_absent < caller.instant(receipt)
        print(
            f"{system.settings.database.url.partition(':')[0]}: to be seen"
            f" {1000 * (caller.instant(receipt) - seen.first_seen):.1f} ms before the receipt was heard"
        )
    assert "Asterisk takes commands on the websocket" in (system.folder / "ivr.said").read_text("utf-8")
    async with system.client() as agent:
        claimed = (await agent.post("/callbacks/claim", json={"department": "kirurgi"})).raise_for_status().json()
        (callback,) = claimed["items"]
        assert callback["phone"] == CALLER
        assert callback["status"] == "claimed"
        assert callback["patient"]["masked"] == identity[:6] + "*****"
        assert callback["call_count"] == 1
        attempt = {"outcome": "no_answer", "fence": callback["fence"]}
        answer = await agent.post(f"/callbacks/{callback['id']}/attempts", json=attempt)
        assert answer.status_code == 200, answer.text
        kept = (await agent.get(f"/callbacks/{callback['id']}")).raise_for_status().json()
        assert [attempt["outcome"] for attempt in kept["attempts"]] == ["no_answer"]
        assert kept["status"] == "waiting"
        patient = (await agent.get(f"/callbacks/{callback['id']}/patient")).raise_for_status().json()
        assert identity in patient.values()
