"""The checklist of docs/security.md, run as written, with the machine's own PostgreSQL."""

import asyncio
import base64
import os
import re
import secrets
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from desk.errors import SettingsError
from desk.paths import ROOT
from desk.settings.settings import Settings
from innringing import app
from ops.commands.run import settings_to_run
from ops.machine.postgres import Postgres
from tests.support.environment import without_ours

CHECKLIST = ROOT / "docs" / "security.md"
STEPS = 4
"""The steps that are blocks of commands; the others are for people."""
NO_KEY = "A setting is missing or wrong: INNRINGING_IDENTITY_KEY is not set; make one with: openssl rand -base64 32\n"
PSQL = """\
import asyncio, sys, asyncpg
async def main():
    connection = await asyncpg.connect({url!r})
    for statement in sys.stdin.read().split(";"):
        if statement.strip():
            await connection.execute(statement)
    await connection.close()
asyncio.run(main())
"""


@dataclass
class Machine:
    """A new server: `folder` stands for /etc/innringing, and the names are this test's own."""

    folder: Path
    name: str
    server: Postgres
    programs: Path

    def on_this_machine(self, commands: str) -> str:
        """The documented commands, with the paths of this machine."""
        text = commands.replace("create database innringing owner", f"create database {self.name} owner")
        text = text.replace("@127.0.0.1/innringing", f"@127.0.0.1:{self.server.port}/{self.name}")
        text = re.sub(r"\binnringing_(owner|app)\b", rf"\1_{self.name}", text)
        text = text.replace("/etc/innringing", str(self.folder))
        return text.replace(".venv/bin/innringing", f"{sys.executable} -m innringing")

    async def types(self, commands: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a shell that stops at the first failed command."""
        variables = {
            **without_ours(),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "INNRINGING_VAR_DIR": str(self.folder.parent / "var"),
        }
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-e", "-c", self.on_this_machine(commands)),
            cwd=ROOT,
            env=variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await shell.communicate()
        assert shell.returncode is not None
        return shell.returncode, out.decode(), err.decode()


def steps() -> list[str]:
    found = re.search(r"(?ms)^## Before going live\n(.*?)^## ", CHECKLIST.read_text("utf-8"))
    assert found
    return re.findall(r"(?ms)^```sh\n(.*?)^```", found[1])


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


@pytest.fixture
async def machine(postgres_server: Postgres, tmp_path: Path) -> AsyncIterator[Machine]:
    programs = tmp_path / "bin"
    programs.mkdir()
    url = postgres_server.url().replace("+asyncpg", "")
    (programs / "psql.py").write_text(PSQL.format(url=url))
    program(programs, "psql", f'#!/bin/sh\nexec {sys.executable} "{programs}/psql.py"\n')
    program(programs, "sudo", '#!/bin/sh\n[ "$1" = -u ] && shift 2\nexec "$@"\n')
    program(programs, "make", "#!/bin/sh\n")
    made = Machine(tmp_path / "etc", f"live_{secrets.token_hex(6)}", postgres_server, programs)
    yield made
    connection = await asyncpg.connect(url)
    await connection.execute(f"drop database if exists {made.name} with (force)")
    for role in ("owner", "app"):
        await connection.execute(f"drop role if exists {role}_{made.name}")
    await connection.close()


async def test_checklist_leads_to_a_service_with_an_administrator(machine: Machine) -> None:
    blocks = steps()
    assert len(blocks) == STEPS
    keys_made, database_made, settings_written, first_use = blocks
    code, _, err = await machine.types("\n".join((keys_made, database_made, settings_written)))
    assert code == 0, err
    files = sorted(machine.folder.iterdir())
    assert len(files) == 9
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    key = (machine.folder / "identity-key").read_text()
    code, _, err = await machine.types(keys_made)  # run again
    assert code != 0 and "cannot overwrite existing file" in err
    assert (machine.folder / "identity-key").read_text() == key

    code, out, err = await machine.types(first_use)
    assert code == 0, err
    assert "The database is current." in err and "The audit is intact." in err
    assert "kari can log in with it for 7 days" in err
    token, password = out.splitlines()[-2:]
    assert len(token) > 40 and len(password) == 20
    kept = (machine.folder / "app-password").read_text().strip()
    assert kept not in out + err and key.strip() not in out + err

    prune = first_use.splitlines()[0] + "\n"
    prune += f"INNRINGING_MIGRATION_URL_FILE={machine.folder}/migration-url .venv/bin/innringing audit prune"
    assert await machine.types(prune) == (0, "", "No rows have expired.\n")
    connection = await asyncpg.connect((machine.folder / "database-url").read_text().strip().replace("+asyncpg", ""))
    for statement in ("delete from audit", "alter table audit disable trigger all"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


def ran(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def var(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The var/ folder of a checkout, with only its path set."""
    for name in os.environ.keys() - without_ours().keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("INNRINGING_VAR_DIR", str(tmp_path / "var"))
    return tmp_path / "var"


def test_commands_use_an_existing_demo_and_create_none(var: Path) -> None:
    code, _, err = ran("agents", "add", "kari", "--all-departments")
    assert (code, err) == (1, NO_KEY)
    assert not (var / "keys.env").exists()

    Settings.load(environment="demo")  # as `make run` does
    kept = (var / "keys.env").read_bytes()
    code, out, err = ran("agents", "add", "kari", "--all-departments")
    assert code == 0, err
    assert err.startswith(f"This is the demo in {var}, since INNRINGING_ENVIRONMENT is not set.\n")
    assert len(out.strip().splitlines()) == 1
    code, out, err = ran("audit", "verify")
    assert (code, out) == (0, ""), err
    assert (var / "keys.env").read_bytes() == kept


def test_run_without_settings_starts_the_demo_that_is_here_and_makes_none(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "innringing", "run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("innringing run: nothing is set up here: make run starts the demo;")
    assert not (var / "keys.env").exists()
    Settings.load(environment="demo")  # as `make run` does
    assert settings_to_run().demo
    monkeypatch.setenv("INNRINGING_ENVIRONMENT", "production")
    with pytest.raises(SettingsError, match="INNRINGING_IDENTITY_KEY is not set"):
        settings_to_run()


@pytest.mark.parametrize("said", ["ENVIRONMENT", "INDEX_KEY", "IDENTITY_KEY_FILE", "DATABASE_URL", "DATABASE_URL_FILE"])
def test_server_never_falls_back_to_the_demos_keys(var: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    Settings.load(environment="demo")
    values = {
        "ENVIRONMENT": "production",
        "INDEX_KEY": base64.b64encode(b"i" * 32).decode(),
        "DATABASE_URL": "sqlite+aiosqlite:///other.db",
        "DATABASE_URL_FILE": "sqlite+aiosqlite:///other.db",
        "IDENTITY_KEY_FILE": base64.b64encode(b"k" * 32).decode(),
    }
    (var / "secret").write_text(values[said])
    monkeypatch.setenv(f"INNRINGING_{said}", str(var / "secret") if said.endswith("_FILE") else values[said])
    code, out, err = ran("agents", "add", "kari", "--all-departments")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"A setting is missing or wrong: INNRINGING_(IDENTITY|INDEX)_KEY is not set; .*\n", err)


async def test_commands_without_keys_end_with_one_line(machine: Machine) -> None:
    code, out, err = await machine.types(".venv/bin/innringing agents add kari --all-departments")
    assert (code, out) == (1, "")
    assert err == NO_KEY
