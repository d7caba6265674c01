"""Agents: the people and programs that may use the web door, in which roles and departments."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from desk.access.agent import Agent
from desk.access.permissions import Grant, Role
from desk.accounts import devices_repository as devices
from desk.accounts import repository as rows
from desk.accounts.errors import AgentDisabled, AgentNameTaken, GrantNotFound
from desk.accounts.look_alikes import look
from desk.accounts.repository import AgentRow, agent_of
from desk.accounts.sessions import repository as sessions
from desk.accounts.tokens.service import Tokens
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.numbers.endpoints import check_phone_name

FIRST_TOKEN = "first"


class Agents(Service):
    """The agents of one database, and their tokens."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        super().__init__(database=database, clock=clock)
        self.tokens = Tokens(database=database, clock=clock)

    @unit_of_work
    async def add(
        self,
        unit: Unit,
        name: str,
        role: Role,
        departments: Iterable[str],
        *,
        phone: str | None = None,
        expires_at: datetime | None = None,
    ) -> str:
        """Add an agent with that role in each of the departments. Returns its first token, which is never shown again.

        The token is valid until `expires_at`, or without end. Raises AgentNameTaken if the name is in use, and
        InvalidPhoneName if `phone` is not a valid endpoint name.
        """
        if phone is not None:
            check_phone_name(phone)
        if await rows.find(unit, name) is not None:
            raise AgentNameTaken
        id = await rows.insert_agent(unit, name=name, phone=phone)
        await rows.add_grants(unit, id, [(role.value, department) for department in departments])
        return (await self.tokens.issue(unit, name, FIRST_TOKEN, expires_at=expires_at)).secret

    async def verify(self, token: str) -> Agent | None:
        """The agent that holds `token`; None if it is unknown, malformed, expired or revoked."""
        verified = await self.tokens.verify(token)
        return verified.agent if verified else None

    @reading
    async def get(self, unit: Unit, name: str) -> Agent:
        """The working agent of that name. Raises AgentNotFound."""
        return agent_of(await rows.get(unit, name))

    @reading
    async def list(self, unit: Unit) -> list[Agent]:
        """Every agent that is not revoked, by name."""
        return [agent_of(row) for row in await rows.all_working(unit)]

    @unit_of_work
    async def grant(self, unit: Unit, name: str, grants: Iterable[Grant]) -> None:
        """Add grants, from the next request on. Raises AgentNotFound."""
        row = await rows.get(unit, name)
        await rows.add_grants(unit, row.id, [(grant.role.value, grant.department) for grant in grants])

    @unit_of_work
    async def withdraw(self, unit: Unit, name: str, grants: Iterable[Grant]) -> None:
        """Withdraw grants, from the next request on. Raises AgentNotFound, and GrantNotFound for any other grant."""
        row = await rows.get(unit, name)
        for grant in grants:
            if not await rows.remove_grant(unit, row.id, grant.role.value, grant.department):
                raise GrantNotFound

    @unit_of_work
    async def from_provider(self, unit: Unit, issuer: str, subject: str, name: str, grants: Iterable[Grant]) -> Agent:
        """The agent of a provider's subject, with exactly these grants; it is added at the first log-in.

        The agent keeps the name of its first log-in, because history and claims refer to it. Raises AgentDisabled, and
        AgentNameTaken when another account has the name or one that looks the same: a provider can't take over an
        account, nor can its people pass for a colleague in the history.
        """
        held = [(grant.role.value, grant.department) for grant in grants]
        others = await rows.all_working(unit)  # first, so that a row added by the same person is found below
        row = await rows.find_subject(unit, issuer, subject)
        if row is not None and row.disabled:
            raise AgentDisabled
        if row is None:
            if look(name) in {look(each.name) for each in others}:
                raise AgentNameTaken
            id = await rows.insert_agent(unit, name=name, phone=None, issuer=issuer, subject=subject)
            row = AgentRow(id, name, None, frozenset())
        if row.grants != frozenset(held):
            await rows.replace_grants(unit, row.id, held)
        return agent_of(replace(row, grants=frozenset(held)))

    @unit_of_work
    async def disable(self, unit: Unit, name: str) -> None:
        """Close the account: sessions end at once, log-ins are refused, tokens are not valid. Raises AgentNotFound."""
        row = await rows.get(unit, name)
        await rows.set_disabled(unit, row.id, unit.now)
        await _log_out(unit, row)

    @unit_of_work
    async def enable(self, unit: Unit, name: str) -> None:
        """Open the account again: its tokens are valid again, its sessions are gone. Raises AgentNotFound."""
        row = await rows.get(unit, name)
        await rows.set_disabled(unit, row.id, None)

    @unit_of_work
    async def revoke(self, unit: Unit, name: str) -> None:
        """End all the agent's access; its name may be given to a new agent. Raises AgentNotFound."""
        row = await rows.get(unit, name)
        await rows.revoke(unit, row.id)
        await _log_out(unit, row)


async def _log_out(unit: Unit, row: AgentRow) -> None:
    await sessions.end_of_agent(unit, row.id)
    await devices.forget(unit, row.id)
