"""The log of a service: it also receives the exceptions that nothing catches."""

import logging
import resource
import sys
import threading
from collections.abc import Iterable
from types import TracebackType

from desk.logging.log import configure_logging

LEVEL = logging.INFO


def log_service(secrets: Iterable[str], *, readable: bool) -> None:
    """Start the log of a service on stderr.

    Uncaught exceptions are logged; asyncio logs those of tasks and callbacks itself. A process that crashes leaves no
    core file, in which keys and numbers would be.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    configure_logging(secrets, readable=readable, level=LEVEL)
    log_uncaught()


def log_uncaught() -> None:
    """Log the exceptions that end the process or a thread, and those that can't be raised."""
    log = logging.getLogger("uncaught")

    def in_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("The process ends on an error", exc_info=(kind, error, trace))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            log.error("A thread ends on an error", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        error = args.exc_value
        log.error(args.err_msg or "An exception was ignored", exc_info=error if error is not None else None)

    sys.excepthook, threading.excepthook, sys.unraisablehook = in_main, in_thread, unraisable
