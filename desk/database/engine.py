"""The database: one engine, transactions, and the names of its failures.

Every failure to reach or use the database becomes StorageUnavailable. It carries no parameters of a statement, since
they hold phone numbers and sealed identity numbers.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from desk.database.driver import CONNECTIONS, GENERIC, Driver
from desk.database.errors import StorageUnavailable
from desk.database.failure_log import FailureLog
from desk.database.faults import FAILURES, fault_of
from desk.database.notify import Notifier, take_announced
from desk.database.tls import advice, tls_of

Connection: TypeAlias = AsyncConnection

BUSY_SECONDS = 10
"""How long a writer waits for SQLite's only lock, and a unit of work for a connection from the pool."""
STATEMENT_SECONDS = 10
CONNECT_SECONDS = 5
IDLE_SECONDS = 30
"""How long PostgreSQL lets a silent unit of work hold its locks (its process hangs, or is cut off)."""
TRUSTED_SECONDS = 1.0
"""How long after its last use a pooled connection is assumed to work. After that it is pinged first."""

WRITING, READING, LISTENING = "writing", "reading", "listening"
RETRYABLE_STATES = frozenset({"40001", "40P01"})  # serialization failure, deadlock


class Conflict(Exception):
    """Another unit of work was first (a unique index, a deadlock): run this one again from the start."""


class Database:
    """One database by its URL (`postgresql+asyncpg://…` or `sqlite+aiosqlite:///…`), with a pool of connections."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = _engine(url, pool_size)
        self.dialect: str = self.engine.dialect.name
        # Writers of one process queue here: SQLite itself would make them sleep and try again.
        self._one_writer: asyncio.Lock | nullcontext[None] = (
            asyncio.Lock() if self.dialect == "sqlite" else nullcontext()
        )
        # On PostgreSQL each statement reads what is committed, so a transaction around reads would only cost two trips.
        self._readers = (
            self.engine.execution_options(sqlite_begin="BEGIN") if self.dialect == "sqlite" else self._autocommit()
        )
        self.driver_engine: AsyncEngine | None = None
        """The pool of `driver`, on PostgreSQL."""
        self._notifier: Notifier | None = None
        if self.dialect == "postgresql":
            # The connection used last comes first: it has the statements prepared.
            self.driver_engine = _engine(url, CONNECTIONS, pool_use_lifo=True)
            event.listen(self.driver_engine.sync_engine, "connect", _plan_once)
            self._notifier = Notifier(lambda: _raw(self.engine))
        self._watchers: list[tuple[str, Callable[[], None]]] = []
        self._failures = FailureLog()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """Open a transaction: it commits when the block ends, and rolls back if it raises.

        Raises Conflict (run it again) or StorageUnavailable. On SQLite it holds the write lock from the start.
        """
        async with self._one_writer, self.named_failures(WRITING), self.engine.begin() as connection:
            take_announced(connection.info)
            yield connection
            written = take_announced(connection.info)
        self._wake(written)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """Open a connection for a single statement, which on PostgreSQL commits by itself. Raises as `begin` does."""
        if self.dialect == "sqlite":
            async with self.begin() as connection:
                yield connection
            return
        async with self.named_failures(WRITING), self._readers.connect() as connection:
            take_announced(connection.info)
            yield connection
            written = take_announced(connection.info)
        self._wake(written)

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Driver]:
        """Open a connection of the driver for a single statement, which commits by itself. PostgreSQL only.

        Raises as `begin` does.
        """
        assert self.driver_engine is not None, "only PostgreSQL has it"
        announced = set[str]()
        try:
            async with self.named_failures(WRITING), _raw(self.driver_engine) as raw:
                yield Driver(raw, announced)
        finally:
            self._wake(frozenset(announced))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Open a connection for reading, which never waits for a writer."""
        opened = self._readers.begin if self.dialect == "sqlite" else self._readers.connect
        async with self.named_failures(READING), opened() as connection:
            yield connection

    @contextmanager
    def watched(self, channel: str, wake: Callable[[], None]) -> Iterator[None]:
        """Inside the block, call `wake` after each commit for `channel` through this object, not through others."""
        watcher = (channel, wake)
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[Any]:
        """Open a connection of the driver's for LISTEN. It is not part of the pool, which keeps its size.

        Raises StorageUnavailable.
        """
        async with self.named_failures(LISTENING):
            connection = await self.engine.connect()
            raw = (await connection.get_raw_connection()).driver_connection
            await connection.run_sync(lambda sync: sync.detach())
            await connection.rollback()
        try:
            yield raw
        finally:
            with suppress(*FAILURES):
                await connection.close()

    async def ping(self) -> None:
        """Check that the database answers. Raises StorageUnavailable."""
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        if self._notifier:
            await self._notifier.close()
        if self.driver_engine:
            await self.driver_engine.dispose()
        await self.engine.dispose()

    def _autocommit(self) -> AsyncEngine:
        return self.engine.execution_options(isolation_level="AUTOCOMMIT")

    def _wake(self, written: frozenset[str]) -> None:
        for channel, wake in self._watchers:
            if channel in written:
                wake()
        if written and self._notifier:
            self._notifier.notify(written)

    @asynccontextmanager
    async def named_failures(self, use: str) -> AsyncIterator[None]:
        """Rename every failure inside the block. `use` is for the log. Raises Conflict, StorageUnavailable."""
        try:
            yield
        except FAILURES as error:
            renamed = self._renamed(use, error)
        else:
            self._failures.worked(use)
            return
        # Raised here, unchained: a driver's message quotes the row («Key (phone)=(…) already exists»).
        raise renamed from None

    def _renamed(self, use: str, error: BaseException) -> Conflict | StorageUnavailable:
        driver_error = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(driver_error, "sqlstate", None)
        if isinstance(error, IntegrityError | asyncpg.IntegrityConstraintViolationError) or state in RETRYABLE_STATES:
            return Conflict()

        hint = advice(error)
        fields = {"advice": hint} if hint else {}
        cause = type(driver_error).__name__
        fault = fault_of(driver_error)
        if fault:
            fields["fault"] = fault.value
        self._failures.failed(use, error=type(error).__name__, cause=cause, sqlstate=state, **fields)
        return StorageUnavailable(hint, fault)


@asynccontextmanager
async def _raw(engine: AsyncEngine) -> AsyncIterator[Any]:
    """Take a connection of the driver from the engine's pool.

    It goes back to the pool whatever happens: after a time-out or a cancellation the driver cancels the statement
    before anything else runs, and a closed connection is found when it is taken next.
    """
    async with engine.connect() as connection:
        yield (await connection.get_raw_connection()).driver_connection


def _engine(url: str, pool_size: int, **pool: Any) -> AsyncEngine:
    sqlite = url.startswith("sqlite")
    address, put_on_tls = tls_of(url)
    engine = create_async_engine(
        address,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        **pool,
        pool_timeout=BUSY_SECONDS,
        connect_args=(
            {"timeout": BUSY_SECONDS}
            if sqlite
            else {
                "timeout": CONNECT_SECONDS,
                "command_timeout": STATEMENT_SECONDS,
            }
        ),
    )
    if sqlite:
        event.listen(engine.sync_engine, "do_connect", _try_file)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    else:
        if put_on_tls:
            event.listen(engine.sync_engine, "do_connect", put_on_tls)
        event.listen(engine.sync_engine, "connect", _limit_idleness)
        event.listen(engine.sync_engine, "checkin", _remember)
        event.listen(engine.sync_engine, "checkout", _try_connection)
    return engine


def _limit_idleness(connection: Any, _record: Any) -> None:
    """Not a start-up parameter, because PgBouncer refuses those it does not know."""
    limit = f"set idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}"
    connection.run_async(lambda raw: raw.execute(limit))


def _plan_once(connection: Any, _record: Any) -> None:
    connection.run_async(lambda raw: raw.execute(GENERIC))


def _remember(connection: Any, record: Any) -> None:
    if connection is not None:
        record.info["worked_at"] = time.monotonic()


def _try_connection(connection: Any, record: Any, _fairy: Any) -> None:
    """Ping a connection that was idle. SQLAlchemy's own way would ping each time, in three trips."""
    fresh = time.monotonic() - record.info.get("worked_at", time.monotonic()) < TRUSTED_SECONDS
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError
    if fresh:
        return
    try:
        connection.ping()
    except Exception:
        raise InvalidatePoolError from None


def _try_file(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
    """Fail here if the file can't be opened: a later failure would leave the driver's thread running without a loop."""
    sqlite3.connect(arguments[0]).close()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Set durable commits (`synchronous=FULL`: receipts rely on them), readers beside a writer, foreign keys."""
    connection.isolation_level = None  # the driver starts no transaction: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    """Take the lock at once: two transactions that read first and then write would deadlock, and one would fail."""
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))
