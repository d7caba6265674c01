"""What commands share: the settings, a current database, and one line with exit code 1 for what goes wrong."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import structlog
import typer

from desk.clock import SystemClock
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.errors import DeskError, SettingsError
from desk.schema import migrate as migrations
from desk.settings.group import PREFIX
from desk.settings.secret_files import KEYS_FILE
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from desk.wire import check_keys, make_vault, open_database

T = TypeVar("T")

SAYS_WHICH = frozenset(
    f"{PREFIX}{name}{end}"
    for name in ("ENVIRONMENT", "IDENTITY_KEY", "INDEX_KEY", "DATABASE_URL", "MIGRATION_URL")
    for end in ("", "_FILE")
)
"""Whoever has set one of these has said which database and which keys are meant."""


def load_settings(*, need_keys: bool = False) -> Settings:
    """The settings, or the end of the command.

    Where nothing says which database is meant, and `make run` has left a demo here, it is that demo: with the keys it
    has. None are made by this, and it says so, for a server's operator may have forgotten the settings.
    """
    try:
        settings = Settings.load(need_keys=False)
        if not settings.demo and (settings.files.var / KEYS_FILE).exists() and not _said_which():
            say(f"This is the demo in {settings.files.var}, since {PREFIX}ENVIRONMENT is not set.")
            return Settings.load(need_keys=need_keys, environment="demo")
        return Settings.load(need_keys=True) if need_keys else settings
    except SettingsError as error:
        fail(str(error))


def _said_which() -> bool:
    return any(value and name.upper() in SAYS_WHICH for name, value in os.environ.items())


@asynccontextmanager
async def current_database(settings: Settings) -> AsyncIterator[Database]:
    """The database with the newest tables; the embedded one is brought to them, a server's is its operator's care."""
    if settings.database.embedded:
        await migrations.migrate(settings.database.url)
    async with open_database(settings.database) as database:
        if not await migrations.is_current(database):
            raise SettingsError("the database's tables are not those of this version. Run: innringing migrate")
        yield database


@asynccontextmanager
async def unlocked_database(settings: Settings) -> AsyncIterator[tuple[Database, Vault]]:
    """The database and a vault whose keys are the right ones. Raises SettingsError."""
    async with current_database(settings) as database:
        vault = make_vault(settings.vault)
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
