"""A service whose libraries log a number in many ways: `python -m tests.support.canaries.leaky <number> <yes|no>`.

Each way logs a word of its own with the number, so that a lost message is noticed. `no` turns the scrubber off.
"""

import asyncio
import logging
import logging.config
import logging.handlers
import sys
import threading
import warnings
from collections.abc import Callable

import aiohttp
import structlog
from sqlalchemy import create_engine, text

from desk.logging.scrubber import Scrubber
from desk.logging.service import log_service


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
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    engine = create_engine("sqlite://")
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


WAYS: tuple[Callable[[str], None], ...] = (
    *(extra_and_stack, own_factory, badly_formatted, structured, chained, sql_echo, access_lines, loop_errors),
    *(warned, in_a_thread, unraisable),
)


def main(number: str, scrubs: str) -> None:
    log_service([], readable=False)
    if scrubs == "no":
        Scrubber.__call__ = lambda self, text: text  # type: ignore[method-assign]
    for way in WAYS:
        way(number)
    local = number
    raise RuntimeError(f"uncaught {local}") from ValueError(number)


if __name__ == "__main__":
    main(*sys.argv[1:])
