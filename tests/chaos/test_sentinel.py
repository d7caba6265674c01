"""Calls with unique identity numbers through the whole system, followed by a search for these numbers everywhere.

Meanwhile Asterisk logs as much as it can, the phone door logs at its lowest level, and the test reads each call on
Asterisk's console. On PostgreSQL there are fewer calls, because Asterisk is the same.
"""

import asyncio
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.support.canaries.calls import BY_COMMAND, KEYED, LINES, STORED_BY_A_FEW, STORED_BY_MANY, Calls, a_few, many
from tests.support.canaries.numbers import Checker, Find
from tests.support.canaries.places import in_wide_characters
from tests.support.machine.system import System, run, until

BY_COMMAND_FROM = "+4768050704"
KEYED_DIGIT = re.compile(rb"""\bDTMF\b|\bdigit["']?\s*[=:]\s*["']?[0-9*#]""", re.IGNORECASE)
LOOK_EVERY = 2.0
AT_DEBUG = (
    "import logging; from desk.logging import service; service.LEVEL = logging.DEBUG; from innringing import app; app()"
)
"""`innringing` with its log at the lowest level, which no setting can choose."""
FULL = "full"
"""Asterisk's full log in a file, which operators are warned about because it contains single digits."""
RTPS_OWN = re.compile(r"^.* res_rtp_asterisk\.c: .*$", re.MULTILINE)
"""Random timestamps, whose eight digits may equal those of a number. Whole numbers are searched for here too."""


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(KEYED)


async def test_identity_number_is_nowhere_in_clear(system: System, tmp_path: Path, checker: Checker) -> None:
    embedded = system.settings.database.url.startswith("sqlite")
    calls = Calls(system, asyncio.Semaphore(LINES))
    async with at_their_most_talkative(system) as seen:
        by_command = asyncio.create_task(asyncio.to_thread(rung_by_command, system, BY_COMMAND, tmp_path))
        await asyncio.gather(*(many(calls) if embedded else a_few(calls)), by_command)
        with_call = by_command.result()
        await asyncio.to_thread(read_everything, system, seen)
        assert "No such command" in system.asterisk.console("pjsip set logger on"), "SIP can be traced"
        stored = (STORED_BY_MANY if embedded else STORED_BY_A_FEW) | {BY_COMMAND_FROM: BY_COMMAND}
        await read_by_an_agent(system, stored)
        kept = dict(everything_written(system)) | {"Asterisk's console": "\n".join(seen).encode()}
        if embedded:
            await asyncio.to_thread(planted, system, checker, KEYED[3])
    full = kept[str(system.folder / "asterisk" / "log" / FULL)]
    kept |= {"the call command": with_call, "the database": await everything_stored(system)}
    found = checker.parts(FULL, RTPS_OWN.sub("", full.decode(errors="replace")))
    found += [find for name, content in kept.items() for find in in_clear(checker, name, content)]
    assert not found, "\n".join(sorted({str(find) for find in found})[:30])
    for name in kept:
        if name.endswith((".log", ".said", ".csv")):
            assert not KEYED_DIGIT.search(kept[name]), f"single digits are told in {name}"
    # The search can find something: the callers' numbers are in the database, and every program has written.
    assert all(phone.encode() in kept["the database"] for phone in STORED_BY_A_FEW)
    assert {"api.said", "ivr.said"} <= {Path(name).name for name in kept}
    assert not embedded or b"[debug" in kept[str(system.folder / "ivr.said")]
    assert b"innringing" in full and b"PJSIP/trunk" in kept["Asterisk's console"]
    assert b"receipt" in with_call or b"Vi har mottatt" in with_call or b"listen" in with_call


def test_single_digit_in_an_event_is_found() -> None:
    for line in (b"DTMF begin '3' received", b'{"digit": "3"}', b"digit=3", b"'digit': '#'"):
        assert KEYED_DIGIT.search(line), line


@asynccontextmanager
async def at_their_most_talkative(system: System) -> AsyncIterator[list[str]]:
    """What a person at Asterisk's console sees during the block, with full logging."""
    seen: list[str] = []
    system.asterisk.console("core set verbose 10")  # an operator investigates a fault
    system.asterisk.console("core set debug 5")
    system.asterisk.console(f"logger add channel {FULL} verbose,debug,notice,warning,error")
    system.ivr.stop()
    system.restart_ivr([sys.executable, "-c", AT_DEBUG])
    looking = asyncio.create_task(keeps_looking(system, seen))
    try:
        yield seen
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        system.asterisk.console(f"logger remove channel {FULL}")
        system.asterisk.console("core set verbose 0")
        system.asterisk.console("core set debug 0")
        (system.folder / "asterisk" / "log" / FULL).unlink()
        system.ivr.stop()
        system.restart_ivr()


async def keeps_looking(system: System, seen: list[str]) -> None:
    while True:
        await asyncio.to_thread(read_everything, system, seen)
        await asyncio.sleep(LOOK_EVERY)


def read_everything(system: System, seen: list[str]) -> None:
    """Everything that Asterisk reports about its calls, their variables, its database and its other state."""
    console = system.asterisk.console
    channels = console("core show channels concise")
    names = [line.partition("!")[0] for line in channels.splitlines() if "!" in line]
    seen += [channels, *(console(f"core show channel {name}") for name in names)]
    seen += map(console, ("dialplan show globals", "database show", "ari show apps", "bridge show all"))


def planted(system: System, checker: Checker, person: str) -> None:
    """Put a number in three places of Asterisk, find it in each, and remove it again."""
    settings = system.settings
    system.asterisk.console(f"database put canary seen {person}")
    system.asterisk.console(f"dialplan set global CANARY {person}")
    door = (settings.ari.user, settings.ari.require_password())
    httpx.get(f"{settings.ari.url}/ari/channels/{person}", auth=door, trust_env=False)
    wanted = {"astdb.sqlite3", "console", FULL}

    def found() -> bool:
        seen: list[str] = []
        read_everything(system, seen)
        kept = dict(everything_written(system)) | {"console": "\n".join(seen).encode()}
        kept = {Path(name).name: content for name, content in kept.items() if Path(name).name in wanted}
        return {name for name, content in kept.items() if in_clear(checker, name, content)} == wanted

    until(found, seconds=30)
    system.asterisk.console("database del canary seen")
    system.asterisk.console("dialplan set global CANARY none")


def in_clear(checker: Checker, name: str, content: bytes) -> list[Find]:
    return checker.people(name, content) + in_wide_characters(checker, name, content)


def rung_by_command(system: System, identity: str, folder: Path) -> bytes:
    """The output and files of `innringing call`, with the number on standard input."""
    out = folder / "call.wav"
    command = ("call", "2000", "--id", "-", "--from", BY_COMMAND_FROM, "--out", str(out))
    done = run(system.settings, *command, seconds=180, given=f"{identity}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout.encode() + done.stderr.encode() + out.read_bytes()


async def read_by_an_agent(system: System, stored: Mapping[str, str]) -> None:
    """The one place where the number is shown, and must be."""
    shown = {}
    async with system.client() as agent:
        found = (await agent.get("/callbacks", params={"department": "hjerte", "limit": 200})).raise_for_status().json()
        for callback in found["items"]:
            assert not any(person in json.dumps(callback) for person in KEYED)
            if callback["phone"] in stored:
                patient = await agent.get(f"/callbacks/{callback['id']}/patient")
                shown[callback["phone"]] = patient.raise_for_status().json()["number"]
                history = (await agent.get(f"/callbacks/{callback['id']}/history")).raise_for_status()
                assert not any(person in history.text for person in KEYED)
    assert shown == stored


def everything_written(system: System) -> Iterator[tuple[str, bytes]]:
    """Every file of the system: logs, CDR, Asterisk's database, spool, output of the programs, SQLite's files."""
    spool = system.asterisk.instance.recordings
    for path in sorted({*system.folder.rglob("*"), *spool.rglob("*")}):
        if path.is_file() and not path.is_symlink() and not path.is_relative_to(system.folder / "asterisk/data/sounds"):
            yield str(path), path.read_bytes()
    for name, program in (("ivr", system.ivr), ("api", system.api)):
        yield f"command line of {name}", Path(f"/proc/{program.pid}/cmdline").read_bytes()
        yield f"environment of {name}", Path(f"/proc/{program.pid}/environ").read_bytes()


async def everything_stored(system: System) -> bytes:
    """Every row of every table."""
    url = system.settings.database.url
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.partition("///")[2])
        try:
            tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
            rows = [row for (table,) in tables for row in connection.execute(f'select * from "{table}"')]
        finally:
            connection.close()
        return b"\n".join(_bytes(value) for row in rows for value in row)
    postgres = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        names = await postgres.fetch("select tablename from pg_tables where schemaname = 'public'")
        found = [row for name in names for row in await postgres.fetch(f'select * from "{name[0]}"')]
    finally:
        await postgres.close()
    return b"\n".join(_bytes(value) for row in found for value in row.values())


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
