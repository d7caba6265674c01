"""Phones and trunks that are not ours: `sipp` answers calls as its scenario says, and records every message."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.machine import tree

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
    child = await asyncio.create_subprocess_exec(
        *(str(tree.program("sipp")), "-sf", str(file), "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1"),
        *("-trace_msg", "-message_file", str(messages), "-message_overwrite", "false", "-nostdin", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        await asyncio.sleep(0.5)
        assert child.returncode is None, "sipp did not start"
        yield Sipp(messages)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
