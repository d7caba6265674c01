"""Agents: who may use the web door, in which role and for which departments. A token is shown once, kept as a hash."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desk.access import PERMISSIONS, Grant, Permission, Role, Scope, scope_of
from desk.at_once import AtOnce
from desk.clock import Clock
from desk.destinations import check_phone_name
from desk.errors import AgentNotFound
from desk.storage import agents as rows
from desk.storage.database import Conflict, Database

TOKEN_PREFIX = "inn_"
TOKEN_BYTES = 32


class AgentExists(Exception):
    """There is an agent of that name already: revoke it first."""


@dataclass(frozen=True)
class Agent:
    """Someone who may use the web door, with a role in one department or several.

    `phone` is the endpoint in pjsip.conf the agent is rung at for a dial; without one, the agent rings by hand.
    """

    name: str
    role: Role
    departments: frozenset[str]
    phone: str | None = None

    @property
    def grants(self) -> frozenset[Grant]:
        """Each role in each department."""
        return frozenset(Grant(self.role, department) for department in self.departments)

    def may(self, permission: Permission) -> bool:
        """Whether any of the roles gives that permission, wherever it is."""
        return any(permission in PERMISSIONS[grant.role] for grant in self.grants)

    def scope(self, permission: Permission) -> Scope:
        """Where the agent has that permission."""
        return scope_of(self.grants, permission)


class Agents:
    """The agents of one database."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._tokens: AtOnce[bytes, rows.AgentRow | None] = AtOnce(self._of_tokens)

    async def add(self, name: str, role: Role, departments: Iterable[str], *, phone: str | None = None) -> str:
        """Add an agent and return its token, which is never shown again.

        `AgentExists` if the name is in use, `InvalidPhoneName` if `phone` can't name a phone.
        """
        if phone is not None:
            check_phone_name(phone)
        token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        try:
            async with self._database.begin() as connection:
                await rows.insert_agent(
                    connection,
                    name=name,
                    role=role.value,
                    departments=sorted(set(departments)),
                    phone=phone,
                    token_hash=hashed(token),
                    created_at=self._clock.now(),
                )
        except Conflict:
            raise AgentExists from None
        return token

    async def verify(self, token: str) -> Agent | None:
        """The agent that holds `token`, or None: unknown, malformed or revoked."""
        if not token.startswith(TOKEN_PREFIX):
            return None
        row = await self._tokens.ask(hashed(token))
        return _agent(row) if row else None

    async def _of_tokens(self, token_hashes: Sequence[bytes]) -> Sequence[rows.AgentRow | None]:
        async with self._database.read() as connection:
            found = await rows.by_tokens(connection, set(token_hashes))
        return [found.get(token_hash) for token_hash in token_hashes]

    async def list(self) -> list[Agent]:
        """Every agent with a working token, by name."""
        async with self._database.read() as connection:
            return [_agent(row) for row in await rows.all_working(connection)]

    async def revoke(self, name: str) -> None:
        """The agent's token stops working at once; its name may be given to a new one. `AgentNotFound` if none."""
        async with self._database.begin() as connection:
            revoked = await rows.revoke(connection, name, self._clock.now())
        if not revoked:
            raise AgentNotFound


def hashed(token: str) -> bytes:
    """What is kept of a token. It is 256 random bits, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).digest()


def _agent(row: rows.AgentRow) -> Agent:
    return Agent(row.name, Role(row.role), frozenset(row.departments), row.phone)
