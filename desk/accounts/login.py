"""Log-in with a password, and changing it. desk/limits/backoff.py decides how fast passwords may be tried."""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from desk.access.actor import SYSTEM
from desk.accounts import devices_repository as devices
from desk.accounts import repository as agents
from desk.accounts.errors import (
    AgentAtProvider,
    AgentNotFound,
    SecondFactorNeeded,
    WeakPassword,
    WrongLogin,
    WrongPassword,
)
from desk.accounts.passwords.hashing import Passwords
from desk.accounts.passwords.rules import PasswordProblem, normal
from desk.accounts.repository import AgentRow
from desk.accounts.second_factor.service import CodeMatch, SecondFactors
from desk.accounts.sessions import repository as session_rows
from desk.accounts.sessions.model import LoginSource, NewSession, Session
from desk.accounts.sessions.service import Sessions
from desk.accounts.tokens.model import TOKEN_BYTES, hashed
from desk.clock import Clock
from desk.database.engine import Database
from desk.database.unit_of_work import Service, Unit, reading, unit_of_work
from desk.limits.backoff import FREE, Lane, code_lane, lanes
from desk.limits.login_backoff import LoginBackoff
from desk.vault.vault import Vault

DEVICE_PREFIX: Final = "inn_d_"
DEVICE: Final = re.compile(re.escape(DEVICE_PREFIX) + r"[A-Za-z0-9_-]{43}")
DEVICE_LASTS: Final = timedelta(days=90)
MOST_DEVICES: Final = 20
"""Of one agent; the one unused for longest is forgotten first."""
NO_AGENT: Final = 0
"""No agent has that id."""


@dataclass(frozen=True)
class LoginResult:
    """A new session, and the cookie by which the browser is known at its next log-in."""

    session: NewSession
    device: str = field(repr=False)
    by_recovery_code: bool = False


@dataclass(frozen=True)
class _Account:
    """What is stored under a name. `row` is None if there is no such account, or it is closed."""

    row: AgentRow | None
    hash: str | None
    device: str | None


@dataclass(frozen=True)
class _Attempt:
    """A log-in whose password was right, to be completed in one unit of work."""

    row: AgentRow
    hash: str
    better_hash: str | None
    match: CodeMatch | None
    lanes: Sequence[Lane]
    address: str
    device: str | None


class Logins(Service):
    """Log-ins with a password on one database."""

    def __init__(
        self, *, database: Database, vault: Vault, clock: Clock, sessions: Sessions, passwords: Passwords
    ) -> None:
        super().__init__(database=database, clock=clock)
        self._sessions = sessions
        self._passwords = passwords
        self._backoff = LoginBackoff(database=database, vault=vault, clock=clock)
        self._factors = SecondFactors(database=database, vault=vault, clock=clock, sessions=sessions)

    async def by_password(
        self, name: str, password: str, *, address: str, device: str | None = None, code: str | None = None
    ) -> LoginResult:
        """Open a session of the account with that name and password. `address`: where the request comes from.

        `code`: of the account's second factor, or a recovery code. Raises WrongLogin, with the same work whether the
        account exists or not; TooManyTries, LoginsBusy; SecondFactorNeeded when only the password was right.
        """
        account = await self._account(SYSTEM, name, device)
        tried: Sequence[Lane] = lanes(name.casefold(), address, account.device)
        await self._backoff.count_try(tried, address)
        checked = await self._passwords.verify(account.hash, password, known=account.device is not None)
        row = account.row
        if row is None or account.hash is None or not checked.is_right or self._has_expired(row):
            raise WrongLogin
        match, tried = await self._match(row, account.device, code, tried)
        attempt = _Attempt(row, account.hash, checked.better_hash, match, tried, address, device)
        return await self._complete(SYSTEM, attempt)

    async def change(self, session: Session, old: str, new: str, *, words: Iterable[str] = ()) -> LoginResult:
        """Change the password of the session's agent, end all its sessions and open a new one.

        `words`: what is easy to guess here. Raises WrongPassword, also for an agent without a password; WeakPassword,
        also for the same password; TooManyTries, LoginsBusy, LeakedPasswordsFault.
        """
        name = session.agent.name
        await self._passwords.check(new, [name, *words])
        if normal(new) == normal(old):
            raise WeakPassword(PasswordProblem.THE_SAME)
        tried = [Lane(f"change\0{session.id}", FREE)]
        account = await self._account(SYSTEM, name, None)
        await self._backoff.count_try(tried, None)
        checked = await self._passwords.verify(account.hash, old, known=True)
        if account.row is None or account.hash is None or not checked.is_right:
            raise WrongPassword
        new_hash = await self._passwords.hash(new)
        return await self._replace_password(SYSTEM, session, account.row, account.hash, new_hash, tried)

    async def set_password(
        self, name: str, new: str, *, words: Iterable[str] = (), first_for: timedelta | None = None
    ) -> None:
        """Set an agent's password, as an operator, and end all its sessions.

        `first_for`: it is a first password, valid for this long and only for choosing another. Raises AgentNotFound,
        AgentAtProvider, WeakPassword, LeakedPasswordsFault.
        """
        await self._passwords.check(new, [name, *words])
        await self._set_password(SYSTEM, name, await self._passwords.hash(new), first_for)

    async def has_password(self, name: str) -> bool:
        """Whether that agent can log in with a password."""
        return (await self._account(SYSTEM, name, None)).hash is not None

    async def _match(
        self, row: AgentRow, device: str | None, code: str | None, tried: Sequence[Lane]
    ) -> tuple[CodeMatch | None, Sequence[Lane]]:
        """What the code of an account with the right password matches, and the lanes in which the try is counted.

        A wrong password never gets here, so it reveals nothing of a second factor. Raises SecondFactorNeeded,
        TooManyTries.
        """
        factor = await self._factors.active(SYSTEM, row.id)
        if factor is None:
            return None, tried
        if code is None:
            raise SecondFactorNeeded
        lane = code_lane(row.name, device)
        await self._backoff.count_try([lane], None)
        return await self._factors.match(SYSTEM, row.id, factor, code), [*tried, lane]

    @unit_of_work
    async def _complete(self, unit: Unit, attempt: _Attempt) -> LoginResult:
        row = attempt.row
        await agents.lock(unit, row.id)
        if await agents.password_hash(unit, row.id) != attempt.hash:
            raise WrongLogin  # it was changed while it was compared
        if attempt.better_hash is not None:
            await agents.set_password(unit, row.id, attempt.better_hash, change_by=row.change_password_by)
        await self._factors.use(unit, row.id, attempt.match)
        try:
            session = await self._sessions.open(unit, row.name, source=LoginSource.PASSWORD)
        except AgentNotFound:
            raise WrongLogin from None
        await self._backoff.forgive(unit, attempt.lanes, attempt.address)
        by_recovery_code = attempt.match is not None and attempt.match.step is None
        return LoginResult(session, await self._remember(unit, row.id, attempt.device), by_recovery_code)

    @unit_of_work
    async def _replace_password(
        self, unit: Unit, session: Session, row: AgentRow, hash: str, new_hash: str, tried: Sequence[Lane]
    ) -> LoginResult:
        if not await agents.set_password(unit, row.id, new_hash, change_by=None, instead_of=hash):
            raise WrongPassword
        await self._backoff.forgive(unit, tried, None)
        await session_rows.end_of_agent(unit, row.id)
        await devices.forget(unit, row.id)
        opened = await self._sessions.open(unit, row.name, source=session.source, login=session.login)
        return LoginResult(opened, await self._remember(unit, row.id, None))

    @unit_of_work
    async def _set_password(self, unit: Unit, name: str, hash: str, first_for: timedelta | None) -> None:
        row = await agents.get(unit, name)
        if await agents.is_from_provider(unit, row.id):
            raise AgentAtProvider
        change_by = None if first_for is None else unit.now + first_for
        await agents.set_password(unit, row.id, hash, change_by=change_by)
        await session_rows.end_of_agent(unit, row.id)
        await devices.forget(unit, row.id)

    @reading
    async def _account(self, unit: Unit, name: str, device: str | None) -> _Account:
        """An unknown name takes the same statements as a known one: one less would show in the response time."""
        row = await agents.find(unit, name)
        row = None if row is None or row.disabled else row
        id = NO_AGENT if row is None else row.id
        known = device and await devices.is_known(unit, id, hashed(device), unit.now - DEVICE_LASTS)
        return _Account(row, await agents.password_hash(unit, id), device if known else None)

    async def _remember(self, unit: Unit, agent_id: int, device: str | None) -> str:
        """The cookie by which the browser is known: its present one, which agents may share, or a new one."""
        device = device if device and DEVICE.fullmatch(device) else DEVICE_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        await devices.remember(unit, agent_id, hashed(device))
        await devices.clear(unit, agent_id, before=unit.now - DEVICE_LASTS, keep=MOST_DEVICES)
        return device

    def _has_expired(self, row: AgentRow) -> bool:
        return row.change_password_by is not None and row.change_password_by <= self._clock.now()
