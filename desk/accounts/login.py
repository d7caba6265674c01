"""Logging in with a password, and changing it. How fast passwords may be tried stands in desk/limits/backoff.py."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from desk.accounts import devices_repository as devices
from desk.accounts import repository as agent_rows
from desk.accounts.errors import (
    AgentNotFound,
    ProvidersPerson,
    SecondFactorNeeded,
    TooManyTries,
    WeakPassword,
    WrongLogin,
    WrongPassword,
)
from desk.accounts.passwords.hashing import PasswordProblem, Passwords, normal
from desk.accounts.repository import AgentRow
from desk.accounts.second_factor.service import Proof, SecondFactors
from desk.accounts.sessions import repository as sessions
from desk.accounts.sessions.service import LoginSource, Opened, Session, Sessions
from desk.accounts.tokens.service import TOKEN_BYTES, hashed
from desk.clock import Clock
from desk.database.engine import Connection, Database
from desk.database.unit_of_work import UnitsOfWork
from desk.limits import repository as login_tries
from desk.limits.backoff import (
    BUSY_ADDRESS,
    FORGOTTEN,
    FREE,
    Lane,
    after_try,
    code_lane,
    lanes,
    network,
    seconds_to_wait,
)
from desk.vault.vault import Vault

DEVICE_PREFIX: Final = "inn_d_"
DEVICE: Final = re.compile(re.escape(DEVICE_PREFIX) + r"[A-Za-z0-9_-]{43}")
DEVICE_LASTS: Final = timedelta(days=90)
MOST_DEVICES: Final = 20
"""Of one agent; the one not used for longest is forgotten first."""
NOBODY: Final = 0
"""No agent has that id."""
FREE_OF_DELAY: Final = 2**31
"""An address is only counted."""


@dataclass(frozen=True)
class LoggedIn:
    """A new session, and what the browser shows at its next log-in to be known."""

    opened: Opened
    device: str = field(repr=False)
    by_recovery_code: bool = False


@dataclass(frozen=True)
class _Account:
    """What there is under a name. `row` is None for nobody, and for one that may not log in."""

    row: AgentRow | None
    kept: str | None
    device: str | None


class Logins(UnitsOfWork):
    """Log-ins with a password on one database."""

    def __init__(
        self, *, database: Database, vault: Vault, clock: Clock, sessions: Sessions, passwords: Passwords
    ) -> None:
        super().__init__(database)
        self._vault = vault
        self._clock = clock
        self._sessions = sessions
        self._passwords = passwords
        self._factors = SecondFactors(database=database, vault=vault, clock=clock, sessions=sessions)

    async def by_password(
        self, name: str, password: str, *, address: str, device: str | None = None, code: str | None = None
    ) -> LoggedIn:
        """A session for whoever knows the password of that account. `address`: where the try comes from.

        `code`: of its second factor, or a recovery code. Raises WrongLogin, the same and after the same work whether
        the account is there or not; TooManyTries, LoginsBusy; SecondFactorNeeded to who knows the password alone.
        """
        account = await self._read(lambda connection: self._account(connection, name, device))
        tried: Sequence[Lane] = lanes(name.casefold(), address, account.device)
        await self._take(tried, address)
        verdict = await self._passwords.verify(account.kept, password, known=account.device is not None)
        if account.row is None or not verdict.right or self._is_over(account.row):
            raise WrongLogin
        row, kept = account.row, account.kept
        proof, tried = await self._prove(row, account.device, code, tried)

        async def work(connection: Connection) -> LoggedIn:
            await agent_rows.lock(connection, row.id)
            if kept is None or await agent_rows.password_of(connection, row.id) != kept:
                raise WrongLogin  # changed while it was compared
            if verdict.anew is not None:
                by = row.change_password_by
                await agent_rows.set_password(connection, row.id, verdict.anew, change_by=by)
            await self._factors.take(connection, row.id, proof)
            try:
                opened = await self._sessions.open_in(connection, name, source=LoginSource.PASSWORD)
            except AgentNotFound:
                raise WrongLogin from None
            await self._forgive(connection, tried, address)
            by_recovery_code = proof is not None and proof.step is None
            return LoggedIn(opened, await self._remember(connection, row.id, device), by_recovery_code)

        return await self._write(work)

    async def change(self, session: Session, old: str, new: str, *, words: Iterable[str] = ()) -> LoggedIn:
        """Another password for the agent of that session; every session of the agent's ends, and a new one begins.

        Raises WrongPassword, also for an agent without one; WeakPassword, also for the one there is; TooManyTries,
        LoginsBusy, LeakedPasswordsFault.
        """
        name = session.agent.name
        await self._passwords.check(new, [name, *words])
        if normal(new) == normal(old):
            raise WeakPassword(PasswordProblem.THE_SAME)
        tried = (Lane(f"change\0{session.id}", FREE),)
        account = await self._read(lambda connection: self._account(connection, name, None))
        await self._take(tried, None)
        verdict = await self._passwords.verify(account.kept, old, known=True)
        if account.row is None or account.kept is None or not verdict.right:
            raise WrongPassword
        row, kept, anew = account.row, account.kept, await self._passwords.keep(new)

        async def work(connection: Connection) -> LoggedIn:
            if not await agent_rows.set_password(connection, row.id, anew, change_by=None, instead_of=kept):
                raise WrongPassword
            await self._forgive(connection, tried, None)
            await sessions.end_of_agent(connection, row.id)
            await devices.forget(connection, row.id)
            opened = await self._sessions.open_in(connection, name, source=session.source, login=session.login)
            return LoggedIn(opened, await self._remember(connection, row.id, None))

        return await self._write(work)

    async def set_password(
        self, name: str, new: str, *, words: Iterable[str] = (), first_for: timedelta | None = None
    ) -> None:
        """Set by an operator: every session of the agent's ends.

        Raises AgentNotFound, ProvidersPerson, WeakPassword, LeakedPasswordsFault.

        `first_for`: it is a first password, which opens that long and only to be changed; None: it lasts.
        """
        await self._passwords.check(new, [name, *words])
        kept = await self._passwords.keep(new)

        async def work(connection: Connection) -> None:
            row = await agent_rows.by_name(connection, name)
            if row is None:
                raise AgentNotFound
            if await agent_rows.is_providers(connection, row.id):
                raise ProvidersPerson
            change_by = None if first_for is None else self._clock.now() + first_for
            await agent_rows.set_password(connection, row.id, kept, change_by=change_by)
            await sessions.end_of_agent(connection, row.id)
            await devices.forget(connection, row.id)

        await self._write(work)

    async def has_password(self, name: str) -> bool:
        """Whether that agent can log in with one."""
        account = await self._read(lambda connection: self._account(connection, name, None))
        return account.kept is not None

    async def _prove(
        self, row: AgentRow, device: str | None, code: str | None, tried: Sequence[Lane]
    ) -> tuple[Proof | None, Sequence[Lane]]:
        """What that code is to the account whose password was right, and the lanes the try is counted in by now.

        Looked at only then, so that a wrong password tells nothing of a second factor. Raises SecondFactorNeeded,
        TooManyTries.
        """
        factor = await self._factors.active(row.id)
        if factor is None:
            return None, tried
        if code is None:
            raise SecondFactorNeeded
        lane = code_lane(row.name, device)
        await self._take([lane], None)
        return await self._factors.proof(row.id, factor, code), [*tried, lane]

    def _is_over(self, row: AgentRow) -> bool:
        return row.change_password_by is not None and row.change_password_by <= self._clock.now()

    async def _account(self, connection: Connection, name: str, device: str | None) -> _Account:
        """Nobody's is looked at as anybody's: one statement less would be heard in how soon the answer comes."""
        row = await agent_rows.by_name(connection, name)
        row = None if row is None or row.disabled else row
        id = NOBODY if row is None else row.id
        known = device and await devices.known(connection, id, hashed(device), self._clock.now() - DEVICE_LASTS)
        return _Account(row, await agent_rows.password_of(connection, id), device if known else None)

    async def _take(self, tried: Sequence[Lane], address: str | None) -> None:
        """Count one more try before it is made, so that many at once are no way around. Raises TooManyTries."""
        keys = {lane: self._key(lane.key) for lane in tried}
        place = [self._place(address)] if address is not None else []
        before = await self._read(lambda connection: login_tries.counts(connection, list(keys.values())))
        if wait := seconds_to_wait([before.get(key) for key in keys.values()], self._clock.now()):
            raise TooManyTries(wait)  # without a write: whoever tries all the time is turned away cheaply

        async def work(connection: Connection) -> int:
            now = self._clock.now()
            found = await login_tries.locked(connection, [*keys.values(), *place], now)
            if wait := seconds_to_wait([found[key] for key in keys.values()], now):
                return wait
            busy = any(found[key].failures >= BUSY_ADDRESS for key in place)
            anew = {key: after_try(found[key], lane, now, busy=busy) for lane, key in keys.items()}
            anew |= {key: after_try(found[key], Lane(key, FREE_OF_DELAY), now, busy=False) for key in place}
            await login_tries.put(connection, anew)
            return 0

        if wait := await self._write(work):
            raise TooManyTries(wait)

    async def _forgive(self, connection: Connection, tried: Sequence[Lane], address: str | None) -> None:
        place = self._place(address) if address is not None else ""
        await login_tries.forgive(connection, [self._key(lane.key) for lane in tried], place)
        await login_tries.clear(connection, self._clock.now() - FORGOTTEN)

    async def _remember(self, connection: Connection, agent_id: int, device: str | None) -> str:
        """What the browser is known by: what it has already, which other agents may share, else something new."""
        now = self._clock.now()
        device = device if device and DEVICE.fullmatch(device) else DEVICE_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        await devices.remember(connection, agent_id, hashed(device), now)
        await devices.clear(connection, agent_id, before=now - DEVICE_LASTS, keep=MOST_DEVICES)
        return device

    def _place(self, address: str) -> str:
        return self._key(f"address\0{network(address)}")

    def _key(self, lane: str) -> str:
        return hashlib.sha256(b"login\0" + self._vault.index(f"login\0{lane}")).hexdigest()
