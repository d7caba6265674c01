"""Independent callers: `sipp` calls, keys digits by RFC 4733, and waits for the other side to hang up."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.machine import tree
from tests.support.ports import free_port

KEY_MS = 120  # followed by a pause of the same length; the payload type is 96 unless a third value is set
MEDIA: Final = "127.0.0.9"
"""Where sipp says it takes sound, on loopback. It opens no port for it, so another caller may have the same port there
and would hear what sipp's callers hear."""
_TARGET = "sip:[service]@[remote_ip]:[remote_port]"
_SCENARIO = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="patient">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "[field2]" <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]s[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 8 96
a=rtpmap:8 PCMA/8000
a=rtpmap:96 telephone-event/8000
a=fmtp:96 0-16
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK {target} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
{routes}From: "[field2]" <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]s[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause milliseconds="{before}"/>
  <nop><action><exec play_dtmf="[field1],{key}"/></action></nop>
  <recv request="BYE" timeout="120000"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


@dataclass(frozen=True)
class Outcome:
    """The number of calls that lasted until the other side hung up, and of those that did not."""

    successful: int
    failed: int
    most_at_once: int


async def ring(
    folder: Path,
    sip_port: int,
    extension: str,
    callers: Sequence[tuple[str, str]],
    *,
    rate: float,
    before_keys: float = 0.5,
    named: bool = False,
    seconds: int = 300,
    own: str = "127.0.0.1",
    proxy: str = "",
) -> Outcome:
    """Let each (number, digits) of `callers` call `extension` once, with `rate` new calls a second.

    `named`: the digits are the caller's shown name too, for a dialplan to compare (the bench). sipp gives up after
    `seconds`. `own`: the callers' address. `proxy`: the address that they call, if it is another machine's.
    """
    scenario, data, statistics = _write(folder, callers, before_keys, named=named, routed=bool(proxy))
    command = [
        str(tree.program("sipp")),
        f"{proxy or '127.0.0.1'}:{sip_port}",
        *("-sf", str(scenario), "-inf", str(data), "-s", extension),
        *("-i", own, "-p", str(free_port(socket.SOCK_DGRAM)), "-mi", MEDIA if own == "127.0.0.1" else own),
        *("-mp", str(30000 + free_port(socket.SOCK_DGRAM) % 100 * 20), "-m", str(len(callers)), "-l", "2000"),
        *("-r", f"{rate:g}", "-trace_stat", "-stf", str(statistics), "-fd", "1", "-nostdin", "-timeout", f"{seconds}s"),
    ]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    try:
        _, said = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    return _outcome(statistics, said)


def _write(
    folder: Path, callers: Sequence[tuple[str, str]], before_keys: float, *, named: bool, routed: bool
) -> tuple[Path, Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    scenario, data, statistics = folder / "patient.xml", folder / "callers.csv", folder / "statistics.csv"
    way = {"target": "[next_url]", "routes": "[routes]\n"} if routed else {"target": _TARGET, "routes": ""}
    scenario.write_text(_SCENARIO.format(before=int(before_keys * 1000), key=KEY_MS, **way))
    lines = [f"{number};{digits};{digits if named else 'sipp'};\n" for number, digits in callers]
    data.write_text("SEQUENTIAL\n" + "".join(lines))
    statistics.unlink(missing_ok=True)
    return scenario, data, statistics


def _outcome(statistics: Path, said: bytes) -> Outcome:
    if not statistics.exists():
        raise AssertionError(f"sipp did not start: {said.decode(errors='replace')[-500:]}")
    lines = statistics.read_text().strip().splitlines()
    names = lines[0].split(";")
    seconds = [dict(zip(names, line.split(";"), strict=False)) for line in lines[1:]]
    most = max(int(second["CurrentCall"]) for second in seconds)
    return Outcome(int(seconds[-1]["SuccessfulCall(C)"]), int(seconds[-1]["FailedCall(C)"]), most)
