"""Every command of `innringing` on a database of canaries: its output, its log, and its errors.

The list of commands is taken from the command line itself: a new one without an entry here fails the test.
"""

import asyncio
import io
import itertools
import json
import logging
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from desk.audit.audit import Audit, AuditEntry
from desk.database.engine import Database
from desk.logging.scrubber import Scrubber
from desk.paths import ROOT
from innringing import app
from tests.support.canaries.numbers import Checker, Find, identities, identity_spellings, phones
from tests.support.canaries.patients import PASSWORD, lived
from tests.support.canaries.places import in_files, in_the_tables
from tests.support.environment import without_ours
from tests.support.machine.system import COMMAND
from tests.support.ports import free_port
from tests.support.web.api import KEYS, open_world
from tests.support.web.api_process import environment

SEEN = 300
"""The persons that the commands are about: canaries from this one on are in the database."""
BY = ("--by", "vera")
NOBODY = "00000000-0000-0000-0000-000000000000"
DOORS = ("ivr", "standby")
WITHOUT_DATABASE = ("check", "prompts", "rehearse", "call", "reload")
LOGGERS = ("sqlalchemy.engine", "sqlalchemy.pool", "aiosqlite", "asyncio", "alembic")


@dataclass(frozen=True)
class Use:
    """One use of a command. `stdin` is its input. `shows`: whether its output on stdout holds a person's data."""

    args: tuple[str, ...] = ()
    stdin: str = ""
    ends: int = 0
    shows: bool = False


def uses(ids: list[str], folder: Path) -> Mapping[str, list[Use]]:
    """How each command is used here. One without uses serves until it is stopped, and is run as a process below."""
    person, phone, prompts = identities()[SEEN], phones()[SEEN], ("--prompts-dir", str(folder / "prompts"))
    closed = port = str(free_port(socket.SOCK_DGRAM))
    return {
        "migrate": [Use()],
        "agents add": [Use(("ola", "--all-departments"))],
        "agents grant": [Use(("ola", "--role", "leader", "--department", "kirurgi"))],
        "agents list": [Use()],
        "agents password": [Use(("ola",), f"{PASSWORD}\n"), Use(("ola",), f"{person}\n", ends=1)],
        "agents remove-second-factor": [Use(("ola",), ends=1)],
        "agents disable": [Use(("ola",))],
        "agents enable": [Use(("ola",))],
        "tokens add": [Use(("ola", "--label", "wall-screen"))],
        "tokens list": [Use()],
        "tokens revoke": [Use(("1",))],
        "agents withdraw": [Use(("ola", "--role", "leader", "--department", "kirurgi"))],
        "agents revoke": [Use(("ola",))],
        "audit verify": [Use()],
        "audit extract": [Use(BY, person), Use((*BY, "--format", "csv"), person), Use(BY, f"{person}x", ends=1)],
        "audit prune": [Use()],
        "backup": [Use((str(folder / "copy"),)), Use((str(folder / "copy"),), ends=1)],
        "restore": [Use(("--check", str(folder / "copy"))), Use((str(folder / "copy"),), ends=1)],
        **{plain: [Use()] for plain in ("keys status", "keys rotate", "retention status", "stats recount")},
        "retention hold": [Use((ids[1], *BY, "--case", "NPE 2026/17")), Use((NOBODY, *BY, "--case", "17"), ends=1)],
        "retention lift": [Use((ids[1], *BY))],
        "person export": [
            *(Use(BY, identity_spellings(person)[n], shows=True) for n in (0, 1)),
            Use((*BY, "--phone"), phone, shows=True),
            *(Use(BY, text, ends=1) for text in (person[:10], f"{person}1", phone, f"x{person}", person[::-1])),
            Use((*BY, "--phone"), person, ends=1),
        ],
        "person erase": [Use(BY, person, ends=1), Use(BY, f"{person} {person}", ends=1)],
        "retention run": [Use(("--clock-is-right",))],  # after the exports: the world's clock is behind this machine's
        "stats show": [Use(), Use(("calls",), ends=1), Use(("--csv", str(folder / "figures.csv")))],
        **{read_from_files: [Use(ends=1)] for read_from_files in ("check", "reload")},
        "prompts build": [Use(("--prompts-dir", str(folder / "none")), ends=1)],
        "prompts check": [Use(prompts, ends=1)],
        "prompts list": [Use(prompts)],
        "prompts say": [Use((*prompts, "welcome", "--out", str(folder / "said.wav")), ends=1)],
        "prompts script": [Use(prompts)],
        "prompts rollback": [Use(prompts, ends=1)],
        "prompts record": [Use((*prompts, "welcome", str(folder / "none.wav")), ends=1)],
        **{f"prompts {undo}": [Use((*prompts, "welcome"), ends=1)] for undo in ("unrecord", "restore")},
        "rehearse": [Use(("kirurgi", "--caller", "mistyping"))],
        "call": [
            Use(("1000", "--id", person, "--port", closed), ends=1),
            Use(("1000", "--id", "-", "--port", closed, "--from", f"+47{phone}"), person, ends=1),
            Use(("1000", "--id", "-", "--port", port), f"{person[:6]}-{person[6:]}", ends=1),
        ],
        **{serving: [] for serving in ("run", "ivr", "api", "standby")},
    }


def commands() -> list[str]:
    """Every existing command, as it is typed."""

    def inside(command: Any, words: tuple[str, ...]) -> Iterator[str]:
        below: Sequence[str] = command.list_commands(None) if isinstance(command, TyperGroup) else ()
        if not below:
            yield " ".join(words)
        for name in below:
            yield from inside(command.get_command(None, name), (*words, name))

    return list(inside(typer.main.get_command(app), ()))


@dataclass
class Said:
    """The result of one use. `logged`: everything that libraries log at the lowest level, without scrubbing."""

    code: int
    out: str
    err: str
    logged: str


@dataclass
class Line:
    """A command line, and the canaries found in its output."""

    checker: Checker
    variables: dict[str, str]
    finds: list[Find] = field(default_factory=list)

    def runs(self, command: str, use: Use, **other: str) -> Said:
        """Run a command in this process, and search all its output."""
        said = self._said([*command.split(), *use.args], use.stdin, self.variables | other)
        place = f"{command}, "
        if not use.shows:
            self.finds += self.checker.both(f"{place}stdout", said.out)
        self.finds += self.checker.both(f"{place}stderr", said.err)
        self.finds += self.checker.people(f"{place}what libraries log", said.logged)
        return said

    @staticmethod
    def _said(args: list[str], stdin: str, variables: Mapping[str, str]) -> Said:
        log = io.StringIO()
        open_wide = logging.StreamHandler(log)
        root = logging.getLogger()
        root.addHandler(open_wide)
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.DEBUG)
        try:
            done = CliRunner(env=variables).invoke(app, args, input=stdin)
        finally:
            root.removeHandler(open_wide)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr, log.getvalue())


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


@pytest.fixture
async def ids(migrated_url: str, tmp_path: Path) -> list[str]:
    async with open_world(migrated_url, tmp_path) as world:
        return await lived(world, SEEN, 3)


@pytest.fixture
def line(migrated_url: str, tmp_path: Path, checker: Checker, monkeypatch: pytest.MonkeyPatch) -> Line:
    (prompts := tmp_path / "prompts").mkdir()
    shutil.copy(ROOT / "prompts" / "catalogue.toml", prompts)
    given = {"environment": "demo", "database_url": migrated_url, "var_dir": str(tmp_path), "prompts_dir": str(prompts)}
    monkeypatch.setattr("os.environ", without_ours())
    monkeypatch.chdir(tmp_path)  # an argument may become a file
    return Line(checker, {f"INNRINGING_{name.upper()}": value for name, value in (given | KEYS).items()})


def test_every_command_has_an_entry(tmp_path: Path) -> None:
    assert sorted(uses([NOBODY, NOBODY], tmp_path)) == sorted(commands())
    assert len(commands()) > 25


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_commands_show_only_the_data_they_are_asked_for(
    ids: list[str], line: Line, migrated_url: str, tmp_path: Path, checker: Checker
) -> None:
    codes = {}
    for command, each in uses(ids, tmp_path).items():
        for use in each:
            said = await asyncio.to_thread(line.runs, command, use)
            codes[command, use.args, use.stdin] = (said.code, use.ends, said.err[-200:])
            if use.shows:  # an answer that was asked for holds the person's data
                assert checker.both(command, said.out) and json.loads(said.out)
    assert not line.finds, "\n".join(sorted({str(find) for find in line.finds})[:30])
    assert [each for each in codes.items() if each[1][0] != each[1][1]] == []
    database = Database(migrated_url)
    found = await in_the_tables(database, checker)
    await database.close()
    assert found + in_files(everything_in(tmp_path), checker) == []


def everything_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_commands_without_a_database_name_no_person(ids: list[str], line: Line, tmp_path: Path) -> None:
    away = database_away()
    for command, each in uses(ids, tmp_path).items():
        for use in each if command.split()[0] not in WITHOUT_DATABASE else ():
            said = await asyncio.to_thread(line.runs, command, use, **away)
            assert said.code or "INNRINGING_DATABASE_URL" not in said.err
            if use.shows:
                assert (said.code, said.out) == (1, "")
    variables = {**environment("", tmp_path, **KEYS), **away}
    serving = [command for command, each in uses(ids, tmp_path).items() if not each and command not in DOORS]
    for command, (code, said) in zip(
        serving, await asyncio.gather(*(_served(each, variables) for each in serving)), strict=True
    ):
        assert code == 1 and b"INNRINGING_DATABASE_URL" in said, said
        line.finds += line.checker.both(command, said)
    for door in DOORS:
        line.finds += line.checker.both(door, await _waiting_for_its_database(door, variables))
    assert not line.finds, "\n".join(sorted({str(find) for find in line.finds})[:30])


async def _served(command: str, variables: Mapping[str, str]) -> tuple[int | None, bytes]:
    """The output of a serving command that cannot start, run as a process."""
    child = await _started(command, variables)
    said, _ = await asyncio.wait_for(child.communicate(), 120)
    return child.returncode, said


async def _waiting_for_its_database(door: str, variables: Mapping[str, str]) -> bytes:
    """The output of a door for callers, which starts without its database, until it is stopped."""
    child = await _started(door, variables)
    assert child.stdout is not None
    said = b""
    while b"INNRINGING_DATABASE_URL" not in said:
        line = await asyncio.wait_for(child.stdout.readline(), 120)
        assert line, said
        said += line
    child.terminate()
    said += (await asyncio.wait_for(child.communicate(), 120))[0]
    assert child.returncode == 0, said
    return said


async def _started(command: str, variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        command,
        cwd=ROOT,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def database_away() -> dict[str, str]:
    """An address without a listener, made of canaries."""
    person, other, port = identities()[SEEN + 1], identities()[SEEN + 2], free_port(socket.SOCK_STREAM)
    return {"INNRINGING_DATABASE_URL": f"postgresql+asyncpg://{person}:{other}@127.0.0.1:{port}/{person}"}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_commands_refuse_numbers_as_arguments_and_never_repeat_them(
    ids: list[str], line: Line, migrated_url: str, checker: Checker
) -> None:
    numbers = itertools.cycle(identities()[400:500])
    for command in commands():
        for given in (
            (next(numbers),),
            ("--by", f"for {next(numbers)}"),
            (f"--by={next(numbers)}",),
            (f"--{next(numbers)}",),
        ):
            said = await asyncio.to_thread(line.runs, command, Use(given))
            assert (said.code, "other users can read it" in said.err) == (2, True), (command, given, said.err)
        spelt = identity_spellings(next(numbers))
        for given in (spelt[1], spelt[2], spelt[5], spelt[17]):
            assert (await asyncio.to_thread(line.runs, command, Use((given,)))).code == 2
    others = ("run", "api", *DOORS, *WITHOUT_DATABASE[:3])
    for command in (command for command in commands() if command.split()[0] not in others):
        for text in (f"+47{phones()[SEEN]}", phones()[SEEN]):
            await asyncio.to_thread(line.runs, command, Use((text,)))
            await asyncio.to_thread(line.runs, command, Use((f"--{text}",)))
    assert not line.finds, "\n".join(sorted({str(find) for find in line.finds})[:30])
    database = Database(migrated_url)
    found = await in_the_tables(database, checker)
    await database.close()
    assert [find for find in found if find.kind != "phone"] == []


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_aborted_service_leaves_no_number_behind(ids: list[str], line: Line, tmp_path: Path) -> None:
    """Aborted while it answers, with a traceback: no number in its output, nor in any file."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    url = line.variables["INNRINGING_DATABASE_URL"]
    variables = environment(url, tmp_path, **KEYS) | {"PYTHONFAULTHANDLER": "1", "PYTHONPATH": str(ROOT)}
    with (folder / "api.said").open("wb") as out:
        child = subprocess.Popen([*COMMAND, "api"], cwd=folder, env=variables, stdout=out, stderr=out)
    try:
        door = f"http://127.0.0.1:{variables['INNRINGING_API_PORT']}"
        with httpx.Client(trust_env=False, timeout=30, base_url=door) as client:
            token = first_token(client, child, tmp_path)
            client.headers["Authorization"] = f"Bearer {token}"
            body = {"department": "kirurgi", "phone": f"+47{phones()[SEEN]}", "identity": identities()[SEEN]}
            answer = client.post("/api/v1/callbacks", json=body)
            assert answer.status_code in (200, 201, 409), answer.text
            limits = Path(f"/proc/{child.pid}/limits").read_text("ascii")
            assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]
            assert client.get(f"/api/v1/callbacks/{ids[0]}/patient").json()["number"] == identities()[SEEN]
            child.send_signal(signal.SIGABRT)
            assert child.wait(30) == -signal.SIGABRT
    finally:
        child.kill()
        child.wait()
    said = (folder / "api.said").read_bytes()
    assert b"Aborted" in said and b"most recent call first" in said
    assert line.checker.both("what it said", said) == []
    kept = [path for path in everything_in(tmp_path) if path.name != "demo-token"]
    assert in_files(kept, line.checker, [token]) == []


def first_token(client: httpx.Client, child: subprocess.Popen[bytes], folder: Path) -> str:
    """The demo agent's token, once the service answers."""
    end = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < end:
        try:
            if client.get("/healthz").status_code == 200:
                return (folder / "demo-token").read_text("ascii").strip()
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the api did not start")


# --- proof that the test can fail


def _shown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("ops.commands.keys._remark", lambda count, current: f"{identities()[7]} ")


def _repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scrubber, "__call__", lambda self, text: text)
    patch.setattr("ops.commands.person.InvalidIdentity.__str__", lambda self: f"no number: {identities()[8]}")


def _logged(patch: pytest.MonkeyPatch) -> None:
    record = Audit.record

    async def telling(self: Audit, entry: AuditEntry) -> None:
        logging.getLogger("sqlalchemy.engine").debug("about %s", entry.patient)
        await record(self, entry)

    patch.setattr(Audit, "record", telling)


def _stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("ops.commands.guarded.contains_identity", lambda argument: False)


@pytest.mark.parametrize(
    ("leak", "command", "use", "place"),
    [
        (_shown, "keys status", Use(), "keys status, stdout"),
        (_repeated, "person export", Use(BY, "123"), "person export, stderr"),
        (_logged, "person export", Use(BY, identities()[SEEN], shows=True), "person export, what libraries log"),
        (_stored, "agents add", Use((identities()[9], "--all-departments")), "agents.name"),
    ],
    ids=["stdout", "stderr", "log", "argument"],
)
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_single_leak_is_found(
    ids: list[str], line: Line, monkeypatch: pytest.MonkeyPatch, leak: Any, command: str, use: Use, place: str
) -> None:
    leak(monkeypatch)
    await asyncio.to_thread(line.runs, command, use)
    database = Database(line.variables["INNRINGING_DATABASE_URL"])
    line.finds += await in_the_tables(database, line.checker)
    await database.close()
    assert place in {find.place for find in line.finds}
