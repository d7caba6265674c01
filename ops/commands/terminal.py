"""Shared helpers of the commands: settings, a current database, and errors as one line with exit code 1."""

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

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
from ops.commands.printing import fail as fail
from ops.commands.printing import say as say
from ops.commands.printing import show as show

T = TypeVar("T")

TARGET_SETTINGS = frozenset(
    f"{PREFIX}{name}{end}"
    for name in ("ENVIRONMENT", "IDENTITY_KEY", "INDEX_KEY", "DATABASE_URL", "MIGRATION_URL")
    for end in ("", "_FILE")
)
"""Any of these settings makes the choice of database and keys explicit."""


def load_settings(*, need_keys: bool = False) -> Settings:
    """Load the settings. On an error, print it and exit."""
    try:
        settings = settings_here()
        if need_keys:
            settings.vault.check_keys()
        return settings
    except SettingsError as error:
        fail(str(error))


def settings_here() -> Settings:
    """Load the settings. Raises SettingsError.

    If no setting selects a database and `make run` has left a demo here, use the demo and its keys. This never creates
    keys. It prints a line about it, since a server's operator may have forgotten the settings.
    """
    settings = Settings.load(need_keys=False)
    if not settings.demo and (settings.files.var / KEYS_FILE).exists() and not target_is_set():
        say(f"This is the demo in {settings.files.var}, since {PREFIX}ENVIRONMENT is not set.")
        return Settings.load(need_keys=False, environment="demo")
    return settings


def target_is_set() -> bool:
    """Whether a setting selects a database or keys."""
    return any(value and name.upper() in TARGET_SETTINGS for name, value in os.environ.items())


@asynccontextmanager
async def current_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database with the current schema. An embedded one is migrated, a server's operator migrates it."""
    if settings.database.embedded:
        await migrations.migrate(settings.database.url)
    async with open_database(settings.database) as database:
        if not await migrations.is_current(database):
            raise SettingsError("the database schema does not match this version. Run: innringing migrate")
        yield database


@asynccontextmanager
async def unlocked_database(settings: Settings) -> AsyncIterator[tuple[Database, Vault]]:
    """Open the database, with a vault whose keys match it. Raises SettingsError."""
    async with current_database(settings) as database:
        vault = make_vault(settings.vault)
        await check_keys(database, vault, SystemClock())
        yield database, vault


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine. Print an error as one line and exit."""
    # Print the error only once: without logging.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return asyncio.run(work)
    except StorageUnavailable as error:
        fail(f"{error} {error.advice or f'See {PREFIX}DATABASE_URL.'}")
    except DeskError as error:
        fail(str(error))


def this_command() -> str:
    """Return how `innringing` is written in a terminal here, so that a printed command runs as printed."""
    installed = Path(sys.executable).parent / "innringing"
    found = shutil.which("innringing")
    if found and Path(found).parent == installed.parent:
        return "innringing"
    return str(installed.relative_to(Path.cwd()) if installed.is_relative_to(Path.cwd()) else installed)
