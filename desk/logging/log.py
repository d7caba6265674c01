"""Logs: one line an event, to stderr, JSON in production and readable in the demo or at a terminal.

Messages are static and ids go in fields, so no patient's number should ever come this far. Should one all the same,
in a library's message or a traceback, it is scrubbed from the finished line: what a line says matters less than that.

There is one handler, and every record goes to it whatever a library does to its loggers (`_one_way`). What is written
past logging (print, a child's stderr) is scrubbed at the process's own descriptors: desk/logging/outlets.py. Why so,
and what
is not reached: docs/decisions/0012.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO
from urllib.parse import quote, unquote_plus

import structlog
from pydantic import SecretStr
from structlog.typing import Processor

from desk.settings.settings import Settings
from desk.vault.keys import words_to_hide

HIDDEN = "***"
SHORTEST_SECRET = 4
"""A shorter one is no secret, and hiding it would blot out half the log."""

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
OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_UUID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_GAP = r"(?:[ \t\u00a0\u202f_+\x00-]|%(?:20|2B|2b|C2%A0|c2%a0)|\\{1,8}(?:u00a0|u202f|xa0|x00|u0000|t)|&nbsp;)"
_BETWEEN = rf"(?:[.,:;/|]|%2[EFef]|{_GAP}){{1,2}}"
# Each begins with a digit, which is what is looked for first: a line is passed over quickly.
_NUMBERS = re.compile(
    r"\d(?:"
    # Eleven digits or more, with or without gaps: an identity number, alone or with what was keyed after it.
    rf"(?:{_GAP}?\d){{10,}}"
    rf"|\d{{5}}{_BETWEEN}\d{{5}}(?!\d)"  # 010150.12345
    rf"|\d(?P<mark>[./-])\d\d(?P=mark)\d\d{_BETWEEN}\d{{5}}(?!\d)"  # 01.01.50 12345
    r"|(?<![\w.].)\d{9}(?!\w|\.\d*[1-9])"  # as an int, of somebody born on the first nine of a month
    # Norway's eight digits, as they are grouped.
    r"|(?<=[2-9])(?<![\w.].)(?:"
    rf"\d{{7}}(?!\w|\.\d)|\d(?P<two>{_GAP})\d\d(?P=two)\d\d(?P=two)\d\d(?!\w)|\d\d(?P<three>{_GAP})\d\d(?P=three)\d{{3}}(?!\w)"
    "))"
)
_ABROAD = re.compile(rf"(?:\+|%2[Bb]|\\{{1,8}}(?:u002|x2)[bB]){_GAP}?\d(?:{_GAP}?\d){{7,14}}")
# As programs spell text: escaped, percent-encoded, in base64 (which begins with the number).
_ESCAPED = re.compile(r"(?:\\{1,8}(?:u003|x3)[0-9]|%3[0-9]|&#(?:4[89]|5[0-7]);){8,}")
_ENCODED = re.compile(r"[^\s%]{0,100}%[0-9A-Fa-f]{2}[^\s]*")
_BASE64 = re.compile(r"[MNO](?:[DTjz][AEIMQUYcgk][w-z0-5](?:[MNO]|(?![A-Za-z0-9+/]))){2,}[A-Za-z0-9+/_-]{0,2}=*")
_BASE64_ABROAD = re.compile(r"KzQ3[A-Za-z0-9+/_-]{8,}=*")
_CREDENTIALS = (
    (
        "uthorization",
        re.compile(r"""(authorization\\?["']?\s*[:=,]\s*(?:b?\\?["'])?)(?:(?:basic|bearer)\s+)?[^\s"',;}\\]+""", re.I),
        rf"\1{HIDDEN}",
    ),
    ("asic", re.compile(r"\b(Basic\s+)[A-Za-z0-9+/=._~-]{8,}"), rf"\1{HIDDEN}"),
    ("earer", re.compile(r"\b(Bearer\s+)[A-Za-z0-9+/=._~-]{8,}"), rf"\1{HIDDEN}"),
    ("api_key", re.compile(r"""(api_key(?:=|%3D)|api_key\\?["']\s*[:,]\s*\\?["'])[^&\s"'\\]+""", re.I), rf"\1{HIDDEN}"),
    ("inn_", re.compile(r"\binn_[A-Za-z0-9_-]{16,}"), f"inn_{HIDDEN}"),
    ("otpauth", re.compile(r"otpauth(?:://|%3A%2F%2F)[^\s\"'\\]+", re.I), f"otpauth{HIDDEN}"),
    ("://", re.compile(r"""([a-z][a-z0-9+.-]{0,30}://[^/\s:@"']*:)[^@\s/"']+@""", re.I), rf"\1{HIDDEN}@"),
)
"""What a line must hold, in small letters, for each to be looked for; most lines hold none."""


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
        small = line.lower()
        for mark, pattern, replacement in _CREDENTIALS:
            if mark in small:
                line = pattern.sub(replacement, line)
        if line.count("-") < 4:
            return _without_numbers(line)
        parts = _UUID.split(line)  # every second one is an id
        parts[::2] = map(_without_numbers, parts[::2])
        return "".join(parts)


def _decoded(match: re.Match[str]) -> str:
    """A percent-encoded word as it is, unless what it says, encoded once or twice, holds a number."""
    said = unquote_plus(unquote_plus(match[0]))
    scrubbed = _plain(said)
    return match[0] if scrubbed == said else quote(scrubbed, safe="/:?=&*~,;@()'+")


def _without_numbers(text: str) -> str:
    return _plain(_ENCODED.sub(_decoded, text) if "%" in text else text)


def _plain(text: str) -> str:
    if "\\" in text or "%" in text or "&" in text:
        text = _ESCAPED.sub(HIDDEN, text)
    if "+" in text or "%" in text or "\\" in text:
        text = _ABROAD.sub(HIDDEN, text)
    if "KzQ3" in text:
        text = _BASE64_ABROAD.sub(HIDDEN, text)
    return _NUMBERS.sub(HIDDEN, _BASE64.sub(HIDDEN, text))


def configure_logging(
    settings: Settings | None = None, *, level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Send everything logged, by structlog or by the standard library, through one scrubbed pipeline to `stream`.

    From here on no other handler is given a record, whoever adds one and wherever; `as_before` ends that.
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
                _Scrubbed(_renderer(readable, terminal), scrubber(settings)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _one_way(handler)
    logging.captureWarnings(True)
    _quieten(level)
    structlog.configure(
        # Tracebacks become text here: no exception, whose frames hold everything, travels with the record.
        processors=[*_shared(), structlog.processors.format_exc_info, _wrap],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger made at import must follow a later configuration
    )


def scrubber(settings: Settings | None) -> Scrubber:
    """One that knows the secrets of the settings."""
    return Scrubber(_secrets(settings))


def as_before() -> None:
    """Undo what `configure_logging` did to the whole process, but for the root logger's own handler."""
    logging.Logger.callHandlers = _CALL_HANDLERS  # type: ignore[method-assign]
    logging.captureWarnings(False)
    structlog.reset_defaults()


_CALL_HANDLERS: Final = logging.Logger.callHandlers
_wrap: Final = structlog.stdlib.ProcessorFormatter.wrap_for_formatter


def _one_way(handler: logging.Handler) -> None:
    """Every record of every logger to this handler, and to no other.

    A handler of a library's own, propagate=False, basicConfig(force=True), a level or filter on another's handler: none
    of them can take a record past the scrubber, or keep it from the log. There is no other place all records pass.
    """

    def to_the_handler(_logger: logging.Logger, record: logging.LogRecord) -> None:
        handler.handle(record)

    logging.Logger.callHandlers = to_the_handler  # type: ignore[method-assign,assignment]


def tell_uncaught() -> None:
    """Log what nobody caught: in the main thread, in another, and where nothing can be raised."""
    log = logging.getLogger("uncaught")

    def in_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        log.critical("the process ends on an error", exc_info=(kind, error, trace))

    def in_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_value is not None and not issubclass(given.exc_type, SystemExit):
            log.error("a thread ends on an error", exc_info=(given.exc_type, given.exc_value, given.exc_traceback))

    def unraisable(given: "sys.UnraisableHookArgs") -> None:
        error = given.exc_value
        log.error(given.err_msg or "an error nobody could be told of", exc_info=error if error is not None else None)

    sys.excepthook, threading.excepthook, sys.unraisablehook = in_main, in_thread, unraisable


class _Scrubbed:
    """A renderer whose line is scrubbed."""

    def __init__(self, render: Processor, scrub: Scrubber) -> None:
        self._render = render
        self._scrub = scrub

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        return self._scrub(str(self._render(logger, name, event)))


def _short_numbers(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Numbers with eight digits or more become text or are rounded, so that scrubbing leaves the JSON whole."""
    return {key: _short(value) for key, value in event.items()}


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_apart(_short(inner)) for inner in value]
    if isinstance(value, int | float) and abs(value) >= LONGEST_NUMBER:
        return str(value)
    return round(value, DECIMALS) if isinstance(value, float) else value


def _apart(value: Any) -> Any:
    """In a list: `[123456, 12345]` would be taken for an identity number, and what is left of the line be no JSON."""
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
    """Access logs and chatty libraries: their warnings only. They log URLs, and a URL may hold what no log should."""
    for name in OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _secrets(settings: Settings | None) -> list[str]:
    if settings is None:
        return []
    keys = [
        word
        for key in (settings.vault.identity_key, settings.vault.index_key)
        if key
        for word in words_to_hide(_clear(key))
    ]
    others = [settings.ari.password, settings.ari.reader_password, settings.sms.password, settings.sms.report_secret]
    others += [settings.oidc.client_secret, settings.oidc.client_key]
    return keys + [_clear(secret) for secret in others if secret]


def _clear(secret: SecretStr) -> str:
    return secret.get_secret_value()
