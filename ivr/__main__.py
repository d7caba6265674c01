"""The phone door as a process: puts its parts together and serves calls until told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial

import structlog
import uvloop

from desk.errors import DeskError, StorageUnavailable
from desk.log import configure_logging
from desk.reload import DepartmentsFile
from desk.settings import PREFIX, Settings
from desk.storage.database import Database
from desk.storage.migrate import is_current, migrate
from desk.wire import open_desk
from ivr.ari import Ari
from ivr.controller import Controller
from ivr.dialogue.caller import request_callback
from ivr.errors import IvrError

log = structlog.get_logger(__name__)


class TablesOutdated(IvrError):
    """The database's tables are not those of this version. Run: innringing migrate"""


def main() -> None:
    """Serve calls until SIGTERM or SIGINT. What stops it from serving is said in one line, with exit code 1."""
    try:
        settings = Settings.load()
        configure_logging(settings)
        uvloop.run(serve(settings))
    except* StorageUnavailable:
        _fail(f"The database can't be reached, or refuses us. See {PREFIX}DATABASE_URL.")
    except* (DeskError, IvrError) as errors:
        _fail(_first_line(errors))


async def serve(settings: Settings) -> None:
    """Take calls. Raises DeskError, AriRefused, AriReplaced and TablesOutdated; waits for Asterisk if it is not up."""
    departments = DepartmentsFile(settings.departments_file)
    ari = Ari(base_url=settings.ari_url, user=settings.ari_user, password=settings.require_ari_password())
    await _check_tables(settings)
    async with open_desk(settings, departments=departments) as desk:
        controller = Controller(
            ari=ari,
            desk=desk,
            departments=departments,
            held=departments.held,
            conversation=partial(request_callback, settings=settings),
        )
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        looking = asyncio.create_task(departments.keep_looking())
        try:
            await controller.serve(stopping)
        finally:
            looking.cancel()
    log.info("Stopped")


async def _check_tables(settings: Settings) -> None:
    """Migrate the embedded database; a server's is migrated by its operator."""
    if settings.database_url.startswith("sqlite"):
        await migrate(settings.database_url)
        return
    database = Database(settings.database_url)
    try:
        if not await is_current(database):
            raise TablesOutdated
    finally:
        await database.close()


def _first_line(errors: BaseExceptionGroup[Exception]) -> str:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split())


def _fail(reason: str) -> None:
    print(f"innringing ivr: {reason}", file=sys.stderr)
    raise SystemExit(1)


if __name__ == "__main__":
    main()
