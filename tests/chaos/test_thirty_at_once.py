"""Thirty callers in one second, by an independent program: all are stored, each with the right number."""

from pathlib import Path

from tests.support.machine.system import System
from tests.support.phone import sipp
from tests.support.synthetic import synthetic_identity

CALLERS = {f"+47680506{n:02}": synthetic_identity(600 + n) for n in range(30)}


async def test_thirty_simultaneous_callers_are_all_stored_correctly(postgres_system: System, tmp_path: Path) -> None:
    rung = await sipp.ring(tmp_path, postgres_system.settings.sip.port, "2000", list(CALLERS.items()), rate=30)
    assert (rung.successful, rung.failed) == (30, 0)
    assert rung.most_at_once == 30
    stored: dict[str, str] = {}
    async with postgres_system.client() as agent:
        params: dict[str, str | int] = {"department": "hjerte", "limit": 200}
        callbacks = (await agent.get("/callbacks", params=params)).raise_for_status().json()["items"]
        for callback in callbacks:
            if callback["phone"] in CALLERS:
                patient = (await agent.get(f"/callbacks/{callback['id']}/patient")).raise_for_status().json()
                stored[callback["phone"]] = patient["number"]
    assert stored == CALLERS
