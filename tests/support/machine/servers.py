"""Real servers for tests: PostgreSQL, and an Asterisk with the operators' dialplan. Free ports, temporary folders."""

import asyncio
import contextlib
import shutil
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from desk.schema.migrate import migrate
from desk.settings.settings import Settings
from ops.machine import asterisk, postgres
from tests.support.ports import free_port, free_rtp_range


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """One PostgreSQL for the whole run."""
    with postgres.start() as server:
        yield server


@pytest.fixture
async def postgres_url(postgres_server: postgres.Postgres) -> AsyncIterator[str]:
    """The address of an empty database for this test."""
    name = f"test_{uuid.uuid4().hex}"
    await _command(postgres_server, f"create database {name} strategy file_copy")
    yield postgres_server.url(name)
    await _command(postgres_server, f"drop database {name} with (force)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each engine in turn."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"


@pytest.fixture(scope="session")
def migrated_template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """`migrated_template(engine)`: the name of an empty database with the newest tables, which is quick to copy."""
    made: dict[str, str] = {}

    def template(engine: str, server: postgres.Postgres | None = None) -> str:
        if engine not in made:
            if server is None:
                made[engine] = str(tmp_path_factory.mktemp("template") / "innringing.db")
                asyncio.run(migrate(f"sqlite+aiosqlite:///{made[engine]}"))
            else:
                made[engine] = f"template_{uuid.uuid4().hex}"
                asyncio.run(_command(server, f"create database {made[engine]} strategy file_copy"))
                asyncio.run(migrate(server.url(made[engine])))
        return made[engine]

    return template


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_template: Callable[..., str]
) -> Iterator[str]:
    """An empty database with the newest tables, on each engine in turn."""
    if request.param == "sqlite":
        shutil.copyfile(migrated_template("sqlite"), tmp_path / "innringing.db")
        yield f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
        return
    server: postgres.Postgres = request.getfixturevalue("postgres_server")
    name = asyncio.run(copied(server, migrated_template("postgresql", server)))
    yield server.url(name)
    asyncio.run(_command(server, f"drop database {name} with (force)"))


@pytest.fixture
def start_asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., asterisk.AsteriskServer]]:
    """`start_asterisk(**settings)`: a running Asterisk on free ports; stopped after the test."""
    with contextlib.ExitStack() as running:

        def start(extra: dict[str, str] | None = None, **given: object) -> asterisk.AsteriskServer:
            settings = machine_settings(tmp_path_factory.mktemp("asterisk"), **given)
            return running.enter_context(asterisk.start(settings, extra=extra))

        yield start


def machine_settings(folder: Path, **given: object) -> Settings:
    """Demo settings whose files are under `folder` and whose ports are free. `given` wins."""
    first = free_rtp_range()
    defaults: dict[str, object] = {
        "environment": "demo",
        "var_dir": folder,
        "ari_port": free_port(socket.SOCK_STREAM),
        "standby_port": free_port(socket.SOCK_STREAM),
        "api_port": free_port(socket.SOCK_STREAM),
        "sip_port": free_port(socket.SOCK_DGRAM),
        "rtp_ports": f"{first}-{first + 99}",
    }
    return Settings.load(**{**defaults, **given})


async def copied(server: postgres.Postgres, template: str) -> str:
    """Copy a database. Returns the name of the copy.

    Copying its files takes half as long as PostgreSQL's usual way, which writes every page to its journal.
    """
    name = f"test_{uuid.uuid4().hex}"
    await _command(server, f"create database {name} template {template} strategy file_copy")
    return name


async def _command(server: postgres.Postgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url().replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
