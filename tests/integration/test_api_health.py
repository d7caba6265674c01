"""Liveness, readiness and metrics; and the token of the demo environment."""

import asyncio
import base64
import json
import os
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.app import create_app, open_services
from api.demo.agent import ensure_demo_agent, ensure_demo_password
from api.health.readiness import REFUSED
from api.routes.health import NEEDED
from api.web.metrics import Metrics
from desk.access.actor import SYSTEM
from desk.access.permissions import Permission
from desk.clock import SystemClock
from desk.controllers.controllers import Controllers
from desk.controllers.model import LEASE, Load
from desk.database.engine import Database
from desk.paths import ROOT
from desk.schema.migrate import migrate
from desk.settings.settings import Settings
from tests.support.web.api import KEYS, World, open_world

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        yield world


@asynccontextmanager
async def fake_asterisk(serve: Serve) -> AsyncIterator[int]:
    """An HTTP server on loopback that handles each connection with `serve`; yields its port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


SERVED: Mapping[str, object] = {
    "asterisk/ping": {"ping": "pong"},
    "deviceStates/Local%2F1000%40departments": {"state": "NOT_INUSE"},
    "deviceStates/Local%2F2000%40departments": {"state": "NOT_INUSE"},
    "deviceStates/Local%2Fs%40innringing": {"state": "NOT_INUSE"},
    "asterisk/config/dynamic/res_pjsip/transport/transport-tls": [{"attribute": "protocol", "value": "tls"}],
    "applications/innringing": {"name": "innringing"},
    "sounds/innringing%2Fwelcome": {"formats": [{"language": "nb", "format": "alaw"}]},
}
"""What an Asterisk that serves callers answers."""


def ari(*, password: str, served: Mapping[str, object] = SERVED) -> Serve:
    """Answers as ARI does: `served` with the right user and password, else 404 or 401."""
    expected = base64.b64encode(f"innringing:{password}".encode()).decode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        resource = request.split()[1].removeprefix("/ari/")
        status = b"200 OK" if resource in served else b"404 Not Found"
        if f"authorization: basic {expected}".lower() not in request.lower():
            status = b"401 Unauthorized"
        body = json.dumps(served.get(resource)).encode()
        writer.write(b"HTTP/1.1 %s\r\n" % status)
        writer.write(b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
        writer.write(body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return serve


async def migrated(folder: Path) -> str:
    """A new SQLite database."""
    url = f"sqlite+aiosqlite:///{folder / 'callbacks.db'}"
    await migrate(url)
    return url


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def ready(migrated_url: str, var_dir: Path, port: int) -> tuple[int, dict[str, str], str]:
    """Status, what each component says, and the whole text."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as standby:
        standby_port = standby.sockets[0].getsockname()[1]
        async with open_world(migrated_url, var_dir, ari_port=port, standby_port=standby_port) as world:
            await world.services.controllers.take(SYSTEM, "asterisk-1", "one/x", Load(calls=0, spooled=0, damaged=0))
            answer = await world.client.get("/readyz")
    said = {name: part["detail"] for name, part in answer.json()["components"].items()}
    assert answer.json()["ready"] is (answer.status_code == 200)
    return answer.status_code, said, answer.text


async def test_alive_without_database_and_asterisk(world: World) -> None:
    answer = await world.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_ready_when_database_and_asterisk_answer(migrated_url: str, tmp_path: Path) -> None:
    async with fake_asterisk(ari(password=KEYS["ari_password"])) as port:
        status, said, _ = await ready(migrated_url, tmp_path, port)
    assert (status, said) == (
        200,
        {
            "database": "takes writes",
            "asterisk": "answers",
            "phone_door": "answers",
            "spool": "empty",
            "standby": "answers",
            "numbers": "each department's number leads into the conversation",
            "sip": "listens",
            "conversation": "the phone door is connected",
            "sounds": "Asterisk has the prompts of each language",
            "clock": "agrees with the database's",
            "audit": "is written",
            "trunk_budget": "0 of 1000 calls and 0 of 3000 minutes an hour",
            "flood": "no flood is suspected",
            "departments": "in use as on disk",
            "prompts": "the last build is in use",
            "sms": "demo: written to var/sms.jsonl",
        },
    )


@pytest.mark.parametrize(
    ("resource", "instead", "component", "reason"),
    [
        ("deviceStates/Local%2F2000%40departments", {"state": "INVALID"}, "numbers", "for 2000: innringing check"),
        ("deviceStates/Local%2Fs%40innringing", {"state": "INVALID"}, "conversation", "has no [innringing]"),
        ("asterisk/config/dynamic/res_pjsip/transport/transport-tls", None, "sip", "no SIP transport"),
        ("applications/innringing", None, "conversation", "the phone door is not connected"),
        ("sounds/innringing%2Fwelcome", {"formats": []}, "sounds", "no prompts in nb: innringing prompts build"),
    ],
)
async def test_not_ready_when_a_caller_is_not_served(
    resource: str, instead: object, component: str, reason: str, tmp_path: Path
) -> None:
    served = {**SERVED, resource: instead}
    database = await migrated(tmp_path)
    async with (
        fake_asterisk(ari(password=KEYS["ari_password"], served=served)) as port,
        open_world(database, tmp_path, ari_port=port) as world,
    ):
        await world.services.controllers.take(SYSTEM, "asterisk-1", "one/x", Load(calls=0, spooled=0, damaged=0))
        answer = await world.client.get("/readyz")
        metrics = await world.client.get("/metrics")
    components = answer.json()["components"]
    assert answer.status_code == 503
    assert reason in components[component]["detail"]
    assert [name for name in NEEDED if not components[name]["ok"]] == [component]
    assert f'innringing_component_ok{{component="{component}"}} 0.0' in metrics.text
    assert 'innringing_component_ok{component="database"} 1.0' in metrics.text


async def test_not_ready_when_asterisk_refuses_the_password_which_stays_hidden(
    migrated_url: str, tmp_path: Path
) -> None:
    async with fake_asterisk(ari(password="another")) as port:
        status, said, text = await ready(migrated_url, tmp_path, port)
    assert status == 503
    assert said["asterisk"] == "Asterisk refuses the user or password of ARI"
    assert KEYS["ari_password"] not in text


async def test_not_ready_when_asterisk_hangs(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.health.readiness.ASTERISK_SECONDS", 0.2)
    async with fake_asterisk(hangs) as port:
        status, said, _ = await ready(migrated_url, tmp_path, port)
    assert status == 503
    assert said["asterisk"].startswith("Asterisk did not answer within")


async def test_not_ready_when_asterisk_is_gone(migrated_url: str, tmp_path: Path) -> None:
    async with fake_asterisk(hangs) as port:
        pass
    status, said, _ = await ready(migrated_url, tmp_path, port)
    assert (status, said["asterisk"]) == (503, "Asterisk can't be reached")
    assert said["database"] == "takes writes"


async def reported(world: World, name: str = "phone_door") -> dict[str, object]:
    component: dict[str, object] = (await world.client.get("/readyz")).json()["components"][name]
    return component


async def test_phone_doors_heartbeat_calls_and_spool_are_in_readiness_and_metrics(world: World) -> None:
    controllers, clock = world.services.controllers, world.clock
    await controllers.take(SYSTEM, "asterisk-1", "one/x", Load(calls=3, spooled=0, damaged=0))
    assert await reported(world) == {"ok": True, "detail": "answers"}
    assert await reported(world, "spool") == {"ok": True, "detail": "empty"}
    await controllers.renew(SYSTEM, "asterisk-1", "one/x", Load(calls=3, spooled=4, damaged=0))
    assert await reported(world, "spool") == {"ok": True, "detail": "4 files wait in it"}
    await controllers.renew(SYSTEM, "asterisk-1", "one/x", Load(calls=3, spooled=4, damaged=1))
    assert (await reported(world, "spool"))["ok"] is False
    assert (await reported(world))["ok"] is True
    metrics = (await world.client.get("/metrics")).text
    assert 'innringing_phone_door_calls{asterisk="asterisk-1"} 3.0' in metrics
    assert 'innringing_spool_files{asterisk="asterisk-1"} 4.0' in metrics
    assert 'innringing_spool_damaged_files{asterisk="asterisk-1"} 1.0' in metrics
    clock.advance(LEASE + timedelta(seconds=5))
    assert await reported(world) == {"ok": False, "detail": "1 of 1 phone doors have been silent for over 10 s"}
    silent = (await world.client.get("/metrics")).text
    assert 'innringing_phone_door_silent_seconds{asterisk="asterisk-1"} 15.0' in silent


async def test_silent_phone_door_is_an_alarm_while_its_asterisk_still_has_its_connection(tmp_path: Path) -> None:
    """A process that hangs keeps its websocket, so Asterisk finds nothing wrong."""
    database = await migrated(tmp_path)
    async with (
        fake_asterisk(ari(password=KEYS["ari_password"])) as port,
        open_world(database, tmp_path, ari_port=port) as world,
    ):
        load = Load(calls=0, spooled=0, damaged=0)
        await world.services.controllers.take(SYSTEM, "asterisk-1", "one/x", load)
        assert (await world.client.get("/readyz")).status_code == 200
        world.clock.advance(LEASE + timedelta(seconds=1))
        answer = await world.client.get("/readyz")
        alive = await world.client.get("/healthz")
        metrics = (await world.client.get("/metrics")).text
        assert answer.status_code == 503 and answer.json()["components"]["conversation"]["ok"]
        assert alive.status_code == 200, "a load balancer leaves agents their web door"
        assert 'innringing_component_ok{component="phone_door"} 0.0' in metrics
        await world.services.controllers.renew(SYSTEM, "asterisk-1", "one/x", load)
        assert (await world.client.get("/readyz")).status_code == 200


async def test_database_that_takes_no_writes_is_not_ready_and_says_why(world: World, tmp_path: Path) -> None:
    path = tmp_path / "read-only.db"
    read_only = Database(f"sqlite+aiosqlite:///{path}")
    async with read_only.begin() as connection:
        await connection.exec_driver_sql("create table write_probes (id integer primary key, at datetime)")
    async with read_only.read() as connection:
        await connection.exec_driver_sql("pragma query_only = on")
    controllers = Controllers(database=read_only, clock=world.services.clock)
    world.app.state.services = replace(world.services, controllers=controllers)
    answer = await world.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["components"]["database"] == {"ok": False, "detail": "the database is read-only"}
    await read_only.close()


async def test_not_ready_when_the_database_is_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Database("postgresql+asyncpg://innringing:hush@127.0.0.1:1/none")
    monkeypatch.setattr(world.services.callbacks.lists, "_database", away)
    world.app.state.services = replace(
        world.services, controllers=Controllers(database=away, clock=world.services.clock)
    )
    answer = await world.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["components"]["database"] == {"ok": False, "detail": "the database can't be reached"}
    assert "hush" not in answer.text
    metrics = await world.client.get("/metrics")
    assert metrics.status_code == 200
    assert "innringing_callbacks{" not in metrics.text
    await away.close()


async def test_operators_mistake_is_reported_and_the_api_stays_ready(migrated_url: str, tmp_path: Path) -> None:
    file, prompts = tmp_path / "departments.toml", tmp_path / "prompts"
    shutil.copy(ROOT / "dialplan" / "departments.toml", file)
    (prompts / "build").mkdir(parents=True)
    settings = Settings.load(
        environment="demo",
        database_url=migrated_url,
        var_dir=tmp_path,
        departments_file=file,
        prompts_dir=prompts,
        ari_port=1,
        **KEYS,
    )
    async with open_services(settings, metrics=Metrics(), clock=SystemClock()) as services:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=create_app(settings, services=services)), base_url="http://api.test"
        )
        async with client:
            text = file.read_text("utf-8")
            file.write_text(text.replace('cutoff = "14:00"', 'cutoff = "25:00"'), "utf-8")
            os.utime(file, (1, 1))  # as if it had been unchanged for a while
            (prompts / "build" / REFUSED).write_text("catalogue.toml:7: [nb] welcome has no text", "utf-8")
            services.departments._checked_at -= 2  # type: ignore[attr-defined]
            components = (await client.get("/readyz")).json()["components"]
            told = (await client.get("/api/v1/departments", headers={"Authorization": "Bearer inn_none"})).status_code
    line = 1 + text[: text.index("cutoff =")].count("\n")
    assert components["departments"] == {
        "ok": False,
        "detail": f'departments.toml:{line}: «cutoff» must be hours and minutes in quotes, such as "14:00"; '
        "the last good file goes on",
    }
    assert components["prompts"]["detail"] == (
        "catalogue.toml:7: [nb] welcome has no text; the last good prompts go on"
    )
    assert told == 401  # it still answers


async def test_metrics_count_requests_claims_and_the_queue(world: World) -> None:
    for n in (1, 2, 3):
        await world.rings(n)
    await world.post("/callbacks/claim", {"department": "kirurgi", "limit": 2})
    figures = (await world.client.get("/metrics")).text
    for line in (
        'innringing_claims_total{department="kirurgi"} 2.0',
        'innringing_callbacks{department="kirurgi",status="waiting"} 1.0',
        'innringing_callbacks{department="kirurgi",status="claimed"} 2.0',
        'innringing_callbacks{department="hjerte",status="waiting"} 0.0',
        'innringing_http_requests_total{method="POST",route="/api/v1/callbacks/claim",status="200"} 1.0',
    ):
        assert line in figures.splitlines()


async def test_demo_agent_keeps_its_token_in_a_private_file_between_starts(world: World, tmp_path: Path) -> None:
    file = await ensure_demo_agent(world.services.agents, tmp_path)
    token = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file == tmp_path / "demo-token"
    agent = await world.services.agents.verify(token)
    assert agent is not None
    assert (agent.name, agent.role, agent.scope(Permission.READ).covers("hjerte")) == ("demo", "agent", True)
    await ensure_demo_agent(world.services.agents, tmp_path)
    assert file.read_text().strip() == token


async def test_demo_agent_has_a_password_in_a_private_file(world: World, tmp_path: Path) -> None:
    await ensure_demo_agent(world.services.agents, tmp_path)
    file = await ensure_demo_password(world.services.logins, tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    body = {"name": "demo", "password": file.read_text().strip()}
    assert (await world.client.post("/api/v1/session", json=body)).status_code == 201
    await ensure_demo_password(world.services.logins, tmp_path)
    assert file.read_text().strip() == body["password"]


async def test_lost_demo_token_is_replaced_and_the_old_one_is_refused(world: World, tmp_path: Path) -> None:
    file = await ensure_demo_agent(world.services.agents, tmp_path)
    old = file.read_text().strip()
    file.unlink()
    await ensure_demo_agent(world.services.agents, tmp_path)
    new = file.read_text().strip()
    assert new != old
    assert await world.services.agents.verify(old) is None
    assert await world.services.agents.verify(new) is not None
