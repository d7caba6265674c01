"""Accounts with a second factor, and their owners' phones."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from desk.access.permissions import Role
from desk.accounts.second_factor.totp import STEP, code_at, step_of
from tests.support.web.api import World, open_world

PASSWORD = "ta trikken til Frogner"
HOST = "https://innringing.test"
ONE_STEP = timedelta(seconds=STEP)


@dataclass
class Person:
    """A person with an account, a password and a browser, and a phone once it has a secret."""

    world: World
    name: str
    client: httpx.AsyncClient
    csrf: str = ""
    secret: str = field(default="", repr=False)
    recovery_codes: list[str] = field(default_factory=list, repr=False)

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf, **more.pop("headers", {})}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def logs_in(self, code: str | None = None, password: str = PASSWORD) -> httpx.Response:
        body = {"name": self.name, "password": password} | ({} if code is None else {"code": code})
        answer = await self.ask("POST", "/session", json=body)
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf"]
        return answer

    def code(self, after: timedelta = timedelta()) -> str:
        """The code that the phone shows, `after` from now."""
        return code_at(self.secret, step_of(self.world.clock.now() + after))

    async def starts(self) -> httpx.Response:
        answer = await self.ask("POST", "/second-factor")
        if answer.status_code == 201:
            self.secret = answer.json()["secret"]
        return answer

    async def confirms(self, code: str | None = None) -> httpx.Response:
        answer = await self.ask("POST", "/second-factor/confirm", json={"code": code or self.code()})
        if answer.status_code == 200:
            self.csrf, self.recovery_codes = answer.json()["csrf"], answer.json()["recovery_codes"]
        return answer

    async def enrols(self) -> "Person":
        """Log in and set up a second factor. A time step passes, so that the next code is a new one."""
        assert (await self.logs_in()).status_code == 201
        assert (await self.starts()).status_code == 201
        assert (await self.confirms()).status_code == 200
        self.world.clock.advance(ONE_STEP)
        return self


@asynccontextmanager
async def person(
    world: World, name: str = "kari", role: Role = Role.AGENT, departments: Iterable[str] = ("kirurgi",)
) -> AsyncIterator[Person]:
    """A person with this role and the password `PASSWORD`; another browser when the person exists already."""
    if name not in world.tokens:
        await world.token(name, role, departments)
        await world.services.logins.set_password(name, PASSWORD)
    transport = httpx.ASGITransport(app=world.app)
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
        yield Person(world, name, client)


@asynccontextmanager
async def opened(database_url: str, var_dir: Path, **settings: Any) -> AsyncIterator[World]:
    """A world whose api has its own host name."""
    async with open_world(database_url, var_dir, allowed_hosts="innringing.test", **settings) as world:
        yield world
