"""`innringing api`: serve the REST API. If it can't start, it prints the reason in one line and exits with 1."""

import asyncio
import errno
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn
import uvloop

from api.app import create_app, open_services
from api.own_commands import OwnCommands
from api.upkeep import background_work
from api.web.metrics import Metrics
from api.web.server.protocol import bounded
from api.web.server.tls import CertificateFault, server_context
from desk.clock import SystemClock
from desk.database.engine import Database
from desk.database.errors import StorageUnavailable
from desk.departments.demo import refuse_demo_departments
from desk.errors import DeskError
from desk.garbage import settle
from desk.logging.service import log_service
from desk.schema.migrate import is_current, migrate
from desk.settings.group import PREFIX
from desk.settings.settings import Settings
from ops.commands.terminal import say
from ops.messages.translation import norwegian

SECONDS_TO_FINISH = 10
"""How long unfinished requests may take after the process is asked to stop."""
SECONDS_UNREAD = 40
"""After this the kernel drops a connection whose client reads nothing, or is gone."""


class StartError(Exception):
    """The api can't start. The message says in one line what to fix."""


def api() -> None:
    """Serve the REST API. Its documentation is at /api/docs."""
    os.umask(0o077)  # only this user can read the database if it is a file
    try:
        settings = Settings.load()
        _serve(settings)
    except StorageUnavailable as error:
        advice = error.advice or f"See {PREFIX}DATABASE_URL."
        _fail(f"{database_place(settings)} can't be reached, or refuses us. {advice}")
    except (StartError, DeskError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or type(error).__name__}: {error.filename or 'no file named'}")


def _serve(settings: Settings) -> None:
    with (
        listen(settings.api.host, settings.api.port) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(serve(settings, listening))


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """The context of our own TLS; None behind a proxy that does TLS. Raises StartError."""
    if settings.api.tls is None:
        return None
    try:
        return server_context(*settings.api.tls)
    except CertificateFault as fault:
        raise StartError(f"{fault}. See {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE") from None


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises StartError if the port is taken or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} on {host} is taken by another program. Stop it, or set {PREFIX}API_PORT"
        else:
            reason = f"can't listen on {host}, port {port}: {error.strerror}. See {PREFIX}API_HOST and {PREFIX}API_PORT"
        raise StartError(reason) from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; each accepted connection inherits it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SECONDS_UNREAD * 1000)
    return listening


async def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve on `listening` until SIGTERM or SIGINT. Raises StartError and the desk's errors."""
    # Until all dependencies have answered, only the one line with the reason may be printed.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tls = _tls(settings)
    if not settings.demo:
        refuse_demo_departments(settings.files.departments)
    await make_database_current(settings)
    metrics, clock = Metrics(), SystemClock()
    async with open_services(settings, metrics=metrics, clock=clock) as opened:
        services = replace(opened, commands=OwnCommands([sys.executable, "-m", "innringing"]), translate=norwegian())
        log_service(settings.secrets(), readable=settings.demo)
        app = create_app(settings, services=services)
        server = _ServerWithStreams(
            uvicorn.Config(
                app,
                http=bounded(settings.api.connections),
                # uvicorn trusts every peer on this machine by default; see api/web/middleware/forwarding.py
                proxy_headers=False,
                ssl_context_factory=(lambda _config, _default: tls) if tls else None,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=SECONDS_TO_FINISH,
            ),
            before_stopping=services.live.stop,
        )
        _stop_quietly(server)
        host, port = listening.getsockname()[:2]
        if settings.login.leaked_passwords is None and not settings.demo:
            structlog.get_logger("api").warning(
                "no list of leaked passwords: only the commonest are refused", setting=f"{PREFIX}LEAKED_PASSWORDS"
            )
        structlog.get_logger("api").info("listening", host=host, port=port, tls=tls is not None)
        async with background_work(services):
            settle()
            await server.serve(sockets=[listening])


class _ServerWithStreams(uvicorn.Server):
    """A server that ends endless responses before it waits for unfinished requests, as uvicorn does."""

    def __init__(self, config: uvicorn.Config, *, before_stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_stopping = before_stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_stopping()
        await super().shutdown(sockets)


def _stop_quietly(server: uvicorn.Server) -> None:
    """Let both signals end in a normal return.

    When uvicorn has stopped, it raises the signal again for the previous handler. The default handler would end the
    process before the database is closed.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


async def make_database_current(settings: Settings) -> None:
    """Migrate the embedded SQLite. A server's database is migrated by its operator.

    Raises StartError if the operator has not migrated it, StorageUnavailable.
    """
    if settings.database.url.startswith("sqlite"):
        await migrate(settings.database.url)
        return
    database = Database(settings.database.url)
    try:
        if not await is_current(database):
            raise StartError("The database's tables are not those of this version. Run: innringing migrate")
    finally:
        await database.close()


def database_place(settings: Settings) -> str:
    """Describe the database without user or password."""
    address = urlsplit(settings.database.url)
    if address.scheme.startswith("sqlite"):
        return f"The database {address.path.removeprefix('/')}"
    return f"The database at {address.hostname}:{address.port or 5432}"


def _fail(reason: str) -> None:
    say(f"innringing api: {reason}")
    raise typer.Exit(1)
