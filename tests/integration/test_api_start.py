"""Starting and stopping the api as a process: one clear line when it cannot start, and a clean end."""

import asyncio
import base64
import os
import signal
import socket
import stat
from pathlib import Path

import httpx

from desk.schema.migrate import migrate
from tests.support.ports import free_port
from tests.support.web.api_process import environment, own_departments, refused_start, running_api

SQLITE = "sqlite+aiosqlite:///innringing.db"


async def one_line(variables: dict[str, str]) -> str:
    """The error line of an api that does not start: one line on stderr, nothing else, exit code 1."""
    code, out, err = await refused_start(variables)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("innringing api: ")
    return err


async def test_occupied_port_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = await one_line(environment(SQLITE, tmp_path, api_port=str(port)))
    assert f"port {port} on 127.0.0.1 is taken" in said
    assert "INNRINGING_API_PORT" in said


async def test_address_of_another_machine_stops_the_start(tmp_path: Path) -> None:
    said = await one_line(environment(SQLITE, tmp_path, api_host="192.0.2.1"))
    assert "can't listen on 192.0.2.1" in said
    assert "INNRINGING_API_HOST" in said


async def test_unreachable_database_stops_the_start(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://innringing:hush-hush@127.0.0.1:{free_port(socket.SOCK_STREAM)}/none"
    said = await one_line(environment(url, tmp_path))
    assert "can't be reached" in said
    assert "INNRINGING_DATABASE_URL" in said
    assert "hush" not in said


async def test_sqlite_file_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    said = await one_line(environment(f"sqlite+aiosqlite:///{tmp_path}", tmp_path))
    assert str(tmp_path) in said


async def test_postgresql_without_migrations_stops_the_start(tmp_path: Path, postgres_url: str) -> None:
    said = await one_line(environment(postgres_url, tmp_path))
    assert "innringing migrate" in said
    await migrate(postgres_url)
    with running_api(environment(postgres_url, tmp_path)) as api:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{api.url}/api/v1/me", headers=api.headers)).status_code == 200


async def test_faulty_departments_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "departments.toml"
    file.write_text('[kirurgi]\nname = "Kirurgi"\npolicy = "whenever"\n')
    said = await one_line(environment(SQLITE, tmp_path, departments_file=str(file)))
    assert str(file) in said


async def test_missing_departments_file_stops_the_start(tmp_path: Path) -> None:
    said = await one_line(environment(SQLITE, tmp_path, departments_file=str(tmp_path / "none.toml")))
    assert "none.toml" in said


async def test_missing_keys_stop_production(tmp_path: Path) -> None:
    said = await one_line(environment(SQLITE, tmp_path, environment="production"))
    assert "INNRINGING_IDENTITY_KEY" in said


async def test_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    assert "INNRINGING_API_PORT" in await one_line(environment(SQLITE, tmp_path, api_port="http"))


async def test_production_refuses_the_demos_departments(tmp_path: Path) -> None:
    keys = {"identity_key": base64.b64encode(bytes(32)).decode(), "index_key": base64.b64encode(b"i" * 32).decode()}
    said = await one_line(environment(SQLITE, tmp_path, environment="production", **keys))
    assert "departments.toml:17: [kirurgi] is the demo's" in said


def test_production_creates_no_demo_agent(tmp_path: Path) -> None:
    keys = {
        "identity_key": base64.b64encode(os.urandom(32)).decode(),
        "index_key": base64.b64encode(os.urandom(32)).decode(),
    }
    (tmp_path / "demo-token").write_text("not made by the api")
    own = own_departments(tmp_path)
    with running_api(environment(SQLITE, tmp_path, environment="production", departments_file=own, **keys)) as api:
        assert api.token == "not made by the api"
        assert httpx.get(f"{api.url}/api/v1/me", headers=api.headers, trust_env=False).status_code == 401


def test_demo_token_opens_the_queue_and_survives_a_restart(tmp_path: Path) -> None:
    variables = environment(SQLITE, tmp_path)
    with running_api(variables) as api:
        first = api.token
        assert stat.S_IMODE((tmp_path / "demo-token").stat().st_mode) == 0o600
        me = httpx.get(f"{api.url}/api/v1/me", headers=api.headers, trust_env=False).json()
        assert (me["name"], me["departments"]) == ("demo", ["kirurgi", "hjerte"])
        assert httpx.get(f"{api.url}/readyz", trust_env=False).status_code == 503
        assert first not in api.log.read_text()
    with running_api(variables) as api:
        assert api.token == first


def test_public_routes_need_no_token(tmp_path: Path) -> None:
    with running_api(environment(SQLITE, tmp_path)) as api:
        for path in ("/healthz", "/api/docs", "/api/openapi.json", "/metrics"):
            answer = httpx.get(api.url + path, trust_env=False)
            assert answer.status_code == 200
            assert "server" not in answer.headers


async def test_what_the_start_made_is_left_out_of_garbage_collections(tmp_path: Path) -> None:
    counted = tmp_path / "left-out"
    with running_api(environment(SQLITE, tmp_path), command=("tests.support.web.counting_api", str(counted))) as api:
        os.kill(api.pid, signal.SIGUSR1)
        for _ in range(100):
            if counted.exists():
                break
            await asyncio.sleep(0.05)
    assert int(counted.read_text()) > 100_000
