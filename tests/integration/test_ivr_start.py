"""Starting and stopping the phone door as a process: one clear line when it cannot start, and a clean end."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from desk.paths import ROOT
from tests.support.phone.fake_ari import FakeAri, serving
from tests.support.phone.phone_door import until
from tests.support.ports import free_port
from tests.support.web.api_process import environment

SQLITE = "sqlite+aiosqlite:///innringing.db"


@asynccontextmanager
async def ivr(variables: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "innringing", "ivr", cwd=ROOT, env=variables, stdout=-1, stderr=-1
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def last_words(variables: dict[str, str]) -> str:
    """The last line of a phone door that does not start, with exit code 1 and no traceback."""
    async with ivr(variables) as process:
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, out) == (1, b"")
        assert b"Traceback" not in err
        return err.decode().splitlines()[-1]


def settings_for(fake: FakeAri, var_dir: Path, **more: str) -> dict[str, str]:
    given = {"ari_url": fake.url.rstrip("/"), "ari_password": fake.password, **more}
    return environment(SQLITE, var_dir, **given)


async def test_wrong_ari_password_stops_the_start(tmp_path: Path) -> None:
    async with serving() as fake:
        said = await last_words(settings_for(fake, tmp_path, ari_password="hush-hush"))
    assert said.startswith("innringing ivr: Asterisk refused the ARI user or password")
    assert "hush" not in said


async def test_phone_door_starts_while_its_database_is_unreachable(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://innringing:hush-hush@127.0.0.1:{free_port(socket.SOCK_STREAM)}/none"
    async with serving() as fake:
        variables = environment(url, tmp_path, ari_url=fake.url.rstrip("/"), ari_password=fake.password)
        async with ivr(variables) as process:
            await until(lambda: fake.allowed, 60)
            process.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode == 0
    assert b"Waiting for the database" in err
    assert b"hush" not in err


async def test_database_without_tables_stops_the_start(tmp_path: Path, postgres_url: str) -> None:
    said = await last_words(environment(postgres_url, tmp_path))
    assert said.startswith("innringing ivr: The database schema does not match this version.")


async def test_unreadable_departments_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "departments.toml"
    file.write_text("[kirurgi\n", encoding="utf-8")
    said = await last_words(environment(SQLITE, tmp_path, departments_file=str(file)))
    assert f"{file}:1:" in said


async def test_missing_keys_stop_the_phone_door_in_production(tmp_path: Path) -> None:
    said = await last_words(environment(SQLITE, tmp_path, environment="production"))
    assert "INNRINGING_" in said
    assert "is not set" in said


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_phone_door_waits_for_asterisk_and_ends_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    late = FakeAri(port=free_port(socket.SOCK_STREAM))
    async with ivr(settings_for(late, tmp_path)) as process:
        assert process.stderr
        async with asyncio.timeout(60):
            while b"Waiting for Asterisk" not in (line := await process.stderr.readline()):
                assert line, "it ended"
        await late.start()
        await until(lambda: late.allowed, 60)
        process.send_signal(stop)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    await late.stop()


async def test_replaced_phone_door_connects_again_because_it_holds_the_lease(tmp_path: Path) -> None:
    async with serving() as fake, ivr(settings_for(fake, tmp_path)) as process:
        await until(lambda: fake.made("GET /applications/innringing"), 60)
        await fake.emit("ApplicationReplaced")
        await until(lambda: fake.connections == 2, 60)
        assert process.returncode is None


async def test_second_phone_door_stands_by_until_the_first_one_ends(tmp_path: Path) -> None:
    async with serving() as fake:
        variables = settings_for(fake, tmp_path)
        async with ivr(variables) as first, ivr(variables) as second:
            await until(lambda: fake.connections == 1, 60)
            standing_by = {each for each in (first, second) if not await serves(each)}
            [standby] = standing_by
            [serving_one] = {first, second} - standing_by
            serving_one.send_signal(signal.SIGTERM)
            await until(lambda: fake.connections == 2, 60)
            assert standby.returncode is None


async def serves(process: asyncio.subprocess.Process) -> bool:
    """Whether this phone door has connected, and does not stand by."""
    assert process.stderr
    while line := await process.stderr.readline():
        if b"Connected to Asterisk" in line:
            return True
        if b"Standing by" in line:
            return False
    raise AssertionError("it ended")
