"""The api on a real socket in this process, and a client that reads its events block by block."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from api.app import create_app
from api.auth.cookies import SESSION
from api.own_commands import OwnCommands
from api.services import Services
from api.web.events.live import Live
from desk.access.permissions import Role
from desk.clock import SystemClock
from desk.departments.departments import Departments
from desk.history.feed import Changes
from desk.settings.settings import Settings
from tests.support.web.api import DEPARTMENTS, KEYS, World, open_world

SECONDS = 60.0


@dataclass(frozen=True)
class Block:
    """One block of a stream. `data` is None for a position or a heartbeat."""

    id: int | None
    event: str
    data: Any
    comment: bool

    @property
    def is_change(self) -> bool:
        return self.data is not None and self.event == "message"


def parsed(text: str) -> Block:
    id, event, data, comment = None, "message", None, False
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        if name == "id":
            id = int(value)
        elif name == "event":
            event = value
        elif name == "data":
            data = json.loads(value)
        elif not name:
            comment = True
    return Block(id, event, data, comment)


class Stream:
    """An open stream. `last_id` is what an EventSource would send when it reconnects."""

    def __init__(self, answer: httpx.Response) -> None:
        self._parts = answer.aiter_text()
        self._rest = ""
        self.last_id: int | None = None
        self.ended = False

    async def block(self) -> Block | None:
        """The next block; None when the stream has ended."""
        async with asyncio.timeout(SECONDS):
            while "\n\n" not in self._rest:
                try:
                    self._rest += await anext(self._parts)
                except (StopAsyncIteration, httpx.RemoteProtocolError):
                    self.ended = True
                    return None
        text, self._rest = self._rest.split("\n\n", 1)
        block = parsed(text)
        if block.id is not None:
            self.last_id = block.id
        return block

    async def changes(self, count: int) -> list[Any]:
        """The next `count` changes, or fewer when the stream ends first."""
        found: list[Any] = []
        while len(found) < count and (block := await self.block()) is not None:
            if block.is_change:
                found.append(block.data)
        return found

    async def opened(self) -> "Stream":
        """Wait for the first position. Everything written afterwards arrives."""
        while (block := await self.block()) is not None and block.id is None:
            continue
        return self

    async def rest(self) -> list[Block]:
        """All blocks to its end."""
        found = []
        while (block := await self.block()) is not None:
            found.append(block)
        return found


@asynccontextmanager
async def listening_to(
    url: str,
    token: str = "",
    after: int | None = None,
    *,
    query: str = "",
    cookie: str | None = None,
    path: str = "/api/v1/events",
) -> AsyncIterator[Stream]:
    """A stream answered with 200, for a token or the `cookie` of a session."""
    headers = {"Authorization": f"Bearer {token}"} if cookie is None else {"Cookie": f"{SESSION}={cookie}"}
    headers |= {} if after is None else {"Last-Event-ID": str(after)}
    async with (
        httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client,
        client.stream("GET", f"{url}{path}{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer)


@dataclass(frozen=True)
class Served:
    """A world behind a real socket."""

    world: World
    url: str
    live: Live

    async def token(self, name: str = "kari", *departments: str) -> str:
        return await self.world.token(name, Role.AGENT, departments or ("*",))


@asynccontextmanager
async def served(
    database_url: str,
    folder: Path,
    *,
    recheck_seconds: float = 10.0,
    poll_seconds: float = 0.05,
    commands: OwnCommands | None = None,
    departments: Departments = DEPARTMENTS,
    changed: Callable[[Services], Services] = lambda services: services,
    **settings: Any,
) -> AsyncIterator[Served]:
    """The application on its own port, with small send buffers so that a slow reader is noticed soon.

    `commands`: for pages that run commands. `changed`: puts other parts in place of those of the world. `settings`: of
    the world.
    """
    async with open_world(database_url, folder, departments=departments, **settings) as world:
        live = Live(
            changes=Changes(database=world.database, clock=SystemClock()),
            poll_seconds=poll_seconds,
            recheck_seconds=recheck_seconds,
        )
        of_app = Settings.load(environment="demo", database_url=database_url, var_dir=folder, ari_port=1, **KEYS)
        app = world.witness.around(
            create_app(of_app, services=changed(replace(world.services, live=live, commands=commands or OwnCommands())))
        )
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none", http="httptools"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield Served(world, f"http://127.0.0.1:{listening.getsockname()[1]}", live)
        finally:
            await live.close()
            server.should_exit = True
            await serving
