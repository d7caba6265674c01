"""The pages before a log-in, and after one that failed. Plain HTML that loads nothing else."""

from html import escape
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.auth.oidc.errors import LoginError
from desk.errors import DeskError
from desk.settings.oidc import is_local_path

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


QUESTION = """<!doctype html>
<html lang="nb"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Innlogging · Innringing</title></head>
<body><main><h1>Logg inn i Innringing</h1><p>Du logger inn hos virksomhetens innloggingstjeneste.</p>
<p><a href="{begin}">Logg inn</a></p></main></body></html>
"""


def wants_page(request: Request) -> bool:
    """Whether the client is a browser, which gets a page; programs get problem documents."""
    return "text/html" in request.headers.get("accept", "")


def question(after: str | None) -> HTMLResponse:
    """The page with the log-in link: no log-in starts before the person clicks."""
    asked = f"?{urlencode({'after': after})}" if after is not None and is_local_path(after) else ""
    return HTMLResponse(QUESTION.format(begin=escape(BEGIN + asked)))


def page(request: Request, error: LoginError | DeskError, status: int) -> HTMLResponse:
    """The page for that error; it repeats no value from outside."""
    said = error.page if isinstance(error, LoginError) else OTHERS.get(error.id, LoginError.page)
    request_id = str(request.scope.get("request_id", ""))
    body = PAGE.format(said=escape(said), begin=BEGIN, id=escape(error.id), request_id=escape(request_id))
    headers = {"Retry-After": "30"} if status == 503 else None
    return HTMLResponse(body, status_code=status, headers=headers)
