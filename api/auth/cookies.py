"""The cookies of the web door: a session's secret, a wall screen's token, and what a browser is known by.

With `__Host-` browsers accept them only over TLS, for this host and every path of it, so no neighbour under the same
domain can set one. They are SameSite=Strict: nothing here is opened by a link from another site, and reading about a
patient leaves a row in the audit, so not even a GET from another site may use the agent's access. Browsers would refuse
such cookies in the demo, over plain HTTP on this machine: there they have a plain name and no `Secure`.
"""

from ipaddress import ip_address
from typing import Final

from fastapi import Request, Response

from desk.accounts.login import DEVICE_LASTS

SESSION: Final = "innringing"
DEVICE: Final = "innringing-device"
WALL: Final = "innringing-wall"
WALL_LASTS: Final = 365 * 24 * 3600
"""Seconds that a browser keeps a wall screen's token. The server decides how long the token is valid."""
CSRF_HEADER: Final = "X-CSRF-Token"
LONGEST: Final = 200
CLEARED: Final = '"cache", "storage"'
"""What a browser clears at log-out. Not "cookies", because the device cookie stays."""


class Cookies:
    """Reads and sets the cookies. `demo`: over plain HTTP on this machine they need no TLS."""

    def __init__(self, *, demo: bool) -> None:
        self._demo = demo

    def read(self, request: Request, name: str) -> str | None:
        """The cookie's value, unless it is too long to be ours."""
        value = request.cookies.get(self._full(request, name))
        return value if value and len(value) <= LONGEST else None

    def set_session(self, response: Response, request: Request, token: str) -> None:
        """Set the session's cookie. The browser deletes it when it closes; the server decides how long it is valid."""
        self._set(response, request, SESSION, token, None)

    def set_device(self, response: Response, request: Request, device: str) -> None:
        """Set the device cookie for as long as the server knows the device."""
        self._set(response, request, DEVICE, device, int(DEVICE_LASTS.total_seconds()))

    def set_wall(self, response: Response, request: Request, token: str) -> None:
        """Set the cookie of a wall screen, which has no session: it lasts until its token ends."""
        self._set(response, request, WALL, token, WALL_LASTS)

    def leave_wall(self, response: Response, request: Request) -> None:
        """Delete the cookie of a wall screen."""
        self._set(response, request, WALL, "", 0)

    def log_out(self, response: Response, request: Request) -> None:
        """Delete the session's cookie, and everything the browser has cached or stored."""
        self._set(response, request, SESSION, "", 0)
        response.headers["Clear-Site-Data"] = CLEARED

    def _set(self, response: Response, request: Request, name: str, value: str, max_age: int | None) -> None:
        response.set_cookie(
            self._full(request, name),
            value,
            max_age=max_age,
            path="/",
            secure=not self._is_plain(request),
            httponly=True,
            samesite="strict",
        )

    def _full(self, request: Request, name: str) -> str:
        return name if self._is_plain(request) else f"__Host-{name}"

    def _is_plain(self, request: Request) -> bool:
        """Whether this is the demo, over HTTP, with a client on this machine."""
        return self._demo and request.url.scheme == "http" and is_from_here(request)


def is_from_here(request: Request) -> bool:
    """Whether the client is on this machine."""
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
