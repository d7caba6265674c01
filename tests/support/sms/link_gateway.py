"""A fake of LINK Mobility's gateway on loopback: it receives texts over real HTTP, and answers as scripted."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

USER, PASSWORD = "hospital", "hush-hush-not-real"
SECRET = "report-secret-0123456789"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def queued(request: web.Request) -> web.StreamResponse:
    """The answer of a successful request."""
    key = (await request.json())["refId"]
    return web.json_response({"messageId": f"link-{key[:8]}", "resultCode": 1005, "description": "Queued"})


def says(status: int, body: Any = None, *, text: str | None = None) -> Answer:
    """An answer of that status."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text) if text is not None else web.json_response(body, status=status)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError


async def takes_it_and_dies(request: web.Request) -> web.StreamResponse:
    """The gateway has the text, and the connection breaks before its answer."""
    assert request.transport
    request.transport.close()
    return web.Response()


@dataclass
class LinkGateway:
    """`taken` are the received texts, in order. `answers` are used first, then every request succeeds."""

    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [each["refId"] for each in self.taken]

    def settings(self, **more: Any) -> dict[str, Any]:
        """The settings for this gateway."""
        return {
            "sms_gateway": "link",
            "sms_url": self.url,
            "sms_user": USER,
            "sms_password": PASSWORD,
            "sms_sender": "Sykehuset",
            "sms_platform_id": "COMMON_API",
            "sms_partner_id": "4711",
            "sms_gate_id": "gate-1",
            "sms_report_secret": SECRET,
            **more,
        }

    async def post(self, request: web.Request) -> web.StreamResponse:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return web.json_response({"status": 106100, "message": "Invalid authentication"}, status=401)
        self.taken.append(await request.json())
        return await (self.answers.pop(0) if self.answers else queued)(request)


@asynccontextmanager
async def link_gateway() -> AsyncIterator[LinkGateway]:
    """A gateway that listens on a free port."""
    gateway = LinkGateway()
    app = web.Application()
    app.router.add_post("/sms/send", gateway.post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        await runner.cleanup()
