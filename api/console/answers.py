"""How a page answers a form: on to the next page, or an error where the action was, with everything typed still there.

htmx follows a redirect by itself; for what changes the whole shell (a log-in) it is asked to load the next page.
"""

from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from api.console.rendering import render, words_for
from api.console.words import Wording
from api.openapi import API
from api.web.errors import ApiError, NotSignedIn, PasswordMustBeChanged, SecondFactorMustBeAdded, WallNotOpen
from api.web.middleware.trace import trace_of
from desk.errors import DeskError

WALL_PAGE: Final = "/wall"
OWN_PAGES: Final = {
    NotSignedIn.id: "/log-in",
    PasswordMustBeChanged.id: "/log-in/password",
    SecondFactorMustBeAdded.id: "/log-in/second-factor",
    WallNotOpen.id: WALL_PAGE,
}
"""Where an unfinished log-in leads."""
ONLY_THE_ALERT: Final = {
    "HX-Retarget": "#alert",
    "HX-Reswap": "outerHTML",
    "HX-Reselect": "#alert",
    "HX-Replace-Url": "false",
}
UNFINISHED: Final = "X-Log-In"
"""The header by which the shell knows that a log-in has ended, and opens a dialog for a new one."""


def by_htmx(request: Request) -> bool:
    """Whether htmx sent the request: only a part of the page will be replaced."""
    return request.headers.get("hx-request") == "true"


def on_to(address: str) -> Response:
    """Answer a form: show that page, whether the browser or htmx sent it."""
    return RedirectResponse(address, status_code=303)


def load(request: Request, address: str) -> Response:
    """Answer a form after which the whole page must be loaded: the person or the session is another."""
    if by_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": address})
    return RedirectResponse(address, status_code=303)


def in_words(words: Wording, error: ApiError | DeskError) -> str:
    """The error in the reader's words."""
    return words_of_error(words, error.id)


def words_of_error(words: Wording, id: str) -> str:
    """The error of that id in the reader's words."""
    key = f"errors.{id}"
    return words(key) if words.has(key) else words("errors.unnamed", id=id)


def wants_page(request: Request) -> bool:
    """Whether a browser asked for one of our pages. What is below /api answers as it does to programs."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(f"{API}/")


def error_page(request: Request, status: int, id: str, retry_after: int | None = None) -> Response | None:
    """Answer an error as a page; None for a program's request, which gets a problem document.

    An unfinished log-in leads to the page that finishes it, and back; the address of a form to its page. For htmx only
    the line of errors is replaced, so that what was typed stays; a log-in that has ended says so by a header, and the
    shell asks for a new one in a dialog.
    """
    if not wants_page(request):
        return None
    trace_of(request).problem = id
    if status == 405 and request.method == "GET":  # a form's address, loaded again: its page is the one above
        return RedirectResponse(request.url.path.rpartition("/")[0] or "/", status_code=303)
    own = OWN_PAGES.get(id)
    if own is not None and not by_htmx(request):
        return RedirectResponse(_with_after(own, request), status_code=303)
    page = render(request, "error.html", status=status, message=words_of_error(words_for(request), id))
    if retry_after is not None:
        page.headers["Retry-After"] = str(retry_after)
    if by_htmx(request):
        page.headers.update(ONLY_THE_ALERT)
        if own is not None:
            page.headers[UNFINISHED] = own
    return page


def _with_after(address: str, request: Request) -> str:
    path = request.url.path
    if request.method != "GET" or path in ("/", "/log-in") or address == WALL_PAGE:
        return address
    return f"{address}?after={path}"
