"""One SIP request over TCP, without the test phone."""

import asyncio

from desk.settings.sip import SipSettings
from ops.softphone.sip import Message, build, new_branch, parse

SOUND = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"


async def over_tcp(sip: SipSettings, method: str, name: str, *, caller: str = "+4768050701") -> Message:
    """Send one request over TCP, and return the final response."""
    host, port = sip.host, sip.port
    reading, writing = await asyncio.open_connection(host, port)
    us = ":".join(map(str, writing.get_extra_info("sockname"))) if ":" not in host else f"[{host}]"
    server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    them = f"sip:{name}@{server}" if name else f"sip:{server}"
    headers = [
        ("Via", f"SIP/2.0/TCP {us};branch={new_branch()}"),
        *(("From", f"<sip:{caller}@{us}>;tag=1"), ("To", f"<{them}>"), ("Call-ID", f"{new_branch()}@exchange")),
        *(("CSeq", f"1 {method}"), ("Contact", f"<sip:{us};transport=tcp>"), ("Max-Forwards", "70")),
    ]
    body = SOUND if method == "INVITE" else ""
    writing.write(build(f"{method} {them} SIP/2.0", headers, body))
    try:
        async with asyncio.timeout(10):
            while True:
                head = await reading.readuntil(b"\r\n\r\n")
                response = parse(head)
                await reading.readexactly(int(response.header("content-length")))
                if response.status >= 200:
                    return response
    finally:
        writing.close()
