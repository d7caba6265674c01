"""Log-in with a password: correct, wrong, and attacks from the hospital's own address. On both engines."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, select

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentAtProvider, AgentNotFound, WeakPassword, WrongLogin, WrongPassword
from desk.accounts.login import LoginResult, Logins
from desk.accounts.passwords.hashing import Passwords
from desk.accounts.sessions.model import LoginSource
from desk.accounts.sessions.service import Sessions
from desk.database.engine import Database
from desk.limits.backoff import LONGEST
from desk.limits.errors import TooManyTries
from desk.schema import tables
from desk.vault.vault import Vault
from tests.support.fakes import FakeClock

PASSWORD = "ta trikken til Frogner"
HOSPITAL, ELSEWHERE = "192.0.2.10", "203.0.113.5"
SECOND = timedelta(seconds=1)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class House:
    """The accounts of one database, with cheap password hashes."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.clock = clock
        self.agents = Agents(database=database, clock=clock)
        self.sessions = Sessions(database=database, clock=clock)
        vault = Vault(identity_key=b"i" * 32, index_key=b"x" * 32)
        self.logins = Logins(
            database=database, vault=vault, clock=clock, sessions=self.sessions, passwords=Passwords(hasher=CHEAP)
        )

    async def person(self, name: str) -> None:
        await self.agents.add(SYSTEM, name, Role.AGENT, ["kirurgi"])
        await self.logins.set_password(name, PASSWORD)

    async def enters(
        self, name: str, password: str = PASSWORD, *, address: str = HOSPITAL, device: str | None = None
    ) -> LoginResult:
        return await self.logins.by_password(name, password, address=address, device=device)

    async def guesses(self, name: str, times: int, *, every: timedelta, address: str = HOSPITAL) -> int:
        """Send wrong passwords at this pace. Returns how many were checked."""
        looked_at = 0
        for n in range(times):
            try:
                await self.enters(name, f"guess {n}", address=address)
            except WrongLogin:
                looked_at += 1
            except TooManyTries as refused:
                assert 1 <= refused.retry_after <= LONGEST.total_seconds()
            self.clock.advance(every)
        return looked_at


@pytest.fixture
async def house(database: Database, clock: FakeClock) -> House:
    made = House(database, clock)
    for name in ("kari", "ola"):
        await made.person(name)
    return made


async def test_correct_password_opens_a_session(house: House) -> None:
    entered = await house.enters("kari")
    session = await house.sessions.verify(entered.session.token)
    assert session is not None
    assert (session.agent.name, session.source, session.login) == ("kari", LoginSource.PASSWORD, None)


async def test_unknown_agent_and_wrong_password_are_indistinguishable(house: House, database: Database) -> None:
    await house.agents.add(SYSTEM, "machine", Role.AGENT, ["*"])
    await house.agents.disable(SYSTEM, "ola")
    wrong = (
        ("kari", "feil passord her"),
        ("nobody", PASSWORD),
        ("machine", PASSWORD),
        ("ola", PASSWORD),
        ("KARI", PASSWORD),
    )
    for name, password in wrong:
        with pytest.raises(WrongLogin) as refused:
            await house.enters(name, password)
        assert str(refused.value) == "Name or password is wrong."
        assert refused.value.detail is None
    async with database.read() as connection:
        rows = (await connection.execute(select(tables.login_tries))).all()
    assert "kari" not in repr(rows) and HOSPITAL not in repr(rows), "only HMACs of names and addresses"


async def test_number_of_statements_does_not_reveal_an_account(house: House, database: Database) -> None:
    """Each statement is a round trip, so the response time would reveal whether there is such an account."""
    await house.agents.add(SYSTEM, "machine", Role.AGENT, ["*"])
    await house.agents.disable(SYSTEM, "ola")
    device = (await house.enters("kari")).device
    asked = list[str]()

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", count)
    for shown in (None, device):
        counts = {}
        for n, name in enumerate(("nobody", "machine", "ola", "kari")):
            asked.clear()
            with pytest.raises(WrongLogin):
                await house.enters(name, "feil passord her", address=f"192.0.2.{n + 1}", device=shown)
            counts[name] = sum("login_tries" not in statement for statement in asked)
        assert len(set(counts.values())) == 1, counts


async def test_password_is_stored_only_as_argon2id(house: House, database: Database) -> None:
    async with database.read() as connection:
        kept = (await connection.execute(select(tables.agents.c.password))).scalars().all()
    assert all(each.startswith("$argon2id$") for each in kept)
    assert len(set(kept)) == 2, "the same password, another salt"
    assert PASSWORD not in repr(kept)


async def test_hour_of_guesses_at_one_account_from_the_hospital_is_limited(house: House) -> None:
    known = (await house.enters("kari")).device
    looked_at = await house.guesses("kari", 600, every=6 * SECOND)
    assert looked_at <= 75, "an hour of trying all the time is one guess a minute"
    assert (await house.enters("kari", device=known)).session, "from her own device at once, in the middle of it"
    assert (await house.enters("ola")).session, "her colleague at the same address doesn't notice"
    with pytest.raises(TooManyTries):
        await house.enters("kari")
    house.clock.advance(LONGEST)
    assert (await house.enters("kari")).session, "from a new device within a minute of its end"
    assert (await house.enters("kari")).session, "and all is forgotten"


async def test_guesses_from_outside_do_not_affect_the_hospital(house: House) -> None:
    assert await house.guesses("kari", 25, every=timedelta()) == 4
    assert await house.guesses("ola", 25, every=timedelta(), address=ELSEWHERE) == 4
    assert (await house.enters("ola")).session


async def test_guesses_from_many_addresses_meet_the_limit_of_the_account(house: House) -> None:
    looked_at = 0
    for n in range(15):
        looked_at += await house.guesses("kari", 3, every=timedelta(), address=f"198.51.100.{n}")
    assert looked_at == 31
    with pytest.raises(TooManyTries) as refused:
        await house.enters("kari")
    house.clock.advance(refused.value.retry_after * SECOND)
    assert (await house.enters("kari")).session


async def test_one_guess_at_each_of_many_accounts_delays_further_guesses(house: House) -> None:
    names = [f"person-{n}" for n in range(100)]
    for name in names:
        await house.guesses(name, 1, every=timedelta())
    await house.guesses("kari", 1, every=timedelta())
    assert (await house.enters("ola")).session, "nobody has failed at her account"
    assert await house.guesses("person-70", 5, every=timedelta()) == 0, "no second guess at any of them for a second"
    with pytest.raises(TooManyTries) as refused:
        await house.enters("kari")
    assert refused.value.retry_after == 1
    house.clock.advance(SECOND)
    assert (await house.enters("kari")).session


async def test_simultaneous_guesses_are_counted_one_by_one(house: House) -> None:
    answers = await asyncio.gather(*(house.enters("kari", f"guess {n}") for n in range(30)), return_exceptions=True)
    kinds = [type(answer) for answer in answers]
    assert kinds.count(WrongLogin) == 4, "three free ones, and the one after which the first delay begins"
    assert kinds.count(TooManyTries) == 26


async def test_known_device_has_its_own_delays(house: House) -> None:
    device = (await house.enters("kari")).device
    for _ in range(4):
        with pytest.raises(WrongLogin):
            await house.enters("kari", "feil", device=device)
    with pytest.raises(TooManyTries):
        await house.enters("kari", device=device)
    house.clock.advance(SECOND)
    assert (await house.enters("kari", device=device)).device == device
    for stranger in ("inn_d_" + "x" * 43, device + "x", ""):
        with pytest.raises(WrongLogin):
            await house.enters("kari", "feil", device=stranger)


async def test_shared_workstation_is_known_for_everyone_who_logged_in_there(house: House) -> None:
    device = (await house.enters("kari")).device
    assert (await house.enters("ola", device=device)).device == device
    await house.guesses("kari", 40, every=timedelta())
    await house.guesses("ola", 40, every=timedelta())
    for name in ("kari", "ola"):
        assert (await house.enters(name, device=device)).session


async def test_device_is_forgotten_after_ninety_days_or_a_password_change(house: House) -> None:
    device = (await house.enters("kari")).device
    house.clock.advance(timedelta(days=90))
    await house.guesses("kari", 10, every=timedelta())
    with pytest.raises(TooManyTries):
        await house.enters("kari", device=device)
    house.clock.advance(LONGEST)
    device = (await house.enters("kari", device=device)).device
    await house.logins.set_password("kari", PASSWORD + " igjen")
    await house.guesses("kari", 10, every=timedelta())
    with pytest.raises(TooManyTries):
        await house.enters("kari", PASSWORD + " igjen", device=device)


async def test_simultaneous_log_ins_give_two_sessions(house: House) -> None:
    first, second = await asyncio.gather(house.enters("kari"), house.enters("kari"))
    assert first.session.token != second.session.token and first.device != second.device
    for each in (first, second):
        assert await house.sessions.verify(each.session.token) is not None
    device = first.device
    again = await asyncio.gather(*(house.enters("kari", device=device) for _ in range(3)))
    assert {each.device for each in again} == {device}


async def test_password_change_ends_every_session(house: House) -> None:
    entered, other = await house.enters("kari"), await house.enters("kari")
    mine = entered.session.session
    with pytest.raises(WrongPassword):
        await house.logins.change(mine, "feil passord her", "en ny og lang setning")
    with pytest.raises(WeakPassword):
        await house.logins.change(mine, PASSWORD, "kari kari kari")
    changed = await house.logins.change(mine, PASSWORD, "en ny og lang setning")
    for old in (entered, other):
        assert await house.sessions.verify(old.session.token) is None
    assert await house.sessions.verify(changed.session.token) is not None
    with pytest.raises(WrongLogin):
        await house.enters("kari")
    assert (await house.enters("kari", "en ny og lang setning")).session


async def test_old_password_cannot_be_guessed_in_an_open_session(house: House) -> None:
    session = (await house.enters("kari")).session.session
    for n in range(4):
        with pytest.raises(WrongPassword):
            await house.logins.change(session, f"guess {n}", "en ny og lang setning")
    with pytest.raises(TooManyTries):
        await house.logins.change(session, PASSWORD, "en ny og lang setning")


async def test_operator_sets_a_password(house: House) -> None:
    entered = await house.enters("kari")
    await house.logins.set_password("kari", "satt av en operatør")
    assert await house.sessions.verify(entered.session.token) is None
    assert await house.logins.has_password("kari")
    with pytest.raises(AgentNotFound):
        await house.logins.set_password("nobody", PASSWORD)
    await house.agents.from_provider(SYSTEM, "https://idp.test", "subject-1", "grete", [])
    with pytest.raises(AgentAtProvider):
        await house.logins.set_password("grete", PASSWORD)
    with pytest.raises(WeakPassword):
        await house.logins.set_password("kari", "passord12345")


async def test_old_failures_are_deleted(house: House, database: Database) -> None:
    for n in range(5):
        await house.guesses(f"nobody-{n}", 1, every=timedelta())
    house.clock.advance(timedelta(hours=2))
    await house.enters("kari")
    async with database.read() as connection:
        left = (await connection.execute(select(tables.login_tries))).all()
    assert len(left) == 0 or all(row.failures == 0 for row in left)
