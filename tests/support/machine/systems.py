"""Complete systems for acceptance and chaos tests: two for the run, one on each database engine, without fakes."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from ops.machine import postgres, tree
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run, running_system


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the prompts as a hospital would; only once when several processes share the tests."""
    tools = str(tree.ensure(tree.ASTERISK) / "bin")
    settings = machine_settings(tmp_path_factory.mktemp("prompts"))
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else Path(settings.files.var)
    with (shared / "prompts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run(settings, "prompts", "build", "--tools", tools, seconds=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def sqlite_system(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("sqlite")) as system:
        yield system


@pytest.fixture(scope="session")
def postgres_system(
    prompts: None, postgres_server: postgres.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    url = asyncio.run(create_database(postgres_server))
    folder = tmp_path_factory.mktemp("postgresql")
    done = run(machine_settings(folder, database_url=url), "migrate")
    assert done.returncode == 0, done.stderr
    with running_system(folder, database_url=url) as system:
        yield system


@pytest.fixture(params=["sqlite", "postgresql"])
def system(request: pytest.FixtureRequest) -> System:
    """A running system on each engine in turn."""
    return request.getfixturevalue("sqlite_system" if request.param == "sqlite" else "postgres_system")


async def create_database(server: postgres.Postgres) -> str:
    """The address of a new, empty database."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server.url().replace("+asyncpg", ""))
    try:
        await connection.execute(f"create database {name}")
    finally:
        await connection.close()
    return server.url(name)
