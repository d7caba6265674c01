"""The dependencies of pages by permission. A page needs a log-in at a browser: a token opens none."""

from typing import Annotated, Final

from fastapi import Depends, Request

from api.access import Access, InAnySession, InOneToAdd, InSession
from api.auth.access import on_the_wall, signed_in
from desk.access.permissions import Permission

REPAINT: Final = "x-repaint"
"""The header of requests by which a page repaints itself."""


def _is_used(request: Request) -> bool:
    """Whether a person acts: a page that repaints itself does not prolong the session."""
    return REPAINT not in request.headers


PageVisitor = Annotated[Access, Depends(signed_in(Permission.SIGN_IN, browser_only=True))]
PageReader = Annotated[Access, Depends(signed_in(Permission.READ, browser_only=True, in_use=_is_used))]
PageWatcher = Annotated[Access, Depends(signed_in(Permission.READ, browser_only=True, in_use=lambda _: False))]
"""For a stream that is only open. It does not prolong the session, or no one would ever be logged out."""
PageWorker = Annotated[Access, Depends(signed_in(Permission.WORK, browser_only=True))]
PageCloser = Annotated[Access, Depends(signed_in(Permission.CLOSE, browser_only=True))]
PageWallMaker = Annotated[Access, Depends(signed_in(Permission.WALL, browser_only=True))]
WallScreen = Annotated[Access, Depends(on_the_wall)]
"""A wall screen: its token opens the wall alone."""
PageAuditor = Annotated[Access, Depends(signed_in(Permission.AUDIT, browser_only=True))]
PageOperator = Annotated[Access, Depends(signed_in(Permission.OPERATE, browser_only=True))]

__all__ = [
    "InAnySession",
    "InOneToAdd",
    "InSession",
    "PageAuditor",
    "PageCloser",
    "PageOperator",
    "PageReader",
    "PageVisitor",
    "PageWallMaker",
    "PageWatcher",
    "PageWorker",
    "WallScreen",
]
