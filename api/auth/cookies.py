"""The cookies of the web door: a session's secret, and what a browser is known by at its next log-in.

`__Host-` makes browsers take them only over TLS, for this host alone and every path of it: no neighbour under the same
domain can plant one. SameSite=Strict: nothing here is meant to be opened by a link from elsewhere, and looking at a
patient leaves a trace, so not even a GET from another site goes with the agent's access. In the demo, over plain HTTP
to this machine, browsers would refuse such a cookie: there it has a plain name and no `Secure`.
"""

from ipaddress import ip_address
from typing import Final

from fastapi import Request, Response

from desk.accounts.login import DEVICE_LASTS
from desk.settings.settings import Settings

SESSION: Final = "innringing"
DEVICE: Final = "innringing-device"
CSRF_HEADER: Final = "X-CSRF-Token"
LONGEST: Final = 200
LEFT_BEHIND: Final = '"cache", "storage"'
"""What a browser clears at log-out. Not "cookies": what the browser is known by at the next log-in goes on."""


def read(request: Request, settings: Settings, name: str) -> str | None:
    """The cookie's value, if it could be ours."""
    value = request.cookies.get(_full(request, settings, name))
    return value if value and len(value) <= LONGEST else None


def keep_session(response: Response, request: Request, settings: Settings, token: str) -> None:
    """The browser forgets it when it is closed; how long it opens is the server's to say."""
    _set(response, request, settings, SESSION, token, None)


def keep_device(response: Response, request: Request, settings: Settings, device: str) -> None:
    """Kept for as long as the server knows the device."""
    _set(response, request, settings, DEVICE, device, int(DEVICE_LASTS.total_seconds()))


def drop_session(response: Response, request: Request, settings: Settings) -> None:
    """Tell the browser to forget it."""
    _set(response, request, settings, SESSION, "", 0)


def forget_session(response: Response, request: Request, settings: Settings) -> None:
    """Log out the browser: without the cookie, and with nothing left of what it was shown or kept."""
    drop_session(response, request, settings)
    response.headers["Clear-Site-Data"] = LEFT_BEHIND


def _set(response: Response, request: Request, settings: Settings, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        _full(request, settings, name),
        value,
        max_age=max_age,
        path="/",
        secure=not _plain(request, settings),
        httponly=True,
        samesite="strict",
    )


def _full(request: Request, settings: Settings, name: str) -> str:
    return name if _plain(request, settings) else f"__Host-{name}"


def _plain(request: Request, settings: Settings) -> bool:
    """Only in the demo, over HTTP, from this machine to this machine."""
    if not settings.demo or request.url.scheme != "http" or request.client is None:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
