"""LINK Mobility's side of the line, on loopback: takes texts over real HTTP, and answers as it is told to."""

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
    """What it answers when all is well."""
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
    """It has the text, and the connection breaks before it could say so."""
    assert request.transport
    request.transport.close()
    return web.Response()


@dataclass
class LinkGateway:
    """`taken` are the texts it was given, in order; `answers` come first, then all is well."""

    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [each["refId"] for each in self.taken]

    def settings(self, **more: Any) -> dict[str, Any]:
        """What tells our side of this gateway."""
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
    """One that listens on a free port."""
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
