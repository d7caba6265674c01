"""Asterisk's own log has no caller's number and no name, whatever an exchange sends, and loses no line."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.machine.asterisk import AsteriskServer

NUMBER, OTHER = "4768059321", "4768059322"
PARTS = (b"68059321", b"68059322", b"680 59 321", b"\xc5se", b"Nordmann")
NAMES = (
    *(b'"\xc5se Nordmann"', b'"\xc5se 680 59 321"', b'"\xc5se' + b" Nordmann" * 300 + b'"', b"\xc5se", b""),
    *(
        rb'"\"4768059322\" \\' + b'\xc5"',
        b'"68059321"',
        b"\"\xc5se ' for number '+4768059322' x\"",
        b'"\xc5se\r\n Nordmann"',
    ),
)


def invite(n: int, port: int, name: bytes, *, withheld: bool, host: bytes = b"127.0.0.1") -> bytes:
    user = b"anonymous@anonymous.invalid" if withheld else NUMBER.encode() + b"@127.0.0.1"
    lines = [
        b"INVITE sip:1000@127.0.0.1 SIP/2.0",
        b"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%d" % (host, port, n),
        b"From: %s <sip:%s>;tag=%d" % (name, user, n),
        b"To: <sip:1000@127.0.0.1>",
        b"Call-ID: odd-%d" % n,
        b"CSeq: 1 INVITE",
        b"Contact: <sip:%s@%s:%d>" % (NUMBER.encode(), host, port),
        b"P-Asserted-Identity: %s <sip:+%s@127.0.0.1>" % (name, OTHER.encode()),
        *([b"Privacy: id"] if withheld else []),
        b"Max-Forwards: 70",
        b"Content-Length: 0",
    ]
    return b"\r\n".join([*lines, b"", b""])


def filter_of(asterisk: AsteriskServer) -> int:
    """The process that masks the log: the child of the one that watches it."""
    (watcher,) = _children(asterisk.pid)
    (child,) = _children(watcher)
    return child


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 15
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def calls(start_asterisk: Callable[..., AsteriskServer]) -> tuple[AsteriskServer, Callable[..., None]]:
    running = start_asterisk(runner="tree")
    count = iter(range(1_000))

    def ring(name: bytes, *, withheld: bool = False, host: str = "127.0.0.1") -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind((host, 0))
            packet = invite(next(count), caller.getsockname()[1], name, withheld=withheld, host=host.encode())
            caller.sendto(packet, ("127.0.0.1", running.settings.sip.port))

    return running, ring


def test_no_name_that_an_exchange_sends_puts_a_number_into_the_log(
    calls: tuple[AsteriskServer, Callable[..., None]],
) -> None:
    running, ring = calls
    for name in NAMES:
        for withheld in (False, True):
            ring(name, withheld=withheld)
        ring(name, host=f"127.0.0.{len(name) % 200 + 2}")  # an address that no endpoint has
    log = running.instance.log
    assert soon(lambda: log.read_bytes().count(b"CallerID Name '***'") >= 10), (
        "the warning is seen, without its content"
    )
    assert soon(lambda: log.read_bytes().count(b"No matching endpoint") >= len(NAMES) - 1)
    found = {
        part: path for path in log.parent.iterdir() if path.is_file() for part in PARTS if part in path.read_bytes()
    }
    assert found == {}


def test_no_line_is_lost_when_the_filter_is_killed(calls: tuple[AsteriskServer, Callable[..., None]]) -> None:
    running, ring = calls
    log, lost = running.instance.log, filter_of(running)
    for n in range(5):
        os.kill(filter_of(running), signal.SIGKILL)
        for each in range(10):
            ring(b"", host=f"127.0.{n + 1}.{each}")  # the first packet of a stranger is logged
        assert soon(lambda n=n: log.read_bytes().count(b"No matching endpoint") == 10 * (n + 1))
        assert soon(lambda: len(_children(_children(running.pid)[0])) == 1)
    assert filter_of(running) != lost
    running.restart()
    ring(b"", host="127.0.9.1")
    assert soon(lambda: log.read_bytes().count(b"No matching endpoint") == 51)
