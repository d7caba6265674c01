"""The middleware that adds the security headers. What the server sends on its own is in api/web/server/protocol.py."""

import secrets
from collections.abc import Iterable

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.web.security_headers import DEFAULT_POLICY, HEADERS, STRICT_TRANSPORT, page_policy


class SecurityHeadersMiddleware:
    """Adds the security headers to every response, refusals and crashes included.

    A header that the response already has is kept: a page may have its own policy, a file may be cached.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["nonce"] = secrets.token_urlsafe(16)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(scope, message.get("headers", []))
            await send(message)

        await self.app(scope, receive, with_headers)


def nonce_of(request: Request) -> str:
    """Return the nonce in this response's policy, for a page that holds a script or style of its own."""
    nonce: str = request.scope["nonce"]
    return nonce


def _completed(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    own = [(name.lower(), value) for name, value in headers]
    present = dict(own)
    is_page = present.get(b"content-type", b"").startswith(b"text/html")
    policy = page_policy(scope["nonce"]) if is_page else DEFAULT_POLICY
    wanted = [*HEADERS, (b"cache-control", b"no-store"), (b"content-security-policy", policy.encode("ascii"))]
    if scope["scheme"] == "https":
        wanted.append(STRICT_TRANSPORT)
    return [*own, *((name, value) for name, value in wanted if name not in present)]
