"""Agents: who may use the web door, in which roles and departments."""

from collections.abc import Iterable

from desk.access import Grant, Role
from desk.agent import Agent
from desk.clock import Clock
from desk.destinations import check_phone_name
from desk.errors import AgentNotFound, GrantNotFound
from desk.storage import agents as rows
from desk.storage.agents import AgentRow
from desk.storage.database import Conflict, Connection, Database
from desk.tokens import Tokens, agent_of, hashed

__all__ = ["Agent", "AgentExists", "Agents", "hashed"]

FIRST_TOKEN = "first"


class AgentExists(Exception):
    """There is an agent of that name already: revoke it first."""


class Agents:
    """The agents of one database, and their tokens."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.tokens = Tokens(database=database, clock=clock)

    async def add(self, name: str, role: Role, departments: Iterable[str], *, phone: str | None = None) -> str:
        """Add an agent with that role in each of the departments; returns a first token, which is never shown again.

        `AgentExists` if the name is in use, `InvalidPhoneName` if `phone` can't name a phone.
        """
        if phone is not None:
            check_phone_name(phone)
        try:
            async with self._database.begin() as connection:
                id = await rows.insert_agent(connection, name=name, phone=phone, created_at=self._clock.now())
                await rows.add_grants(connection, id, [(role.value, department) for department in departments])
                return (await self.tokens.issue_in(connection, name, FIRST_TOKEN)).secret
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

    async def revoke(self, name: str) -> None:
        """Nothing of the agent's opens from now on; its name may be given to a new one. `AgentNotFound` if none."""
        async with self._database.begin() as connection:
            revoked = await rows.revoke(connection, name, self._clock.now())
        if not revoked:
            raise AgentNotFound


async def _present(connection: Connection, name: str) -> AgentRow:
    row = await rows.by_name(connection, name)
    if row is None:
        raise AgentNotFound
    return row
