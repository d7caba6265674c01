"""Refuse a pooler between us and PostgreSQL that gives each transaction another session.

The driver prepares statements in its session, live changes LISTEN in one, and reads run outside a transaction. With
PgBouncer in transaction mode these fail at random; in session mode they work (docs/network.md#pgbouncer).
"""

from contextlib import AsyncExitStack
from typing import Any, Final

import asyncpg

from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.database.tls import POOLED, advice

TRIES: Final = 5
SECONDS: Final = 3.0


async def require_own_session(database: Database) -> None:
    """Raise StorageUnavailable with advice where transactions of one connection can run in different sessions.

    Only behind a pooler the session's process differs from the one named at log-in: PostgreSQL itself is asked once.
    """
    if database.dialect != "postgresql":
        return
    try:
        await _compare_sessions(database)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise StorageUnavailable(advice(error)) from None


async def _compare_sessions(database: Database) -> None:
    async with AsyncExitStack() as opened:
        ours = await opened.enter_async_context(database.listener())
        before = await _process(ours)
        if before == ours.get_server_pid():
            return
        for _ in range(TRIES):
            # Another connection keeps the session that a pooler in transaction mode has just taken back.
            other = await opened.enter_async_context(database.listener())
            await other.execute("begin", timeout=SECONDS)
            await other.fetchval("select 1", timeout=SECONDS)
            if await _process(ours) != before:
                raise StorageUnavailable(POOLED)


async def _process(raw: Any) -> int | None:
    """Return the process of the session that now runs a transaction; None if there is no free one."""
    try:
        await raw.execute("begin", timeout=SECONDS)
        process = await raw.fetchval("select pg_backend_pid()", timeout=SECONDS)
        await raw.execute("commit", timeout=SECONDS)
    except TimeoutError:
        return None
    return int(process)
