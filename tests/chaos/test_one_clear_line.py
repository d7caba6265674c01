"""A program that cannot work ends with one line. (For the doors alone, see tests/integration.)"""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from desk.settings.settings import Settings
from tests.support.machine.servers import machine_settings
from tests.support.machine.system import System, run

FAULTY = '[kirurgi]\nname = "Kirurgi"\nextension = "1000"\nhospital_number = "+4768050001"\npolicy = "sometimes"\n'


async def refused(settings: Settings, *command: str, **variables: Any) -> str:
    """The single line of output, after an exit code other than 0."""
    done = await asyncio.to_thread(lambda: run(settings, *command, **variables))
    lines = done.stderr.strip().splitlines()
    assert done.returncode not in (0, None), done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in lines[0]
    return lines[0]


async def test_wrong_ari_password_stops_the_start(sqlite_system: System) -> None:
    line = await refused(sqlite_system.settings, "ivr", ARI_PASSWORD="wrong")
    assert "INNRINGING_ARI_PASSWORD" in line
    assert sqlite_system.ivr.alive()


async def test_bad_departments_file_stops_the_start(tmp_path: Path) -> None:
    faulty = tmp_path / "departments.toml"
    faulty.write_text(FAULTY)
    line = await refused(machine_settings(tmp_path), "run", DEPARTMENTS_FILE=str(faulty))
    assert "departments.toml:5" in line.replace(", line ", ":").replace(" line ", ":")
    assert "policy" in line


async def test_check_lists_a_bad_departments_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # no cell wraps
    faulty = tmp_path / "departments.toml"
    faulty.write_text(FAULTY)
    settings = machine_settings(tmp_path)
    done = await asyncio.to_thread(run, settings, "check", DEPARTMENTS_FILE=str(faulty))
    assert done.returncode == 1
    (row,) = [line for line in done.stdout.splitlines() if "policy" in line]
    assert [cell.strip() for cell in row.split("│")][1:3] == [str(faulty), "5"]
    assert done.stdout.splitlines()[-1] == "1 mistake to fix."


@pytest.mark.parametrize(("name", "setting"), [("api_port", "API_PORT"), ("ari_port", "ARI_PORT")])
async def test_occupied_port_stops_run(name: str, setting: str, tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    with socket.create_server(("127.0.0.1", settings.values()[name])):
        line = await refused(settings, "run")
    assert f"INNRINGING_{setting}" in line


async def test_call_without_an_answer_is_one_line(tmp_path: Path) -> None:
    settings = machine_settings(tmp_path)
    line = await refused(settings, "call", "1000", "--out", str(tmp_path / "call.wav"))
    assert f"127.0.0.1:{settings.sip.port}" in line
    assert not (tmp_path / "call.wav").exists()
