"""The database and the disks."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
from sqlalchemy import make_url

from tests.chaos.faults.kind import LASTS, Kind, Strike
from tests.chaos.world import POSTGRESQL, SQLITE, World

ON_POSTGRESQL: Final = (POSTGRESQL,)
ON_SQLITE: Final = (SQLITE,)


async def cut(world: World) -> None:
    assert world.database
    world.database.cut()
    await asyncio.sleep(LASTS)
    world.database.restore()


async def frozen(world: World) -> None:
    assert world.database
    world.database.freeze()
    await asyncio.sleep(LASTS)
    world.database.restore()


async def slow(world: World) -> None:
    """Every byte takes a quarter of a second: a statement takes half a second, and a unit of work seconds."""
    assert world.database
    world.database.delay = 0.25
    await asyncio.sleep(2 * LASTS)
    world.database.restore()


async def killed(world: World) -> None:
    """Kill PostgreSQL, and start it again on the same data."""
    assert world.postgres
    world.postgres.kill()
    await asyncio.sleep(4)
    await asyncio.to_thread(world.postgres.restart)


async def stopped(world: World) -> None:
    """Stop PostgreSQL properly, and start it again."""
    assert world.postgres
    world.postgres.kill(signal.SIGINT)
    await asyncio.sleep(LASTS)
    await asyncio.to_thread(world.postgres.restart)


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Any]:
    """A superuser's own connection, past the proxy."""
    connection = await asyncpg.connect(world.url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


async def tables_locked(world: World) -> None:
    """Someone else holds the tables, as a long migration would."""
    async with connected(world) as connection, connection.transaction():
        await connection.execute("lock table calls, callbacks, inquiries in access exclusive mode")
        await asyncio.sleep(LASTS)


async def read_only(world: World) -> None:
    """The server accepts no changes, as a standby before its promotion."""
    async with connected(world) as connection:
        for value in ("on", "off"):
            await connection.execute(f"alter system set default_transaction_read_only = {value}")
            await connection.execute("select pg_reload_conf()")
            await asyncio.sleep(LASTS if value == "on" else 0)


async def sessions_ended(world: World) -> None:
    """An administrator ends all sessions, again and again."""
    async with connected(world) as connection:
        for _ in range(8):
            others = "from pg_stat_activity where pid <> pg_backend_pid()"
            await connection.execute(f"select pg_terminate_backend(pid) {others}")
            await asyncio.sleep(1)


async def connections_refused(world: World) -> None:
    """The database accepts no new connections, and ends the others."""
    name = make_url(world.url).database
    address = make_url(world.url).set(database="postgres", drivername="postgresql")
    connection = await asyncpg.connect(address.render_as_string(hide_password=False))
    try:
        await connection.execute(f'alter database "{name}" allow_connections false')
        await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        await asyncio.sleep(LASTS)
        await connection.execute(f'alter database "{name}" allow_connections true')
    finally:
        await connection.close()


async def frozen_and_killed(world: World) -> None:
    """The database hangs, and then the phone door is killed: receipts are in the spool alone."""
    assert world.database
    world.database.freeze()
    await asyncio.sleep(6)
    world.send("ivr", signal.SIGKILL)
    await asyncio.sleep(6)
    world.database.restore()


async def killed_while_draining(world: World) -> None:
    """The database returns, and the phone door is killed while it drains its spool."""
    assert world.database
    world.database.cut()
    await asyncio.sleep(10)
    world.database.restore()
    for _ in range(3):
        await asyncio.sleep(1.2)
        world.send("ivr", signal.SIGKILL)
        await asyncio.sleep(4)


async def sqlite_locked(world: World) -> None:
    """Another program holds the write lock, as a careless backup would."""
    connection = sqlite3.connect(world.sqlite_file, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(connection.execute, "begin immediate")
        await asyncio.sleep(LASTS)
        connection.execute("rollback")
    finally:
        connection.close()


async def sqlite_locked_and_killed(world: World) -> None:
    connection = sqlite3.connect(world.sqlite_file, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(connection.execute, "begin immediate")
        await asyncio.sleep(6)
        world.send("ivr", signal.SIGKILL)
        await asyncio.sleep(6)
        connection.execute("rollback")
    finally:
        connection.close()


def filled(*disks: str, seconds: float = LASTS) -> Strike:
    """Fill these disks to the last byte, and empty them again."""

    async def strike(world: World) -> None:
        ballast = [world.folder / disk / "ballast" for disk in disks]
        try:
            for file in ballast:
                await asyncio.to_thread(fill, file)
            await asyncio.sleep(seconds)
        finally:
            for file in ballast:
                file.unlink(missing_ok=True)

    return strike


def fill(file: Path) -> None:
    """Write until the disk is full."""
    for size in (1 << 20, 1 << 12, 1):
        with suppress(OSError), file.open("ab", buffering=0) as out:
            while True:
                out.write(b"\0" * size)


async def no_spool_and_no_database(world: World) -> None:
    """Nothing durable works: the database is away and the spool's disk is full."""
    assert world.database
    world.database.cut()
    await filled("spool-disk")(world)
    world.database.restore()


async def spool_folder_gone(world: World) -> None:
    """The spool's folder is a file, which someone made by mistake, and the database is slow."""
    aside = world.spool.with_name("aside")
    if world.spool.exists():
        world.spool.rename(aside)
    world.spool.write_text("in the way", "utf-8")
    await asyncio.sleep(LASTS)
    world.spool.unlink()
    if aside.exists():
        aside.rename(world.spool)


KINDS: Final = (
    Kind("database: cut 8 s", cut, ON_POSTGRESQL),
    Kind("database: frozen 8 s", frozen, ON_POSTGRESQL),
    Kind("database: 250 ms each way", slow, ON_POSTGRESQL),
    Kind("database: killed", killed, ON_POSTGRESQL),
    Kind("database: stopped 8 s", stopped, ON_POSTGRESQL),
    Kind("database: tables locked 8 s", tables_locked, ON_POSTGRESQL),
    Kind("database: read-only 8 s", read_only, ON_POSTGRESQL),
    Kind("database: sessions ended", sessions_ended, ON_POSTGRESQL),
    Kind("database: connections refused", connections_refused, ON_POSTGRESQL),
    Kind("database frozen, phone door killed", frozen_and_killed, ON_POSTGRESQL),
    Kind("killed while the spool drains", killed_while_draining, ON_POSTGRESQL),
    Kind("database away and spool full", no_spool_and_no_database, ON_POSTGRESQL, needs_disks=True),
    Kind("SQLite: locked 8 s", sqlite_locked, ON_SQLITE),
    Kind("SQLite locked, phone door killed", sqlite_locked_and_killed, ON_SQLITE),
    Kind("SQLite: disk full", filled("database-disk"), ON_SQLITE, needs_disks=True),
    Kind("SQLite and spool: disks full", filled("database-disk", "spool-disk"), ON_SQLITE, needs_disks=True),
    Kind("spool: disk full", filled("spool-disk"), needs_disks=True),
    Kind("spool: a file in its place", spool_folder_gone),
)
