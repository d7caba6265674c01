"""The server's limits for a connection, with raw bytes over real sockets: size, number, slowness, TLS, spoofing."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from api.web.middleware.forwarding import ForwardedMiddleware
from api.web.middleware.security_headers import SecurityHeadersMiddleware
from api.web.security_headers import HEADERS
from api.web.server import protocol as connections
from api.web.server.protocol import MAX_HEAD_BYTES, MAX_HEADERS, MAX_WAITING, bounded
from api.web.server.tls import CertificateFault, server_context
from desk.settings.api import ApiSettings
from tests.support.certificates import make_certificate
from tests.support.web.api_process import environment, refused_start, running_api

SQLITE = "sqlite+aiosqlite:///innringing.db"
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
ENOUGH = 30.0  # seconds; a limit against hanging, not a measure


@asynccontextmanager
async def served(*, most: int = 100, proxies: str = "") -> AsyncIterator[int]:
    """The port of a server that returns its client's address, with these limits."""
    app = FastAPI()

    @app.api_route("/", methods=["GET", "POST"])
    async def who(request: Request) -> dict[str, str]:
        await request.body()
        return {"client": request.client.host if request.client else "", "scheme": request.url.scheme}

    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(ForwardedMiddleware, proxies=ApiSettings(trusted_proxies=proxies).proxies)
    config = uvicorn.Config(
        app, http=bounded(most), lifespan="off", log_config=None, proxy_headers=False, server_header=False
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    with closing(listening):
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listening])
        try:
            yield listening.getsockname()[1]
        finally:
            await server.shutdown(sockets=[listening])


async def sent(port: int, data: bytes) -> bytes:
    """All that is answered until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(data)
        async with asyncio.timeout(ENOUGH):
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HEAD + b"Connection: close\r\n\r\n", 200),
        (HEAD + b"X-Long: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"GET /?" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(MAX_HEADERS + 1)) + b"\r\n", 431),
        (HEAD + b"X-Endless: " + b"x" * (MAX_HEAD_BYTES + 1), 431),  # and it never ends
        (b"\x16\x03\x01\x02\x00\x01", 400),  # TLS where plain HTTP is expected
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400),
    ],
)
async def test_heads_are_limited_and_ambiguous_requests_refused(data: bytes, expected: int) -> None:
    async with served() as port:
        answer = await sent(port, data)
    assert status(answer) == expected
    for name, value in HEADERS:
        assert name + b": " + value in answer
    assert b"content-security-policy: default-src 'none'" in answer
    assert b"cache-control: no-store" in answer
    assert b"\r\nserver:" not in answer.lower()


async def test_trailers_of_a_body_are_limited() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    async with served() as port:
        assert await sent(port, head + b"X-Trailer: " + b"x" * 1024 * 1024) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",  # connects, and sends nothing
        b"GET / HTT",
        HEAD + b"X-Slow: ",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
    ],
)
async def test_slow_client_is_disconnected(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    async with served() as port:
        answer = await sent(port, data)
    assert answer == b"" or status(answer) == 408


async def known(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent credentials, and stays open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"Authorization: Bearer x\r\n\r\n")
    await answered(reader)
    return reader, writer


async def answered(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(ENOUGH):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
    return status(head)


async def test_half_open_connections_make_room_oldest_first() -> None:
    async with served(most=6) as port:
        ours = [await known(port) for _ in range(3)]
        half_open = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _ in range(20):  # far more than there is room for
            assert status(await sent(port, HEAD + b"Connection: close\r\n\r\n")) == 200
            half_open.append(await asyncio.open_connection("127.0.0.1", port))
        async with asyncio.timeout(ENOUGH):
            for reader, _ in half_open[:20]:
                with suppress(ConnectionResetError):
                    assert await reader.read() == b"", "the oldest are closed"
        for reader, writer in (*ours, half_open[-1]):
            writer.write(HEAD + b"\r\n")
            assert await answered(reader) == 200
        for _, writer in (*ours, *half_open):
            writer.close()


async def test_connections_with_credentials_above_the_limit_are_refused() -> None:
    async with served(most=3) as port:
        held = [await known(port) for _ in range(3)]
        assert status(await sent(port, HEAD + b"\r\n")) == 503
        for reader, writer in held:
            writer.write(HEAD + b"\r\n")
            assert await answered(reader) == 200
            writer.close()


async def test_pipelined_requests_are_answered_up_to_the_limit_and_then_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as port:
        answer = await sent(port, (HEAD + b"\r\n") * (MAX_WAITING + 30))
    lines = [line for line in answer.split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [line.split()[1] for line in lines[:-1]] == [b"200"] * (MAX_WAITING + 1)
    assert answer.count(b"HTTP/1.1 429 Too Many Requests") == 1 and answer.endswith(b"one connection.")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_only_a_trusted_proxy_is_believed_on_a_real_connection() -> None:
    claims = {
        "X-Forwarded-For": "203.0.113.66, 192.0.2.7",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=203.0.113.1",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        async with served() as port:
            told = (await client.get(f"http://127.0.0.1:{port}/", headers=claims)).json()
        assert told == {"client": "127.0.0.1", "scheme": "http"}
        async with served(proxies="127.0.0.1") as port:
            answer = await client.get(f"http://127.0.0.1:{port}/", headers=claims)
        assert answer.json() == {"client": "192.0.2.7", "scheme": "https"}
        assert "strict-transport-security" in answer.headers


def test_api_serves_tls_itself(tmp_path: Path) -> None:
    made = make_certificate(tmp_path / "tls")
    files = {"tls_cert_file": str(made.certificate), "tls_key_file": str(made.key)}
    trusting = ssl.create_default_context(cafile=str(made.authority))
    with running_api(environment(SQLITE, tmp_path, **files), trust=trusting) as api:
        assert api.url.startswith("https://")
        answer = httpx.get(f"{api.url}/api/v1/me", headers=api.headers, verify=trusting, trust_env=False)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
        port = httpx.URL(api.url).port
        assert port is not None
        assert handshake(port, trusting, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
        assert handshake(port, trusting, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        with socket.create_connection(("127.0.0.1", port), timeout=ENOUGH) as plain:
            plain.sendall(HEAD + b"\r\n")
            assert b"HTTP" not in plain.recv(100)


def handshake(port: int, trusting: ssl.SSLContext, version: ssl.TLSVersion) -> str | None:
    """The version used with a client that knows only this one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(trusting.get_ca_certs(binary_form=True)[0]))
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=ENOUGH) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as spoken,
    ):
        return spoken.version()


def test_nothing_older_than_tls_1_2_is_offered(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    context = server_context(made.certificate, made.key)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    weak = [each["name"] for each in context.get_ciphers() if not ("GCM" in each["name"] or "CHACHA20" in each["name"])]
    assert weak == []


def test_wrong_certificate_is_reported(tmp_path: Path) -> None:
    one, other = make_certificate(tmp_path / "one"), make_certificate(tmp_path / "other")
    with pytest.raises(CertificateFault, match="is not the key of"):
        server_context(one.certificate, other.key)
    with pytest.raises(CertificateFault, match="not a certificate and key"):
        server_context(one.key, one.key)
    with pytest.raises(CertificateFault, match=r"none\.pem can't be read"):
        server_context(tmp_path / "none.pem", one.key)


async def test_tls_fault_stops_the_start_with_one_line(tmp_path: Path) -> None:
    made = make_certificate(tmp_path / "tls")
    gone = environment(SQLITE, tmp_path, tls_cert_file=str(tmp_path / "none.pem"), tls_key_file=str(made.key))
    half = environment(SQLITE, tmp_path, tls_cert_file=str(made.certificate))
    for variables, words in ((gone, "none.pem can't be read"), (half, "INNRINGING_TLS_KEY_FILE is not set")):
        code, out, err = await refused_start(variables)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert words in err
