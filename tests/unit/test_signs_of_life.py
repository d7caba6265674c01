"""A phone door that hangs is ended: by itself, and by its supervisor."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ivr import signs_of_life
from ops.machine import signs_of_life as supervisor
from ops.machine.signs_of_life import SignsOfLife

HANG = """
import asyncio, time
from ivr import signs_of_life
signs_of_life.HUNG_AFTER = 0.5
async def main():
    task = asyncio.create_task(signs_of_life.serve_signs_of_life())
    await asyncio.sleep(0.1)
    time.sleep(60)
asyncio.run(main())
"""
UNWANTED = ("fastapi", "starlette", "uvicorn", "httpx", "scipy", "pyloudnorm", "numpy", "typer", "alembic")


def test_process_whose_event_loop_hangs_ends_and_says_where() -> None:
    ended = subprocess.run([sys.executable, "-c", HANG], capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr and "in main" in ended.stderr


async def test_signs_of_life_reach_the_supervisor_until_they_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_of_life, "EVERY", 0.01)
    monkeypatch.setattr(supervisor, "SILENT_AFTER", 0.2)
    watched = SignsOfLife()
    try:
        monkeypatch.setenv("NOTIFY_SOCKET", watched.address)
        await asyncio.sleep(0.3)
        assert not watched.silent(), "a child that never gave a sign is not watched"
        living = asyncio.create_task(signs_of_life.serve_signs_of_life())
        await asyncio.sleep(0.3)
        assert not watched.silent()
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        watched.silent()
        await asyncio.sleep(0.3)
        assert watched.silent()
        watched.begin()
        assert not watched.silent()
    finally:
        watched.close()


async def test_without_a_supervisor_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", "@innringing-no-one-listens", "/nowhere/at/all"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        signs_of_life._notify(b"WATCHDOG=1")


async def test_file_of_a_health_check_is_written_while_the_loop_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(signs_of_life, "EVERY", 0.01)
    alive = tmp_path / "alive"
    monkeypatch.setenv("ALIVE_FILE", str(alive))
    living = asyncio.create_task(signs_of_life.serve_signs_of_life())
    await asyncio.sleep(0.1)
    first = alive.stat().st_mtime_ns
    await asyncio.sleep(0.1)
    assert alive.stat().st_mtime_ns > first
    monkeypatch.setenv("ALIVE_FILE", "/nowhere/at/all")
    await asyncio.sleep(0.1)
    assert not living.done()
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)


@pytest.mark.parametrize("module", ["ivr.app", "ivr.standby"])
def test_phone_door_and_standby_import_only_what_they_need(module: str) -> None:
    code = f"import sys, {module}; print([each for each in {UNWANTED} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[]"
