"""What commands share: the settings, a current database, and one line with exit code 1 for what goes wrong."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import structlog
import typer

from desk.clock import SystemClock
from desk.errors import DeskError, SettingsError, StorageUnavailable
from desk.settings import PREFIX, SQLITE, Settings
from desk.storage import migrate as migrations
from desk.storage.database import Database
from desk.vault import Vault
from desk.wire import check_keys, make_vault, open_database

T = TypeVar("T")


def load_settings(*, need_keys: bool = False) -> Settings:
    """The settings, or the end of the command."""
    try:
        return Settings.load(need_keys=need_keys)
    except SettingsError as error:
        fail(str(error))


@asynccontextmanager
async def current_database(settings: Settings) -> AsyncIterator[Database]:
    """The database with the newest tables; the embedded one is brought to them, a server's is its operator's care."""
    if settings.database_url.startswith(SQLITE):
        await migrations.migrate(settings.database_url)
    async with open_database(settings) as database:
        if not await migrations.is_current(database):
            raise SettingsError("the database's tables are not those of this version. Run: innringing migrate")
        yield database


@asynccontextmanager
async def unlocked_database(settings: Settings) -> AsyncIterator[tuple[Database, Vault]]:
    """The database and a vault whose keys are the right ones. Raises SettingsError."""
    async with current_database(settings) as database:
        vault = make_vault(settings)
        await check_keys(database, vault, SystemClock())
        yield database, vault


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it, or say in one line why not."""
    # one line of what is wrong, and not the log's line of the same
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return asyncio.run(work)
    except StorageUnavailable as error:
        fail(f"{error} {error.advice or f'See {PREFIX}DATABASE_URL.'}")
    except DeskError as error:
        fail(str(error))


def say(line: str) -> None:
    """A line for whoever sits there; what other programs read goes to stdout."""
    typer.echo(line, err=True)


def fail(line: str) -> NoReturn:
    """Say it and end with exit code 1."""
    say(line)
    raise typer.Exit(1)
