"""Restricted sessions: every other route of the app refuses them."""

import re
from collections.abc import Awaitable, Callable, Collection

import httpx
from fastapi.routing import iter_route_contexts

from tests.support.web.api import World, refused


async def refused_everywhere(
    world: World, ask: Callable[[str, str], Awaitable[httpx.Response]], problem: str, *, excluding: Collection[str]
) -> int:
    """Check that routes are refused with 403 and this problem. Returns their number.

    `ask`: a request by method and path below /api/v1. `excluding`: allowed routes, such as `GET /api/v1/me`.
    """
    asked = 0
    for route in iter_route_contexts(world.app.routes):
        path = re.sub(r":[a-z]+}", "}", str(route.path))
        for method in sorted(set(route.methods or ()) - {"HEAD"}):
            if path.startswith("/api/v1/") and f"{method} {path}" not in excluding:
                at = path.replace("{id}", "0" * 32).replace("{slug}", "kirurgi").replace("{number}", "1")
                refused(await ask(method, at.removeprefix("/api/v1")), 403, problem)
                asked += 1
    return asked
