"""Logs: one line for each event, with no patient data and no passwords."""

import io
import json
import logging
import warnings

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from desk.logging.log import ScrubbingHandler, configure_logging
from desk.logging.scrubber import Scrubber
from tests.support.synthetic import synthetic_identity

SENTINEL = synthetic_identity(113)
PASSWORD = 'p&ss "word"/ø'
CALLBACK_ID = "01234567-89ab-4cde-8f01-123456789012"


@pytest.fixture(params=[False, True], ids=["json", "console"])
def out(request: pytest.FixtureRequest) -> io.StringIO:
    """The lines that are written, in production and in the demo."""
    stream = io.StringIO()
    configure_logging([PASSWORD], readable=request.param, stream=stream)
    return stream


def json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_production_writes_one_json_object_a_line() -> None:
    stream = io.StringIO()
    configure_logging([PASSWORD], stream=stream)
    structlog.contextvars.bind_contextvars(callback=CALLBACK_ID)
    structlog.get_logger("desk.desk").info("callback registered", department="kirurgi", count=2)
    logging.getLogger("other").warning("a library says %s", "this\nand that")
    ours, theirs = json_lines(stream)
    assert str(ours.pop("timestamp")).endswith("Z")  # UTC, whatever the machine's time zone
    assert ours == {
        "event": "callback registered",
        "level": "info",
        "logger": "desk.desk",
        "callback": CALLBACK_ID,
        "department": "kirurgi",
        "count": 2,
    }
    assert (theirs["event"], theirs["level"], theirs["callback"]) == (
        "a library says this\nand that",
        "warning",
        CALLBACK_ID,
    )


def test_the_demo_writes_for_people() -> None:
    stream = io.StringIO()
    configure_logging([PASSWORD], readable=True, stream=stream)
    structlog.get_logger("desk.desk").info("callback registered", department="kirurgi")
    assert "callback registered" in stream.getvalue()
    assert "department=kirurgi" in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()  # colours are for terminals


def test_logger_created_earlier_follows_the_configuration() -> None:
    early = structlog.get_logger("early")
    for _ in range(2):
        stream = io.StringIO()
        configure_logging([PASSWORD], stream=stream)
        early.info("hello")
        assert [line["event"] for line in json_lines(stream)] == ["hello"]


def assert_clean(stream: io.StringIO, *, lines_hold: str) -> None:
    written = stream.getvalue()
    assert lines_hold in written
    assert SENTINEL not in written
    assert SENTINEL[6:] not in written
    assert 'ss \\"word' not in written
    assert 'ss "word' not in written
    assert "ss%20%22word" not in written


def test_fields_messages_and_nested_values_are_scrubbed(out: io.StringIO) -> None:
    log = structlog.get_logger("desk")
    log.info(
        "seen",
        digits=SENTINEL,
        nested={"list": [SENTINEL, ("x" + SENTINEL,)]},
        number=int(SENTINEL),
        raw=SENTINEL.encode(),
    )
    log.info(f"seen {SENTINEL}")
    log.info("seen", written=f"{SENTINEL[:6]} {SENTINEL[6:]}", keyed=f"{SENTINEL}68050001", **{SENTINEL: 1})
    log.info("seen", password=PASSWORD, inside=[f"http://x/?api_key=innringing:{PASSWORD}"])
    logging.getLogger("aioari").warning("seen %s %r", SENTINEL, {"digits": SENTINEL})
    assert_clean(out, lines_hold="seen")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SENTINEL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(json_values)
@example([123_456, 12_345])
@example([0.123456, 12_345])
def test_scrubbed_line_is_valid_json(value: object) -> None:
    stream = io.StringIO()
    configure_logging([PASSWORD], stream=stream)
    structlog.get_logger("desk").info("seen", value=value)
    (line,) = [json.loads(line) for line in stream.getvalue().removesuffix("\n").split("\n")]
    assert line["event"] == "seen"
    assert SENTINEL not in stream.getvalue()


def test_tracebacks_are_scrubbed(out: io.StringIO) -> None:
    def fail() -> None:
        try:
            int(f"{SENTINEL}x")
        except ValueError as error:
            raise RuntimeError(f"{PASSWORD} and {SENTINEL}") from error

    try:
        fail()
    except RuntimeError:
        structlog.get_logger("desk").exception("it failed")
        logging.getLogger("library").exception("it failed")
        logging.getLogger("asyncio").error("it failed", exc_info=True)
    assert out.getvalue().count("RuntimeError: ") == 3
    assert_clean(out, lines_hold="Traceback")


def test_warnings_are_logged_and_scrubbed(out: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn(f"odd {SENTINEL}", UserWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert_clean(out, lines_hold="odd")


@pytest.mark.parametrize(
    ("line", "scrubbed"),
    [
        ("GET /ari/channels?api_key=innringing%3Ahunter22&app=x", "GET /ari/channels?api_key=***&app=x"),
        ("{'Authorization': 'Basic aW5ucmluZ2luZw=='}", "{'Authorization': '***'}"),
        ('{"authorization": "Bearer abc.def"}', '{"authorization": "***"}'),
        ("Authorization: Bearer inn_0123456789abcdefghij", "Authorization: ***"),
        ("(b'authorization', b'Bearer abcdefgh')", "(b'authorization', b'***')"),
        ("token inn_0123456789abcdefghij given", "token inn_*** given"),
        ("postgresql+asyncpg://user:hunter22@db/x", "postgresql+asyncpg://user:***@db/x"),
        ("ring +4768050001 now", "ring *** now"),
        ("at 2026-11-24T08:00:00.123456Z on 1764000000.42", "at 2026-11-24T08:00:00.123456Z on 1764000000.42"),
        (f"callback {CALLBACK_ID}", f"callback {CALLBACK_ID}"),
        ("basic settings, bearer of news", "basic settings, bearer of news"),
    ],
)
def test_numbers_are_scrubbed_and_ordinary_text_is_kept(line: str, scrubbed: str) -> None:
    assert Scrubber()(line) == scrubbed


def test_secret_is_hidden_in_every_encoding_unless_it_is_trivial() -> None:
    scrub = Scrubber([PASSWORD, "abc"])
    assert scrub(f"{PASSWORD} {json.dumps(PASSWORD)} abc") == '*** "***" abc'
    assert scrub("p%26ss%20%22word%22%2F%C3%B8") == "***"


@given(st.text(max_size=30), st.integers(0, 10**6), st.text(alphabet="\x1b[35m0123456789 abc-", max_size=12))
def test_identity_number_is_scrubbed_in_any_context(before: str, n: int, after: str) -> None:
    digits = synthetic_identity(n)
    assert digits not in Scrubber()(before + digits + after)


@pytest.mark.parametrize("name", ["aiohttp.access", "uvicorn.access", "aioari", "httpx", "sqlalchemy.engine.Engine"])
def test_access_logs_and_chatty_libraries_are_quiet(out: io.StringIO, name: str) -> None:
    logging.getLogger(name).info("GET /api/v1/callbacks")
    assert out.getvalue() == ""
    logging.getLogger(name).warning("slow")
    assert "slow" in out.getvalue()


def test_uvicorns_own_handlers_are_removed() -> None:
    elsewhere, stream = io.StringIO(), io.StringIO()
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.addHandler(logging.StreamHandler(elsewhere))
    uvicorn.propagate = False
    configure_logging([PASSWORD], stream=stream)
    logging.getLogger("uvicorn.error").info("started")
    assert elsewhere.getvalue() == ""
    assert [line["event"] for line in json_lines(stream)] == ["started"]


def test_exporter_next_to_our_handler_gets_scrubbed_events() -> None:
    records: list[logging.LogRecord] = []

    class Exporter(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    exporter = Exporter()
    logging.getLogger().addHandler(exporter)
    configure_logging([PASSWORD], stream=io.StringIO())
    configure_logging([PASSWORD], stream=io.StringIO())  # a second time: it stays attached
    try:
        raise ValueError(SENTINEL)
    except ValueError:
        structlog.get_logger("desk").exception("it failed", digits=SENTINEL, inside={SENTINEL: [PASSWORD]})
    (record,) = records
    assert record.msg["event"] == "it failed"  # type: ignore[index]
    assert SENTINEL not in str(record.__dict__)
    assert PASSWORD not in str(record.__dict__)


def test_record_that_cannot_be_formatted_is_logged_without_its_arguments(out: io.StringIO) -> None:
    (ours,) = [handler for handler in logging.getLogger().handlers if isinstance(handler, ScrubbingHandler)]
    ours.handle(logging.LogRecord("library", logging.ERROR, "", 0, "badly formatted %d", (SENTINEL,), None))
    assert_clean(out, lines_hold="badly formatted")
