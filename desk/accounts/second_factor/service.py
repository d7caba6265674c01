"""Second factors of local accounts: set up by the account's owner, needed at each log-in, removed by a manager.

totp.py has the codes themselves. The secret is sealed; only hashes of the recovery codes are stored.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from desk.accounts import repository as agents
from desk.accounts.errors import (
    SecondFactorElsewhere,
    SecondFactorNeeded,
    SecondFactorNotFound,
    SecondFactorNotStarted,
    WrongCode,
)
from desk.accounts.repository import AgentRow
from desk.accounts.second_factor import repository as rows
from desk.accounts.second_factor.repository import SECRET, SecondFactorRow
from desk.accounts.second_factor.totp import (
    RECOVERY_CODES,
    is_timed,
    new_recovery_code,
    new_secret,
    otpauth_address,
    plain,
    step_shown,
)
from desk.accounts.sessions import repository as session_rows
from desk.accounts.sessions.model import LoginSource, NewSession, Session
from desk.accounts.sessions.service import Sessions
from desk.accounts.tokens.model import hashed
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.vault.vault import Vault

SET_UP_WITHIN: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator needs, shown once: the secret in base32, and as an address for a QR code."""

    secret: str = field(repr=False)
    address: str = field(repr=False)


@dataclass(frozen=True)
class EnrolmentResult:
    """The second factor is active and all sessions have ended; `session` is a new one."""

    session: NewSession
    recovery_codes: list[str] = field(repr=False)


@dataclass(frozen=True)
class SecondFactorStatus:
    """What may be shown of an account's second factor. `since` is None for an account without one."""

    since: datetime | None
    recovery_codes_left: int


@dataclass(frozen=True)
class CodeMatch:
    """What a code matches, to be used up once: the code of a step, or a recovery code."""

    factor: str
    step: int | None
    hash: bytes | None = field(default=None, repr=False)


class SecondFactors(Service):
    """The second factors of one database."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, sessions: Sessions) -> None:
        super().__init__(database=database, clock=clock)
        self._vault = vault
        self._sessions = sessions

    @unit_of_work
    async def start(self, unit: Unit, session: Session) -> Enrolment:
        """Start to set one up for the agent of that session; an active one stays until the new one is confirmed.

        Raises LogInAgain unless the log-in is recent, SecondFactorElsewhere for a log-in at a provider.
        """
        _check_local(session)
        self._sessions.require_recent(session)
        row = await _locked(unit, session.agent.name)
        id, secret = str(uuid4()), new_secret()
        await rows.start(unit, row.id, id, self._vault.seal(secret, SECRET, id))
        return Enrolment(secret, otpauth_address(secret, session.agent.name))

    @unit_of_work
    async def confirm(self, unit: Unit, session: Session, code: str) -> EnrolmentResult:
        """Activate the second factor being set up, with ten new recovery codes, if the code is right.

        Raises SecondFactorNotStarted, WrongCode, SecondFactorElsewhere.
        """
        _check_local(session)
        row = await _locked(unit, session.agent.name)
        started = await rows.find_started(unit, row.id, unit.now - SET_UP_WITHIN)
        if started is None:
            raise SecondFactorNotStarted
        step = step_shown(self._vault.open(started.secret, SECRET, started.id), plain(code), unit.now)
        if step is None:
            raise WrongCode
        await rows.activate(unit, row.id, started.id, step)
        codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
        await rows.replace_recovery_codes(unit, row.id, [hashed(plain(each)) for each in codes])
        await session_rows.end_of_agent(unit, row.id)
        return EnrolmentResult(await self._sessions.open(unit, row.name, source=session.source), codes)

    @reading
    async def status(self, unit: Unit, agent: str | None = None) -> SecondFactorStatus:
        """The actor's own, or of an agent within the actor's scope. Raises AgentNotFound."""
        own = unit.actor.name
        row = await agents.get_within(unit, agent or own, unit.scope, or_own=own)
        active = await rows.find_active(unit, row.id)
        left = await rows.recovery_codes_left(unit, row.id)
        return SecondFactorStatus(active.confirmed_at if active else None, left)

    @unit_of_work
    async def remove(self, unit: Unit, agent: str) -> None:
        """Remove the second factor of the actor, or of an agent within the actor's scope, and end its sessions.

        Raises AgentNotFound, SecondFactorNotFound.
        """
        await agents.get_within(unit, agent, unit.scope, or_own=unit.actor.name)
        row = await _locked(unit, agent)
        if not await rows.remove(unit, row.id):
            raise SecondFactorNotFound
        await session_rows.end_of_agent(unit, row.id)

    @reading
    async def active(self, unit: Unit, agent_id: int) -> SecondFactorRow | None:
        """The second factor the account needs to log in."""
        return await rows.find_active(unit, agent_id)

    @reading
    async def match(self, unit: Unit, agent_id: int, factor: SecondFactorRow, code: str) -> CodeMatch:
        """What that code matches; it is not used up yet. Raises SecondFactorNeeded when it matches nothing."""
        code = plain(code)
        if is_timed(code):
            step = step_shown(self._vault.open(factor.secret, SECRET, factor.id), code, unit.now)
            if step is not None:
                return CodeMatch(factor.id, step)
        hash = hashed(code)
        if await rows.has_recovery_code(unit, agent_id, hash):
            return CodeMatch(factor.id, None, hash)
        raise SecondFactorNeeded

    async def use(self, unit: Unit, agent_id: int, match: CodeMatch | None) -> None:
        """Use up a code in the unit of work that opens the session; the agent is locked. None: no code was needed.

        Raises SecondFactorNeeded when the code has been used, or the account now has another second factor.
        """
        active = await rows.find_active(unit, agent_id)
        if (active and active.id) != (match and match.factor):
            raise SecondFactorNeeded
        if match is None:
            return
        if match.step is not None:
            is_new = await rows.use_step(unit, match.factor, match.step)
        else:
            is_new = await rows.use_recovery_code(unit, agent_id, match.hash or b"")
        if not is_new:
            raise SecondFactorNeeded


def _check_local(session: Session) -> None:
    if session.source is not LoginSource.PASSWORD:
        raise SecondFactorElsewhere


async def _locked(unit: Unit, name: str) -> AgentRow:
    row = await agents.get(unit, name)
    await agents.lock(unit, row.id)
    return row
