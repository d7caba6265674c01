"""Phones and trunks that are not ours: `sipp` answers calls as its scenario says, and records every message."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.machine import tree
from tests.support.ports import free_port

HEADERS = "[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]s[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"
SESSION = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio [auto_media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
"""
CONTACT = "Contact: <sip:sipp@127.0.0.1:[local_port]>\n"
PATIENCE = 60.0  # seconds
STARTS = 5
BIND_ERROR = 254  # exit code of sipp when a port is taken
INVITE_LINE = re.compile(r"^INVITE sip:([^ @;]*)[^ ]* SIP/2\.0\r?$", re.MULTILINE)
CALL_ID = re.compile(r"^Call-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)


def send(first_line: str, *, body: str = "", contact: str = CONTACT) -> str:
    """A response to the newest request."""
    kind = "Content-Type: application/sdp\n" if body else ""
    message = f"SIP/2.0 {first_line}\n{HEADERS}{contact}{kind}Content-Length: [len]\n\n{body}"
    return f"<send><![CDATA[\n{message}]]></send>\n"


def scenario(*steps: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="test">\n{"".join(steps)}</scenario>\n'


INVITED = '<recv request="INVITE"/>\n'
ACKNOWLEDGED = '<recv request="ACK"/>\n'
ANSWERS = INVITED + send("180 Ringing") + send("200 OK", body=SESSION) + ACKNOWLEDGED
UNTIL_HUNG_UP = '<recv request="BYE" timeout="60000"/>\n' + send("200 OK").replace(";tag=[pid]s[call_number]", "")
ANSWERING = scenario(ANSWERS, UNTIL_HUNG_UP)
"""Answers every call, and waits for the other side to hang up."""


def redirecting(contact: str, status: str = "302 Moved Temporarily") -> str:
    """A phone that redirects every call to `contact`."""
    return scenario(INVITED, send("180 Ringing"), send(status).replace(CONTACT, f"Contact: {contact}\n"), ACKNOWLEDGED)


@dataclass(frozen=True)
class Sipp:
    """A running sipp."""

    messages_file: Path

    @property
    def messages(self) -> str:
        """Every message sent and received so far."""
        return self.messages_file.read_text("latin-1") if self.messages_file.exists() else ""

    @property
    def invited(self) -> list[str]:
        """The number of every call received, in order."""
        calls = {}
        for message in re.split(r"^-{5,}.*$", self.messages, flags=re.MULTILINE):
            called, id = INVITE_LINE.search(message), CALL_ID.search(message)
            if called and id:
                calls[id[1]] = called[1]
        return list(calls.values())

    async def was_called(self) -> None:
        """Wait for the first call."""
        async with asyncio.timeout(PATIENCE):
            while not self.invited:  # noqa: ASYNC110 (sipp writes a file)
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def serving(folder: Path, name: str, text: str, port: int, options: Sequence[str] = ()) -> AsyncIterator[Sipp]:
    """Run sipp on `port` with the scenario `text` until the end of the block."""
    file, messages = folder / f"{name}.xml", folder / f"{name}.messages"
    file.write_text(text, "utf-8")
    messages.unlink(missing_ok=True)
    arguments = (
        *("-sf", str(file), "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1"),
        *("-trace_msg", "-message_file", str(messages), "-message_overwrite", "false", "-nostdin", *options),
    )
    child = await _started(folder, arguments)
    try:
        yield Sipp(messages)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _started(folder: Path, arguments: Sequence[str]) -> asyncio.subprocess.Process:
    """Start sipp; again when a port was taken at that moment: the media ports are shared by all that run sipp."""
    for _ in range(STARTS):
        media_port = 30000 + free_port(socket.SOCK_DGRAM) % 1000 * 2
        with (folder / "sipp.errors").open("w+b") as errors:
            child = await asyncio.create_subprocess_exec(
                *(str(tree.program("sipp")), *arguments),
                *("-mp", str(media_port), "-cp", str(free_port(socket.SOCK_DGRAM))),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                cwd=folder,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), 0.5)
            if child.returncode is None:
                return child
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
            if child.returncode != BIND_ERROR:
                break
    raise AssertionError(f"sipp did not start (exit code {child.returncode}): {said}")
