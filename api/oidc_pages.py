"""What somebody sees in the browser when a log-in comes to nothing. Plain HTML, nothing fetched, nothing run."""

from html import escape

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.oidc_errors import LoginError
from desk.errors import DeskError

BEGIN = "/api/v1/login/oidc"
OTHERS = {
    "agent-disabled": "Tilgangen din er stengt. Ta kontakt med den som har ansvar for tilganger.",
    "agent-name-taken": "En annen bruker her har samme navn. Ta kontakt med den som har ansvar for tilganger.",
}
PAGE = """<!doctype html>
<html lang="nb"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Innlogging · Innringing</title></head>
<body><main><h1>Du ble ikke logget inn</h1><p role="alert">{said}</p>
<p><a href="{begin}">Prøv igjen</a></p><p><small>{id} · {request_id}</small></p></main></body></html>
"""


def wants_page(request: Request) -> bool:
    """Whether a browser asks, for a person to read; programs get problem documents."""
    return "text/html" in request.headers.get("accept", "")


def page(request: Request, error: LoginError | DeskError, status: int) -> HTMLResponse:
    """The page for that error; it repeats nothing that came from outside."""
    said = error.page if isinstance(error, LoginError) else OTHERS.get(error.id, LoginError.page)
    request_id = str(request.scope.get("request_id", ""))
    body = PAGE.format(said=escape(said), begin=BEGIN, id=escape(error.id), request_id=escape(request_id))
    headers = {"Retry-After": "30"} if status == 503 else None
    return HTMLResponse(body, status_code=status, headers=headers)
