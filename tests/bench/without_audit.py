"""The api without its audit, for comparison: `python -m tests.bench.without_audit`, with the usual settings."""

from unittest.mock import patch

from starlette.types import ASGIApp, Receive, Scope, Send

from api import app
from ops.commands.api import api


class Through:
    """In place of the audit: passes everything on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


if __name__ == "__main__":
    with patch.object(app, "AuditMiddleware", Through):
        api()
