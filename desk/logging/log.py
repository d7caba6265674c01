"""Logs: one line for each event on stderr, JSON in production, readable in the demo or at a terminal.

Each line is scrubbed when it is finished, whether structlog, a library, uvicorn or a warning wrote it. Events of our
own are scrubbed before as well, so that an exporter's handler next to ours (OpenTelemetry, Sentry) gets them clean.
What is written past logging is not scrubbed: docs/decisions/0012.
"""

import logging
import sys
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor

from desk.logging.scrubber import Scrubber

LONGEST_NUMBER = 10**7
FIVE_DIGITS = 10**4
DECIMALS = 6

QUIET = (
    "aiohttp",
    "aiohttp.access",
    "aioari",
    "asyncio",
    "uvicorn.access",
    "httpx",
    "httpcore",
    "alembic",
    "sqlalchemy",
)
"""They log addresses, which may contain what no log should: only their warnings are logged."""
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_wrap: Final = structlog.stdlib.ProcessorFormatter.wrap_for_formatter


class ScrubbingHandler(logging.StreamHandler[TextIO]):
    """Writes each record as one scrubbed line."""

    def __init__(self, stream: TextIO, scrub: Scrubber, render: Processor) -> None:
        super().__init__(stream)
        self._scrub = scrub
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=_shared(),
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    _shorten_numbers,
                    render,
                ],
            )
        )

    def format(self, record: logging.LogRecord) -> str:
        return self._scrub(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:
        """Write why a record could not be formatted; the standard library would print its arguments."""
        self.stream.write(self._scrub(f"Logging error in {record.name}: {record.msg}\n{traceback.format_exc()}"))


def configure_logging(
    secrets: Iterable[str] = (),
    *,
    readable: bool = False,
    level: int = logging.INFO,
    stream: TextIO | None = None,
) -> None:
    """Send what is logged, by structlog or the standard library, through one scrubbing handler to `stream`.

    `secrets` are hidden wherever they are. Other handlers may be added to the root logger afterwards.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    scrub = Scrubber(secrets)
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, ScrubbingHandler)]:
        root.removeHandler(handler)
    root.addHandler(ScrubbingHandler(stream, scrub, _renderer(readable or terminal, terminal)))
    root.setLevel(level)
    logging.captureWarnings(True)
    _quieten(level)
    structlog.configure(
        # Tracebacks become text here: no exception, whose frames hold everything, reaches another handler.
        processors=[*_shared(), structlog.processors.format_exc_info, _ScrubbedEvent(scrub), _wrap],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger made at import must follow a later configuration
    )


class _ScrubbedEvent:
    """A processor that scrubs the texts in an event, its keys included."""

    def __init__(self, scrub: Scrubber) -> None:
        self._scrub = scrub

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {
            self._scrub(key): value if key == "timestamp" else self._scrubbed(value) for key, value in event.items()
        }

    def _scrubbed(self, value: Any) -> Any:
        match value:
            case str():
                return self._scrub(value)
            case Mapping():
                return {self._scrubbed(key): self._scrubbed(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self._scrubbed(inner) for inner in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self._scrub(repr(value))


def _shorten_numbers(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make numbers of eight digits or more into text, or round them, so that a scrubbed line is still JSON."""
    return {key: _shortened(value) for key, value in event.items()}


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text_in_a_list(_shortened(inner)) for inner in value]
    if isinstance(value, int | float) and abs(value) >= LONGEST_NUMBER:
        return str(value)
    return round(value, DECIMALS) if isinstance(value, float) else value


def _as_text_in_a_list(value: Any) -> Any:
    """`[123456, 12345]` would be taken for an identity number, and the rest of the line would not be JSON."""
    return str(value) if isinstance(value, int | float) and abs(value) >= FIVE_DIGITS else value


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _renderer(readable: bool, colours: bool) -> Processor:
    if readable:
        return structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _quieten(level: int) -> None:
    """Let uvicorn's loggers use our handler, and talkative libraries log warnings only."""
    for name in OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
