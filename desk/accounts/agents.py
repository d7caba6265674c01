"""Agents: who may use the web door, in which roles and departments."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from desk.access.agent import Agent
from desk.access.permissions import Grant, Role
from desk.accounts import devices_repository as devices
from desk.accounts import repository as rows
from desk.accounts.errors import AgentDisabled, AgentNameTaken, AgentNotFound, GrantNotFound
from desk.accounts.repository import AgentRow
from desk.accounts.sessions import repository as sessions
from desk.accounts.tokens.service import Tokens, agent_of, hashed
from desk.clock import Clock
from desk.database.engine import Conflict, Connection, Database
from desk.database.errors import StorageUnavailable
from desk.numbers.endpoints import check_phone_name

__all__ = ["Agent", "AgentExists", "Agents", "hashed"]

FIRST_TOKEN = "first"
TRIES = 5


class AgentExists(Exception):
    """There is an agent of that name already: revoke it first."""


class Agents:
    """The agents of one database, and their tokens."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.tokens = Tokens(database=database, clock=clock)

    async def add(
        self,
        name: str,
        role: Role,
        departments: Iterable[str],
        *,
        phone: str | None = None,
        expires_at: datetime | None = None,
    ) -> str:
        """Add an agent with that role in each of the departments; returns a first token, which is never shown again.

        It opens until `expires_at`, or without end.

        `AgentExists` if the name is in use, `InvalidPhoneName` if `phone` can't name a phone.
        """
        if phone is not None:
            check_phone_name(phone)
        try:
            async with self._database.begin() as connection:
                id = await rows.insert_agent(connection, name=name, phone=phone, created_at=self._clock.now())
                await rows.add_grants(connection, id, [(role.value, department) for department in departments])
                return (await self.tokens.issue_in(connection, name, FIRST_TOKEN, expires_at=expires_at)).secret
        except Conflict:
            raise AgentExists from None

    async def verify(self, token: str) -> Agent | None:
        """The agent that holds `token`, or None: unknown, malformed, expired or revoked."""
        return await self.tokens.verify(token)

    async def get(self, name: str) -> Agent:
        """The working agent of that name. Raises AgentNotFound."""
        async with self._database.read() as connection:
            return agent_of(await _present(connection, name))

    async def list(self) -> list[Agent]:
        """Every agent that was not revoked, by name."""
        async with self._database.read() as connection:
            return [agent_of(row) for row in await rows.all_working(connection)]

    async def grant(self, name: str, grants: Iterable[Grant]) -> None:
        """Give those too; from the next request on. Raises AgentNotFound."""
        async with self._database.begin() as connection:
            row = await _present(connection, name)
            await rows.add_grants(connection, row.id, [(grant.role.value, grant.department) for grant in grants])

    async def withdraw(self, name: str, grants: Iterable[Grant]) -> None:
        """Take those away; from the next request on. Raises AgentNotFound, and GrantNotFound for one it has not."""
        async with self._database.begin() as connection:
            row = await _present(connection, name)
            for grant in grants:
                if not await rows.remove_grant(connection, row.id, grant.role.value, grant.department):
                    raise GrantNotFound

    async def from_provider(self, issuer: str, subject: str, name: str, grants: Iterable[Grant]) -> Agent:
        """The agent of a provider's subject, made at its first log-in, with these grants and no others from now on.

        The name is that of the first log-in for good: the history and the claims go by it. Raises AgentDisabled, and
        AgentNameTaken when the name is somebody else's: an account here is never taken over from there.
        """
        held = [(grant.role.value, grant.department) for grant in grants]
        for _ in range(TRIES):  # the same person logs in twice at the same moment: the second finds the first's row
            try:
                async with self._database.begin() as connection:
                    return await self._of_subject(connection, issuer, subject, name, held)
            except Conflict:
                continue
        raise StorageUnavailable

    async def _of_subject(
        self, connection: Connection, issuer: str, subject: str, name: str, held: Collection[tuple[str, str]]
    ) -> Agent:
        named = await rows.by_name(connection, name)  # first: whoever it is, if the same person, is found below too
        row = await rows.by_subject(connection, issuer, subject)
        if row is not None and row.disabled:
            raise AgentDisabled
        if row is None:
            if named is not None:
                raise AgentNameTaken
            now = self._clock.now()
            id = await rows.insert_agent(
                connection, name=name, phone=None, created_at=now, issuer=issuer, subject=subject
            )
            row = AgentRow(id, name, None, frozenset())
        if row.grants != frozenset(held):
            await rows.replace_grants(connection, row.id, held)
        return agent_of(replace(row, grants=frozenset(held)))

    async def disable(self, name: str) -> None:
        """Keep the agent out: no log-in, and what is open ends at once. Tokens rest. Raises AgentNotFound."""
        async with self._database.begin() as connection:
            row = await _present(connection, name)
            await rows.set_disabled(connection, row.id, self._clock.now())
            await sessions.end_of_agent(connection, row.id)
            await devices.forget(connection, row.id)

    async def enable(self, name: str) -> None:
        """Let the agent in again; its tokens open again, its sessions don't. Raises AgentNotFound."""
        async with self._database.begin() as connection:
            row = await _present(connection, name)
            await rows.set_disabled(connection, row.id, None)

    async def revoke(self, name: str) -> None:
        """Nothing of the agent's opens from now on; its name may be given to a new one. `AgentNotFound` if none."""
        async with self._database.begin() as connection:
            row = await _present(connection, name)
            await rows.revoke(connection, row.id, self._clock.now())
            await sessions.end_of_agent(connection, row.id)
            await devices.forget(connection, row.id)


async def _present(connection: Connection, name: str) -> AgentRow:
    row = await rows.by_name(connection, name)
    if row is None:
        raise AgentNotFound
    return row
