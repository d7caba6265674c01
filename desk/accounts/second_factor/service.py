"""Second factors of local accounts: set up by their holders, shown at each log-in, removed by who manages access.

totp.py has the codes themselves. The secret is sealed; only hashes of the recovery codes are stored.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts import repository as agent_rows
from desk.accounts.errors import (
    AgentNotFound,
    SecondFactorElsewhere,
    SecondFactorNeeded,
    SecondFactorNotFound,
    SecondFactorNotStarted,
    WrongCode,
)
from desk.accounts.repository import AgentRow
from desk.accounts.second_factor import repository as rows
from desk.accounts.second_factor.repository import SECRET, Row
from desk.accounts.second_factor.totp import (
    RECOVERY_CODES,
    address,
    is_timed,
    new_recovery_code,
    new_secret,
    plain,
    step_shown,
)
from desk.accounts.sessions import repository as sessions
from desk.accounts.sessions.service import LoginSource, Opened, Session, Sessions
from desk.accounts.tokens.service import hashed
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.vault.vault import Vault

SET_UP_WITHIN: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Started:
    """What an authenticator is given, this once: the secret in base32, and the same as an address for a QR code."""

    secret: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True)
class Confirmed:
    """The second factor is asked for from now on. All sessions ended; `opened` is a new one."""

    opened: Opened
    recovery_codes: list[str] = field(repr=False)


@dataclass(frozen=True)
class State:
    """What may be told of an account's second factor: since when it is asked for, None: it is not."""

    since: datetime | None
    recovery_codes_left: int


@dataclass(frozen=True)
class Proof:
    """What a code is to an account, to be taken once: the code of a step, or else a recovery code."""

    factor: str
    step: int | None
    hash: bytes | None = field(default=None, repr=False)


class SecondFactors(UnitsOfWork):
    """The second factors of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, sessions: Sessions) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock
        self._sessions = sessions

    async def start(self, session: Session) -> Started:
        """Begin to set one up for the agent of that session; one there is holds until the new one is confirmed.

        Raises LogInAgain unless the log-in is recent, SecondFactorElsewhere for a log-in at a provider.
        """
        _check_local(session)
        self._sessions.require_recent(session)
        id, secret, now = str(uuid4()), new_secret(), self._clock.now()
        sealed = self._vault.seal(secret, SECRET, id)

        async def work(connection: Connection) -> None:
            row = await _locked(connection, session.agent.name)
            await rows.begin(connection, row.id, id, sealed, now)

        await self._write(work)
        return Started(secret, address(secret, session.agent.name))

    async def confirm(self, session: Session, code: str) -> Confirmed:
        """The authenticator shows the right code: it is asked for from now on, with ten new recovery codes.

        Raises SecondFactorNotStarted, WrongCode, SecondFactorElsewhere.
        """
        _check_local(session)

        async def work(connection: Connection) -> Confirmed:
            now = self._clock.now()
            row = await _locked(connection, session.agent.name)
            begun = await rows.begun(connection, row.id, now - SET_UP_WITHIN)
            if begun is None:
                raise SecondFactorNotStarted
            step = step_shown(self._vault.open(begun.secret, SECRET, begun.id), plain(code), now)
            if step is None:
                raise WrongCode
            await rows.activate(connection, row.id, begun.id, step, now)
            codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
            await rows.put_recovery_codes(connection, row.id, [hashed(plain(each)) for each in codes])
            await sessions.end_of_agent(connection, row.id)
            opened = await self._sessions.open_in(connection, row.name, source=session.source)
            return Confirmed(opened, codes)

        return await self._write(work)

    async def state(self, reader: Agent, agent: str | None = None) -> State:
        """The reader's own, or of an agent within where the reader has MANAGE. Raises AgentNotFound."""

        async def look(connection: Connection) -> State:
            row = await _within(connection, reader, agent)
            active = await rows.active(connection, row.id)
            left = await rows.recovery_codes_left(connection, row.id)
            return State(active.confirmed_at if active else None, left)

        return await self._read(look)

    async def remove(self, agent: str, *, by: Agent | None = None) -> None:
        """Its password alone opens the account from now on; its sessions end. `by`: whose rights are asked, as `state`.

        Without `by` it is an operator on the machine. Raises AgentNotFound, SecondFactorNotFound.
        """

        async def work(connection: Connection) -> None:
            if by is not None:
                await _within(connection, by, agent)
            row = await _locked(connection, agent)
            if not await rows.remove(connection, row.id):
                raise SecondFactorNotFound
            await sessions.end_of_agent(connection, row.id)

        await self._write(work)

    async def active(self, agent_id: int) -> Row | None:
        """The one the account must show."""
        return await self._read(lambda connection: rows.active(connection, agent_id))

    async def proof(self, agent_id: int, factor: Row, code: str) -> Proof:
        """What that code is to that account; it is not taken yet. Raises SecondFactorNeeded: nothing."""
        code = plain(code)
        if is_timed(code):
            step = step_shown(self._vault.open(factor.secret, SECRET, factor.id), code, self._clock.now())
            if step is not None:
                return Proof(factor.id, step)
        hash = hashed(code)
        if await self._read(lambda connection: rows.has_recovery_code(connection, agent_id, hash)):
            return Proof(factor.id, None, hash)
        raise SecondFactorNeeded

    async def take(self, connection: Connection, agent_id: int, proof: Proof | None) -> None:
        """As a part of the unit of work that opens the session; the agent is locked.

        Raises SecondFactorNeeded: it was taken before, or the account has another second factor by now.
        """
        active = await rows.active(connection, agent_id)
        if (active and active.id) != (proof and proof.factor):
            raise SecondFactorNeeded
        if proof is None:
            return
        if proof.step is not None:
            taken = await rows.take_step(connection, proof.factor, proof.step)
        else:
            taken = await rows.take_recovery_code(connection, agent_id, proof.hash or b"")
        if not taken:
            raise SecondFactorNeeded


def _check_local(session: Session) -> None:
    if session.source is not LoginSource.PASSWORD:
        raise SecondFactorElsewhere


async def _locked(connection: Connection, name: str) -> AgentRow:
    row = await agent_rows.by_name(connection, name)
    if row is None:
        raise AgentNotFound
    await agent_rows.lock(connection, row.id)
    return row


async def _within(connection: Connection, reader: Agent, agent: str | None) -> AgentRow:
    name = agent or reader.name
    if name != reader.name and not await agent_rows.is_within(connection, name, reader.scope(Permission.MANAGE)):
        raise AgentNotFound
    row = await agent_rows.by_name(connection, name)
    if row is None:
        raise AgentNotFound
    return row
