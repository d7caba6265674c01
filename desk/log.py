"""Logs: one line an event, to stderr, JSON in production and readable in the demo or at a terminal.

Messages are static and ids go in fields, so no patient's number should ever come this far. Should one all the same,
in a library's message or a traceback, it is scrubbed from the finished line: what a line says matters less than that.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from pydantic import SecretStr
from structlog.typing import Processor

from desk.keys import words_to_hide
from desk.settings import Settings

HIDDEN = "***"
SHORTEST_SECRET = 4
"""A shorter one is no secret, and hiding it would blot out half the log."""

LONGEST_NUMBER = 10**10
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
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Eleven digits or more: an identity number, alone or with what was keyed after it; 010150 12345; a phone number.
_NUMBERS = re.compile(rf"(?P<kept>{_UUID})|[0-9]{{11,}}|(?<![0-9])[0-9]{{6}}[ -][0-9]{{5}}(?![0-9])|\+[0-9]{{8,15}}")
_CREDENTIALS = (
    (
        re.compile(r"""(authorization\\?["']?\s*[:=,]\s*(?:b?\\?["'])?)(?:(?:basic|bearer)\s+)?[^\s"',;}\\]+""", re.I),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b((?:Basic|Bearer)\s+)[A-Za-z0-9+/=._~-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"""(api_key(?:=|%3D)|api_key\\?["']\s*[:,]\s*\\?["'])[^&\s"'\\]+""", re.I), rf"\1{HIDDEN}"),
    (re.compile(r"\binn_[A-Za-z0-9_-]{16,}"), f"inn_{HIDDEN}"),
    (re.compile(r"""([a-z][a-z0-9+.-]*://[^/\s:@"']*:)[^@\s/"']+@""", re.I), rf"\1{HIDDEN}@"),
)


class Scrubber:
    """Takes identity numbers, phone numbers and credentials out of a line; `secrets` are hidden wherever they stand."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= SHORTEST_SECRET
            for spelling in (
                secret,
                quote(secret, safe=""),
                *(json.dumps(secret, ensure_ascii=e)[1:-1] for e in (False, True)),
            )
        }
        longest_first = sorted(spellings, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, line: str) -> str:
        """The line without them. Callback ids (UUIDs) stay, whatever digits they hold."""
        if self._secrets is not None:
            line = self._secrets.sub(HIDDEN, line)
        for pattern, replacement in _CREDENTIALS:
            line = pattern.sub(replacement, line)
        return _NUMBERS.sub(lambda match: match["kept"] or HIDDEN, line)


def configure_logging(
    settings: Settings | None = None, *, level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Send everything logged, by structlog or by the standard library, through one scrubbed pipeline to `stream`.

    Replaces the root logger's handlers. Uvicorn must be started with `log_config=None`, or it brings its own.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    readable = terminal or (settings is not None and settings.demo)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _short_numbers,
                _Scrubbed(_renderer(readable, terminal), Scrubber(_secrets(settings))),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    _quieten(level)
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger made at import must follow a later configuration
    )


class _Scrubbed:
    """A renderer whose line is scrubbed."""

    def __init__(self, render: Processor, scrub: Scrubber) -> None:
        self._render = render
        self._scrub = scrub

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        return self._scrub(str(self._render(logger, name, event)))


def _short_numbers(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Numbers with eleven digits or more become text or are rounded, so that scrubbing leaves the JSON whole."""
    return {key: _short(value) for key, value in event.items()}


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    if isinstance(value, int | float) and abs(value) >= LONGEST_NUMBER:
        return str(value)
    return round(value, DECIMALS) if isinstance(value, float) else value


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
    """Access logs and chatty libraries: their warnings only. They log URLs, and a URL may hold what no log should."""
    for name in OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _secrets(settings: Settings | None) -> list[str]:
    if settings is None:
        return []
    keys = [word for key in (settings.identity_key, settings.index_key) if key for word in words_to_hide(_clear(key))]
    others = [settings.ari_password, settings.sms_password, settings.sms_report_secret]
    others += [settings.oidc_client_secret, settings.oidc_client_key]
    return keys + [_clear(secret) for secret in others if secret]


def _clear(secret: SecretStr) -> str:
    return secret.get_secret_value()
