"""`innringing run`: everything starts together, prints its addresses, and stops together."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine.ready import doors_are_open
from tests.support.machine.servers import machine_settings
from tests.support.phone import sipp
from tests.support.synthetic import synthetic_identity

pytestmark = pytest.mark.usefixtures("prompts")
SECONDS = 120  # the machine may be busy


def environment(settings: Settings, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "INNRINGING_ENVIRONMENT": "demo",
        "INNRINGING_VAR_DIR": str(settings.files.var),
        "INNRINGING_ARI_PORT": str(settings.ari.port),
        "INNRINGING_STANDBY_PORT": str(settings.standby.port),
        "INNRINGING_API_PORT": str(settings.api.port),
        "INNRINGING_SIP_PORT": str(settings.sip.port),
        "INNRINGING_RTP_PORTS": settings.sip.rtp_ports,
        **more,
    }


@contextmanager
def running(settings: Settings) -> Iterator[psutil.Process]:
    with (settings.files.var / "run.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "innringing", "run"],
            cwd=ROOT,
            env=environment(settings),
            stdout=log,
            stderr=log,
            umask=0,
        )
    try:
        wait_until(lambda: "is up" in said(settings) or child.poll() is not None)
        assert child.poll() is None, said(settings)
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        assert child.wait(SECONDS) == 0, said(settings)


def readable_by_others(folder: Path) -> list[str]:
    """What other users of the machine may read, write or enter, without links and the log of the test itself."""
    found = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink() and path.name != "run.log"]
    return [f"{path} {path.stat().st_mode:o}" for path in found if path.stat().st_mode & 0o077]


def said(settings: Settings) -> str:
    return (settings.files.var / "run.log").read_text(encoding="utf-8")


def wait_until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_killed_run_takes_its_children_with_it(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    with (tmp_path / "run.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "innringing", "run"], cwd=ROOT, env=environment(settings), stdout=log, stderr=log
        )
    wait_until(lambda: "is up" in said(settings) or child.poll() is not None)
    children = psutil.Process(child.pid).children(recursive=True)
    child.kill()
    child.wait()
    assert len(children) >= 3, said(settings)
    wait_until(lambda: not any(each.is_running() for each in children))


def test_interrupt_during_start_up_leaves_nothing(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    with (tmp_path / "run.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "innringing", "run"], cwd=ROOT, env=environment(settings), stdout=log, stderr=log
        )
    process = psutil.Process(child.pid)
    wait_until(lambda: process.children() or child.poll() is not None)  # Asterisk has just been started
    children = process.children(recursive=True)
    child.send_signal(signal.SIGINT)
    assert child.wait(SECONDS) == 0, said(settings)
    assert "is up" not in said(settings)
    wait_until(lambda: not alive(children))


def test_run_starts_everything_restarts_it_and_leaves_nothing(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    with running(settings) as process:
        assert f"sip:1000@127.0.0.1:{settings.sip.port}" in said(settings)
        assert (tmp_path / "demo-token").exists()
        assert readable_by_others(tmp_path) == []
        children = process.children(recursive=True)
        [api] = [child for child in children if child.cmdline()[-1] == "api"]
        api.send_signal(signal.SIGKILL)
        wait_until(lambda: not doors_are_open(settings))
        wait_until(lambda: doors_are_open(settings))
        children += process.children(recursive=True)
    wait_until(lambda: not alive(children))


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended. The filter of Asterisk's log ends after Asterisk; init reaps it when it likes."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_second_start_in_one_folder_touches_nothing_of_the_first(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    people = [(f"+4768050{300 + n}", synthetic_identity(n) + "11") for n in range(20)]  # 11: the number is confirmed
    with running(settings) as process, ThreadPoolExecutor() as pool:
        before = {child.pid for child in process.children(recursive=True)}
        calls = pool.submit(asyncio.run, sipp.ring(tmp_path / "sipp", settings.sip.port, "1000", people, rate=10))
        wait_until(lambda: len(callbacks(settings)) > 0 or calls.done())
        second = machine_settings(tmp_path)

        def refused(start: Settings) -> None:
            assert_refused(start, f"already running in {tmp_path} (pid {process.pid}); nothing was touched")
            assert_refused(start, f"already running in {tmp_path}", command=("ops.commands.compose", "up"))  # make up

        list(pool.map(refused, (settings, second)))  # with the same ports, and with others
        assert calls.result() == sipp.Outcome(20, 0, calls.result().most_at_once)
        assert len(callbacks(settings)) == 20
        assert {child.pid for child in process.children(recursive=True)} == before


def callbacks(settings: Settings) -> list[dict[str, object]]:
    """Every callback of the department, over REST."""
    response = httpx.get(
        f"http://127.0.0.1:{settings.api.port}/api/v1/callbacks?department=kirurgi&limit=100",
        headers={"Authorization": f"Bearer {(settings.files.var / 'demo-token').read_text('ascii').strip()}"},
    )
    response.raise_for_status()
    items: list[dict[str, object]] = response.json()["items"]
    return items


def test_two_runs_work_side_by_side(tmp_path: Path) -> None:
    one, other = (machine_settings(folder) for folder in folders(tmp_path))
    with running(one), running(other):
        assert doors_are_open(one)
        assert doors_are_open(other)


def folders(parent: Path) -> list[Path]:
    made = [parent / "one", parent / "other"]
    for folder in made:
        folder.mkdir()
    return made


@pytest.mark.parametrize("setting", ["api_port", "standby_port", "ari_port", "sip_port"])
def test_occupied_port_is_one_line(tmp_path: Path, setting: str) -> None:
    settings = machine_settings(tmp_path)
    kind = socket.SOCK_DGRAM if setting == "sip_port" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", settings.values()[setting]))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        assert_refused(settings, f"INNRINGING_{setting.upper()}")


def test_wrong_departments_file_is_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "departments.toml"
    wrong.write_text("[kirurgi]\nname = 1\n", encoding="utf-8")
    assert_refused(machine_settings(tmp_path), "departments.toml", INNRINGING_DEPARTMENTS_FILE=str(wrong))


def test_unreachable_database_is_one_line(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    nobody = f"postgresql+asyncpg://someone:secret-word@127.0.0.1:{settings.ari.port}/none"
    assert_refused(settings, "database", INNRINGING_DATABASE_URL=nobody)


def assert_refused(
    settings: Settings, named: str, *, command: tuple[str, str] = ("innringing", "run"), **more: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment(settings, **more),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(("innringing run: ", "innringing: "))
    assert named in lines[0]
    assert "secret-word" not in done.stderr


def test_hanging_phone_door_is_killed_and_restarted(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    with running(settings) as service:
        [door] = [child for child in service.children() if child.cmdline()[-1:] == ["ivr"]]
        wait_until(lambda: "Connected to Asterisk" in said(settings))
        os.kill(door.pid, signal.SIGSTOP)
        wait_until(lambda: "innringing ivr hangs: killing it" in said(settings))
        wait_until(lambda: said(settings).count("Connected to Asterisk") == 2)
        assert not psutil.pid_exists(door.pid) or psutil.Process(door.pid) != door


def test_killed_asterisk_is_started_again_while_its_doors_go_on(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    people = [("+4768050341", synthetic_identity(341) + "11")]
    with running(settings) as service:
        doors = {child.pid for child in service.children() if child.cmdline()[-1:] in (["ivr"], ["api"], ["standby"])}
        for number in (signal.SIGKILL, signal.SIGTERM):
            before = said(settings).count("Connected to Asterisk")
            os.kill(int((tmp_path / "asterisk" / "pid").read_text("ascii")), number)
            wait_until(lambda: said(settings).count("Connected to Asterisk") > before)  # noqa: B023  # waited for here
        asyncio.run(sipp.ring(tmp_path / "sipp", settings.sip.port, "1000", people, rate=1))
        assert len(callbacks(settings)) == 1
        assert "did not start" not in said(settings)
        assert doors <= {child.pid for child in service.children()} and len(doors) == 3
