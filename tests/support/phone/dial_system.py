"""A complete system for calls to patients: an agent at a registered phone, and a patient behind the trunk."""

import asyncio
import base64
import json
import re
import socket
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from desk.access.actor import SYSTEM
from desk.access.permissions import ALL_DEPARTMENTS, Role
from desk.accounts.agents import Agents
from desk.clock import SystemClock
from desk.wire import open_database
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from tests.support.machine.servers import free_port
from tests.support.machine.system import COMMAND, System, running_system

PATIENCE = 90.0  # seconds; a limit against hanging, not a measure
DEPARTMENTS = """
[kirurgi]
name = "Kirurgisk poliklinikk"
extension = "1000"
hospital_number = "+4768059000"
policy = "deadline"
cutoff = "14:00"
answer_by = "15:00"
ringing_hours = ["00:00", "00:00"]
ringing_days = "every-day"

[hjerte]
name = "Hjertepoliklinikken"
extension = "2000"
hospital_number = "+4768059001"
policy = "rounds"
rounds = ["10:00", "13:00"]
ringing_hours = ["00:00", "00:00"]
ringing_days = "every-day"
"""


@dataclass
class Exchange:
    """The system, the address of the patient's phone, and agents' tokens."""

    system: System
    patient_port: int
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, agent: str) -> str:
        """The token of the agent, who uses the demo phone. Adds the agent the first time."""
        if agent not in self.tokens:
            async with open_database(self.system.settings.database) as database:
                agents = Agents(database=database, clock=SystemClock())
                self.tokens[agent] = await agents.add(SYSTEM, agent, Role.AGENT, [ALL_DEPARTMENTS], phone="demo-phone")
        return self.tokens[agent]

    @asynccontextmanager
    async def agent(self, name: str = "kari") -> AsyncIterator[httpx.AsyncClient]:
        token = await self.token(name)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.system.settings.api.port}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        ) as client:
            yield client

    @asynccontextmanager
    async def phones(self) -> AsyncIterator[tuple[Phone, Phone]]:
        """The agent's phone, registered, and the patient's behind the trunk."""
        port = self.system.settings.sip.port
        password = self.system.asterisk.instance.passwords["demo-phone"]
        async with (
            Phone(port=port, user="demo-phone", password=password) as desk_phone,
            Phone(port=port, user="patient", own_port=self.patient_port) as patient,
        ):
            await desk_phone.register()
            yield desk_phone, patient

    def ari(self, path: str) -> Any:
        settings = self.system.settings
        secret = f"{settings.ari.user}:{settings.ari.require_password()}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{settings.ari.port}/ari/{path}",
            headers={"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return json.load(answer)

    async def nothing_is_left(self) -> None:
        """Wait until Asterisk has neither channel nor bridge."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if not await asyncio.to_thread(lambda: self.ari("channels") + self.ari("bridges")):
                    return
                await asyncio.sleep(0.1)


@contextmanager
def running_exchange(
    folder: Path, *, departments: str = DEPARTMENTS, interpreter: Sequence[str] = COMMAND, **given: object
) -> Iterator[Exchange]:
    """The system with a patient's phone behind its trunk. `given` are settings, `interpreter` starts its programs."""
    file = folder / "departments.toml"
    file.write_text(departments, encoding="utf-8")
    patient_port = free_port(socket.SOCK_DGRAM)
    # no phone answers at the trunk until a patient does
    limits = {"agent_rings": 7, "patient_rings": 7, "trunk_qualify": 0}
    trunk = {} if "sip_proxy" in given else {"trunk": f"127.0.0.1:{patient_port}"}
    settings: dict[str, Any] = {"departments_file": file, **limits, **trunk, **given}
    with running_system(folder, interpreter=interpreter, **settings) as system:
        yield Exchange(system, patient_port)


@dataclass
class Case:
    """A callback that an agent holds, and the outcome of its dial."""

    agent: httpx.AsyncClient
    id: str
    fence: int

    @classmethod
    async def claimed(cls, agent: httpx.AsyncClient, number: str) -> "Case":
        booked = (await agent.post("/callbacks", json={"department": "kirurgi", "phone": number})).raise_for_status()
        id = booked.json()["id"]
        claim = (await agent.post(f"/callbacks/{id}/claim")).raise_for_status().json()
        return cls(agent, id, claim["fence"])

    async def dial(self) -> dict[str, Any]:
        answer = await self.agent.post(f"/callbacks/{self.id}/dial", json={"fence": self.fence})
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def cancel(self) -> None:
        (await self.agent.delete(f"/callbacks/{self.id}/dial")).raise_for_status()

    async def state(self, *wanted: str) -> dict[str, Any]:
        """Wait until the dial has one of these states."""
        dial: dict[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while dial.get("state") not in wanted:
                    dial = (await self.agent.get(f"/callbacks/{self.id}/dial")).raise_for_status().json()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never {wanted}, but {dial}") from None
        return dial

    async def ended(self) -> str:
        return str((await self.state("ended"))["reason"])

    async def callback(self) -> dict[str, Any]:
        return (await self.agent.get(f"/callbacks/{self.id}")).raise_for_status().json()

    async def outcomes(self) -> list[str]:
        return [attempt["outcome"] for attempt in (await self.callback())["attempts"]]

    async def steps(self) -> list[str]:
        rows = (await self.agent.get(f"/callbacks/{self.id}/history")).raise_for_status().json()["items"]
        return [row["event"] for row in rows if row["event"].startswith("dial_")]


def called(call: PhoneCall) -> str:
    """The number an incoming call was for."""
    assert call.invite is not None
    return re.search(r"sip:([^@;]+)", call.invite.uri)[1]  # type: ignore[index]


def shown(call: PhoneCall) -> str:
    """The number an incoming call shows."""
    assert call.invite is not None
    return re.search(r"sip:([^@;>]+)", call.invite.header("from"))[1]  # type: ignore[index]


async def soon(ringing: Awaitable[PhoneCall]) -> PhoneCall:
    """The incoming call, or an error when there is none."""
    async with asyncio.timeout(PATIENCE):
        return await ringing
