"""A service whose libraries try every way to write a number: `python -m tests.support.canaries.leaky <number> <stage>`.

Every way writes its own word with the number, so that the test can see which lines arrived.
"""

import asyncio
import ctypes
import logging
import logging.config
import logging.handlers
import os
import queue
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from sqlalchemy import create_engine, text

EARLY = logging.StreamHandler()  # created at import, with the stream of that time


def own_handler(number: str) -> None:
    logger = logging.getLogger("library.own")
    logger.addHandler(EARLY)
    logger.propagate = False
    logger.error("own-handler %s", number)


def forced_config(number: str) -> None:
    logging.basicConfig(force=True, level=logging.DEBUG, stream=sys.stdout, format="%(message)s")
    logging.getLogger("library.forced").debug("forced-config %s", number)


def dict_config(number: str) -> None:
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    logger = {"handlers": ["out"], "level": "DEBUG", "propagate": False}
    parts = {"handlers": {"out": handler}, "loggers": {"library.dict": logger}}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **parts})
    logging.getLogger("library.dict").debug("dict-config %s", number)


def to_a_file(number: str) -> None:
    file = Path(os.environ["LEAK_FILE"])
    logging.getLogger("library.file").addHandler(logging.FileHandler(file))
    logging.getLogger("library.file").error("to-a-file %s", number)


def to_a_queue(number: str) -> None:
    waiting: queue.Queue[Any] = queue.Queue()
    logging.getLogger("library.queue").addHandler(logging.handlers.QueueHandler(waiting))
    listener = logging.handlers.QueueListener(waiting, EARLY)
    listener.start()
    logging.getLogger("library.queue").error("to-a-queue %s", number)
    listener.stop()


def extra_and_stack(number: str) -> None:
    logging.getLogger("library").error("extra-and-stack", extra={"digits": number}, stack_info=True)


def own_factory(number: str) -> None:
    logging.setLogRecordFactory(lambda *given, **more: logging.LogRecord(*given, **more))
    logging.getLogger("library").error("own-factory %(digits)s", {"digits": number})


def badly_formatted(number: str) -> None:
    logging.getLogger("library").error("badly-formatted %d", number)


def structured(number: str) -> None:
    structlog.get_logger("desk").error("structured", digits=number, raw=number.encode(), inside=[{"n": (int(number),)}])


def chained(number: str) -> None:
    try:
        try:
            raise ValueError(f"chained-inner {number}")
        except ValueError as error:
            raise ExceptionGroup(f"chained-group {number}", [KeyError(number), OSError(5, number)]) from error
    except ExceptionGroup as group:
        group.add_note(f"chained-note {number}")
        structlog.get_logger("desk").exception("chained")
        logging.getLogger("library").exception("chained")


def sql_echo(number: str) -> None:
    engine = create_engine("sqlite://", echo="debug")
    with engine.connect() as connection:
        connection.execute(text("select :number as echo"), {"number": f"sql-echo {number}"}).all()
    engine.dispose()


def access_lines(number: str) -> None:
    for name in ("uvicorn.access", "aiohttp.access", "httpx"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).info("access-lines GET /callbacks/%s", number)


def loop_errors(number: str) -> None:
    async def fails() -> None:
        raise RuntimeError(f"loop-task {number}")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.call_soon(lambda: int(f"loop-callback {number}"))
        task = asyncio.create_task(fails(), name=f"loop-name {number}")
        await asyncio.wait([task])
        del task
        session = aiohttp.ClientSession(headers={"digits": number})
        del session
        await asyncio.sleep(0)

    asyncio.run(main())


def warned(number: str) -> None:
    warnings.simplefilter("always")
    warnings.warn(f"warned {number}", UserWarning, stacklevel=1)


def in_a_thread(number: str) -> None:
    def fails() -> None:
        raise RuntimeError(f"in-a-thread {number}")

    thread = threading.Thread(target=fails, name=number)
    thread.start()
    thread.join()


def unraisable(number: str) -> None:
    class Left:
        def __del__(self) -> None:
            raise RuntimeError(f"unraisable {number}")

    Left()


def printed(number: str) -> None:
    print("printed", number)
    print("printed-err", number, file=sys.stderr)
    print("printed-original", number, file=sys.__stderr__, flush=True)
    sys.stdout.write(f"half of printed-half {number[:6]}")
    sys.stdout.flush()
    sys.stdout.write(f"{number[6:]}\n")
    os.write(2, f"printed-bytes {number}\n".encode())


def from_c(number: str) -> None:
    ctypes.CDLL(None).puts(f"from-c {number}".encode())
    ctypes.CDLL(None).fflush(None)


def by_a_child(number: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys; print('by-a-child {number}', file=sys.stderr)"], check=True)


WAYS: tuple[Callable[[str], None], ...] = (
    *(own_handler, forced_config, dict_config, to_a_file, to_a_queue, extra_and_stack, own_factory, badly_formatted),
    *(structured, chained, sql_echo, access_lines, loop_errors, warned, in_a_thread, unraisable, printed, from_c),
    by_a_child,
)


def main(number: str, guarded: str) -> None:
    from desk.logging.outlets import guard_output
    from desk.settings.settings import Settings

    if guarded == "guarded":
        guard_output(Settings.read(environment="production"))
    for way in WAYS:
        way(number)
    local = number
    raise RuntimeError(f"uncaught {local}") from ValueError(number)


if __name__ == "__main__":
    main(*sys.argv[1:])
