"""The database becomes unavailable in a running system: no caller is lost or doubled, and no receipt is false."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import make_url

from ops.machine import postgres
from tests.support.machine.fault_proxy import FaultProxy, faulty
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system
from tests.support.machine.systems import create_database
from tests.support.phone.callers import ringing
from tests.support.synthetic import synthetic_identity


@asynccontextmanager
async def on_postgres(folder: Path) -> AsyncIterator[tuple[System, FaultProxy]]:
    """A system on PostgreSQL, behind a proxy that can be cut off."""
    with postgres.start() as server:
        url = make_url(await create_database(server))
        with faulty(url.port or 0) as proxy:
            behind = url.set(port=proxy.port).render_as_string(hide_password=False)
            done = await asyncio.to_thread(run, machine_settings(folder, database_url=behind), "migrate")
            assert done.returncode == 0, done.stderr
            with running_system(folder, database_url=behind) as system:
                yield system, proxy


async def listed(system: System, path: str, wanted: int, **params: Any) -> list[dict[str, Any]]:
    """The items of a list, once there are as many as wanted."""
    items: list[dict[str, Any]] = []
    async with system.client() as agent, asyncio.timeout(60):
        while len(items) < wanted:
            await asyncio.sleep(0.5)
            try:
                answer = await agent.get(path, params=params)
            except httpx.HTTPError:
                continue
            items = answer.json()["items"] if answer.is_success else []
    return items


async def confirmed(system: System, number: str, person: int) -> None:
    """Call, key an identity number in the welcome, and hang up when the receipt has been heard."""
    async with ringing(system.settings, "1000", number) as caller:
        await caller.hears("welcome")
        await caller.keys(synthetic_identity(person))
        await caller.hears("change_number")  # after the whole receipt
        assert "received" in await caller.heard()


async def test_caller_hears_a_true_receipt_from_the_spool_while_the_database_is_away(
    prompts: None, tmp_path: Path
) -> None:
    async with on_postgres(tmp_path) as (system, proxy):
        proxy.freeze()
        numbers = [f"+47680503{n}" for n in (21, 22, 23)]
        await asyncio.gather(*(confirmed(system, number, 321 + n) for n, number in enumerate(numbers)))
        async with ringing(system.settings, "1000", "+4768050324") as caller:
            await caller.hears("welcome")
        assert len(list((tmp_path / "spool").glob("*.entry"))) >= 4
        await asyncio.to_thread(system.ivr.stop)
        await asyncio.to_thread(system.restart_ivr)  # it starts without the database
        await confirmed(system, "+4768050325", 325)
        proxy.restore()
        callbacks = await listed(system, "/callbacks", 4, department="kirurgi")
        assert sorted(each["phone"] for each in callbacks) == [*numbers, "+4768050325"]
        assert all(each["call_count"] == 1 for each in callbacks)
        [cut_off] = await listed(system, "/calls", 1, incomplete=True)
        assert (cut_off["phone"], cut_off["why"]) == ("+4768050324", "hung_up")
        await asyncio.sleep(3)
        assert list((tmp_path / "spool").glob("*.entry")) == []


async def test_caller_hears_the_truth_where_neither_database_nor_spool_works(prompts: None, tmp_path: Path) -> None:
    async with on_postgres(tmp_path) as (system, proxy):
        (tmp_path / "spool").write_text("in the way", "utf-8")
        proxy.cut()
        async with ringing(system.settings, "1000", "+4768050326") as caller:
            await caller.hears("welcome")
            await caller.keys(synthetic_identity(326))
            sorry = await caller.hears("storage_down")
            await caller.hears("to_switchboard", after=sorry.start)
            await caller.ends()
            heard = await caller.heard()
        assert "received" not in heard and "already_on_list" not in heard
        assert heard[-1] == "switchboard_unavailable"
        assert system.ivr.alive()
