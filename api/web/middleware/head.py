"""The middleware that answers HEAD as GET without its body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Lets the application answer GET, and sends the status and the headers only (RFC 9110, 9.3.2).

    FastAPI's routes have no HEAD of their own. `scope["head_only"]` lets an answer without an end stop early.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server frames the response by the method in its own scope.
        await self.app({**scope, "method": "GET", "head_only": True}, receive, without_body)
