"""An identity number that is like no other is rung through the whole system. Afterwards it is looked for everywhere."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from tests.callers import ringing
from tests.synthetic import synthetic_identity
from tests.system import System, run

SENTINELS = {"+4768050701": synthetic_identity(987_001), "+4768050702": synthetic_identity(987_002)}
KEYED_DIGIT = re.compile(rb"""\bDTMF\b|\bdigit["']?\s*[=:]\s*["']?[0-9*#]""", re.IGNORECASE)


async def test_an_identity_number_is_nowhere_in_clear(system: System, tmp_path: Path) -> None:
    system.asterisk.console("core set verbose 10")  # an operator looks for a fault
    system.asterisk.console("core set debug 10")
    (by_rtp, first), (by_info, second) = SENTINELS.items()
    await asyncio.gather(left_a_number(system, by_rtp, first), left_a_number(system, by_info, second, info=True))
    await hangs_up_on_the_last_digit(system, "+4768050703", first)
    with_call = await asyncio.to_thread(rung_by_command, system, first, tmp_path)
    await read_by_an_agent(system)

    kept = dict(everything_written(system))
    kept |= {"the call command": with_call, "the database": await everything_stored(system)}
    for name, content in kept.items():
        for sentinel in SENTINELS.values():
            assert sentinel.encode() not in content, f"the number is in clear in {name}"
            assert sentinel[::-1].encode() not in content, f"the number is there backwards in {name}"
            assert sentinel.encode("utf-16-le") not in content, f"the number is in clear in {name}"
    for name in kept:
        if name.endswith((".log", ".said", ".csv")):
            assert not KEYED_DIGIT.search(kept[name]), f"single digits are told in {name}"
    # The search can find something: the callers' numbers are in the database, and all three programs have logged.
    assert all(phone.encode() in kept["the database"] for phone in SENTINELS)
    assert {"api.said", "ivr.said"} <= {Path(name).name for name in kept}
    assert b"receipt" in with_call or b"Vi har mottatt" in with_call or b"listen" in with_call


async def left_a_number(system: System, phone: str, identity: str, *, info: bool = False) -> None:
    async with ringing(system.settings, "2000", phone) as caller:
        await caller.hears("welcome")
        await caller.keys(identity, info=info)
        await caller.hears("received", "already_on_list")


async def hangs_up_on_the_last_digit(system: System, phone: str, identity: str) -> None:
    async with ringing(system.settings, "1000", phone) as caller:
        await caller.hears("welcome")
        await caller.keys(identity)


def rung_by_command(system: System, identity: str, folder: Path) -> bytes:
    """What `innringing call` prints and leaves, the number given on standard input."""
    out = folder / "call.wav"
    command = ("call", "2000", "--id", "-", "--from", "+4768050704", "--out", str(out))
    done = run(system.settings, *command, seconds=180, given=f"{identity}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout.encode() + done.stderr.encode() + out.read_bytes()


async def read_by_an_agent(system: System) -> None:
    """The one place where the number is shown, and must be."""
    shown = set()
    async with system.client() as agent:
        found = (await agent.get("/callbacks", params={"department": "hjerte", "limit": 200})).raise_for_status().json()
        for callback in found["items"]:
            assert not any(sentinel in json.dumps(callback) for sentinel in SENTINELS.values())
            if callback["phone"] in SENTINELS or callback["phone"] == "+4768050704":
                patient = await agent.get(f"/callbacks/{callback['id']}/patient")
                shown.add(patient.raise_for_status().json()["number"])
                history = (await agent.get(f"/callbacks/{callback['id']}/history")).raise_for_status()
                assert not any(sentinel in history.text for sentinel in SENTINELS.values())
    assert shown == set(SENTINELS.values())


def everything_written(system: System) -> Iterator[tuple[str, bytes]]:
    """Every file of the system: logs, CDR, Asterisk's database, spool, what the programs said, SQLite's own files."""
    for path in sorted(system.folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.is_relative_to(system.folder / "asterisk/data/sounds"):
            yield str(path), path.read_bytes()
    for name, program in (("ivr", system.ivr), ("api", system.api)):
        yield f"command line of {name}", Path(f"/proc/{program.pid}/cmdline").read_bytes()
        yield f"environment of {name}", Path(f"/proc/{program.pid}/environ").read_bytes()


async def everything_stored(system: System) -> bytes:
    """Every row of every table."""
    url = system.settings.database_url
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
