"""The api with a real desk and a real database and a fixed clock: the setup for its tests."""

import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from api.app import build_services, create_app
from api.services import Services
from api.web.metrics import Metrics
from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.audit.audit import AuditEntry
from desk.callbacks.model import Callback, CallKey
from desk.callbacks.services import callback_services
from desk.database.engine import Database
from desk.departments.departments import Department, Departments, Policy
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from desk.wire import make_notices, make_own_numbers
from tests.support.desk.trusted_clock import TrustedClock
from tests.support.environment import UNLIMITED
from tests.support.fakes import FakeClock
from tests.support.synthetic import synthetic_identity
from tests.support.web.witness import HeardAudit, Witness

KEYS = {
    "identity_key": base64.b64encode(b"i" * 32).decode(),
    "index_key": base64.b64encode(b"x" * 32).decode(),
    "ari_password": "not-a-real-one",
}
HOSPITAL = parse_phone("+4768059999")
DEPARTMENTS = Departments(
    [
        Department(
            slug="kirurgi",
            name="Kirurgisk poliklinikk",
            extension="1000",
            policy=Policy.DEADLINE,
            cutoff=time(14),
            answer_by=time(15),
            topics={"time": "Time", "resept": "Resept"},
            hospital_number=HOSPITAL,
        ),
        Department(
            slug="hjerte",
            name="Hjertepoliklinikken",
            extension="2000",
            policy=Policy.ROUNDS,
            rounds=(time(10), time(13)),
            hospital_number=HOSPITAL,
        ),
    ]
)


@dataclass
class World:
    """An api, and access to what is behind it."""

    app: FastAPI
    services: Services
    database: Database
    clock: FakeClock
    client: httpx.AsyncClient
    witness: Witness
    tokens: dict[str, str] = field(default_factory=dict)
    _calls: int = 0

    async def token(self, name: str, role: Role = Role.AGENT, departments: Iterable[str] = ("*",)) -> str:
        """The token of the agent, who is added the first time."""
        if name not in self.tokens:
            self.tokens[name] = await self.services.agents.add(SYSTEM, name, role, departments)
        return self.tokens[name]

    async def as_(self, name: str, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request below /api/v1 as the agent of that name (all departments, unless added otherwise before)."""
        headers = {"Authorization": f"Bearer {await self.token(name)}", **more.pop("headers", {})}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def get(self, path: str, **more: Any) -> Any:
        answer = await self.as_("kari", "GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None, *, by: str = "kari", status: int = 200) -> Any:
        answer = await self.as_(by, "POST", path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def rings(self, n: int = 1, *, department: str = "kirurgi", with_identity: bool = True) -> Callback:
        """Register a call of person `n`, a second after the one before."""
        self._calls += 1
        self.clock.advance(timedelta(seconds=1))
        key = CallKey("node-1", f"channel-{self._calls}")
        patient = parse_identity(synthetic_identity(n), allow_test=True, allow_h=False) if with_identity else None
        phone = parse_phone(f"+476805{n:04}")
        return (await self.services.callbacks.registration.register(CALLER, key, department, patient, phone)).callback


@asynccontextmanager
async def open_world(
    database_url: str, var_dir: Path, *, departments: Departments = DEPARTMENTS, **settings: Any
) -> AsyncIterator[World]:
    """A world on an empty database with the newest tables.

    At its end every patient that any of its answers showed must be on the trail. See tests/support/web/witness.py.
    """
    more = {"ari_port": 1, **KEYS, **UNLIMITED, **settings}
    given = Settings.load(environment="demo", database_url=database_url, var_dir=var_dir, **more)
    clock = FakeClock()
    database = Database(database_url)
    vault = Vault(identity_key=b"i" * 32, index_key=b"x" * 32)
    callbacks = callback_services(
        database=database,
        departments=lambda: departments,
        vault=vault,
        clock=clock,
        lease=timedelta(minutes=15),
        numbers=given.limits.number_rate,
        transfers=given.limits.transfer_rate,
        most_claimed=given.limits.claims_at_once,
        own_numbers=make_own_numbers(given, lambda: departments),
        notices=make_notices(given.sms, vault),
    )
    services = build_services(
        given,
        database=database,
        vault=vault,
        callbacks=callbacks,
        agents=Agents(database=database, clock=clock),
        departments=lambda: departments,
        metrics=Metrics(),
        clock=clock,
        check=TrustedClock(database=database, clock=clock),
    )
    heard: list[AuditEntry] = []
    fold = timedelta(minutes=given.audit.fold_minutes)
    audit = HeardAudit(heard, database=database, vault=vault, clock=clock, fold=fold)
    services = replace(services, audit=audit)
    app = create_app(given, services=services)
    witness = Witness(app, database, heard)
    transport = httpx.ASGITransport(app=witness, raise_app_exceptions=True)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield World(app, services, database, clock, client, witness)
        await witness.check()
    finally:
        await services.close()
        await database.close()


def end_at_once(path: str) -> dict[str, int]:
    """Query parameters that make the stream of changes end at once. Other routes do not have them."""
    return {"seconds": 0} if path.endswith("/events") else {}


def refused(answer: Any, status: int, id: str) -> None:
    """Check that the answer is a refusal with this problem id."""
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:innringing:problem:{id}"), answer.text


async def ids(world: World, by: str = "kari", **query: Any) -> list[str]:
    answer = await world.as_(by, "GET", "/callbacks", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def amended(world: World, id: str, **changes: Any) -> Any:
    etag = (await world.as_("kari", "GET", f"/callbacks/{id}")).headers["etag"]
    answer = await world.as_("kari", "PATCH", f"/callbacks/{id}", json=changes, headers={"If-Match": etag})
    assert answer.status_code == 200, answer.text
    return answer.json()
