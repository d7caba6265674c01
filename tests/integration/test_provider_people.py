"""Checking people at their provider again: when, with which token, and nonces that are used once; on both engines."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from desk.access.actor import SYSTEM
from desk.accounts.agents import Agents
from desk.accounts.oidc.identities import BETWEEN_TRIES, OidcIdentities
from desk.accounts.sessions.limits import SessionLimits
from desk.accounts.sessions.model import LoginSource, ProviderLogin
from desk.accounts.sessions.service import Sessions
from desk.database.engine import Database
from desk.schema.tables import external_identities
from desk.vault.vault import Vault
from tests.support.fakes import FakeClock

KARI = ("https://login.example.no", "kari")
QUARTER = timedelta(minutes=15)


@pytest.fixture
def people(database: Database, clock: FakeClock) -> OidcIdentities:
    vault = Vault(identity_key=b"i" * 32, index_key=b"x" * 32)
    return OidcIdentities(database=database, vault=vault, clock=clock)


async def test_session_is_due_at_its_time(people: OidcIdentities, clock: FakeClock, database: Database) -> None:
    assert await people.find(SYSTEM, *KARI) is None
    await people.put(SYSTEM, *KARI, "a refresh token", clock.now() + QUARTER)
    assert await people.reserve(SYSTEM, *KARI) is False, "not due yet"
    clock.advance(QUARTER)
    found = await people.find(SYSTEM, *KARI)
    assert found is not None
    assert (found.refresh_token, found.check_by) == ("a refresh token", clock.now())
    assert "a refresh token" not in repr(found)
    async with database.read() as connection:
        row = (await connection.execute(select(external_identities))).one()
    assert b"refresh" not in row.refresh_token
    assert "kari" not in row.id


async def test_one_process_asks_and_the_others_wait(people: OidcIdentities, clock: FakeClock) -> None:
    await people.put(SYSTEM, *KARI, None, clock.now())
    taken = await asyncio.gather(*(people.reserve(SYSTEM, *KARI) for _ in range(5)))
    assert sorted(taken) == [False, False, False, False, True]
    clock.advance(timedelta(seconds=15))
    assert await people.reserve(SYSTEM, *KARI) is True, "who asked has died"
    await people.put(SYSTEM, *KARI, None, clock.now() + QUARTER)
    assert await people.reserve(SYSTEM, *KARI) is False


async def test_unavailable_provider_is_not_asked_again_at_once(people: OidcIdentities, clock: FakeClock) -> None:
    await people.put(SYSTEM, *KARI, "token", clock.now())
    assert await people.reserve(SYSTEM, *KARI)
    await people.postpone(SYSTEM, *KARI)
    found = await people.find(SYSTEM, *KARI)
    assert found is not None
    assert (found.retry_at, found.refresh_token) == (clock.now() + BETWEEN_TRIES, "token")
    assert await people.reserve(SYSTEM, *KARI), "another try is whoever's who comes first"
    await people.forget(SYSTEM, *KARI)
    assert await people.find(SYSTEM, *KARI) is None


async def test_nothing_is_kept_after_the_last_session_ends(
    people: OidcIdentities, clock: FakeClock, database: Database
) -> None:
    sessions, limits = Sessions(database=database, clock=clock), SessionLimits()
    agents, opened = Agents(database=database, clock=clock), {}
    for subject in ("stays", "logs-out", "falls-asleep", "comes-back"):
        await agents.from_provider(SYSTEM, "https://id.test", subject, subject, ())
        login = ProviderLogin("https://id.test", subject, None, clock.now() + QUARTER)
        await people.put(SYSTEM, login.issuer, subject, "a refresh token", login.check_by)
        opened[subject] = await sessions.open(SYSTEM, subject, source=LoginSource.OIDC, login=login)
    for subject in ("logs-out", "comes-back"):
        await sessions.end(SYSTEM, opened[subject].token)
    assert await people.forget_absent(SYSTEM, limits) == 0, "nobody is due: they may have a session in a moment"
    clock.advance(QUARTER)
    assert await sessions.verify(opened["stays"].token)
    await people.put(SYSTEM, "https://id.test", "comes-back", "a new one", clock.now() + QUARTER)
    assert await people.forget_absent(SYSTEM, limits) == 1
    clock.advance(QUARTER - timedelta(seconds=1))
    assert await people.forget_absent(SYSTEM, limits) == 0
    clock.advance(timedelta(seconds=1))
    assert await people.forget_absent(SYSTEM, limits) == 2, "and who sent no request for half an hour"
    assert await people.find(SYSTEM, "https://id.test", "stays")


async def test_newest_log_in_is_used_for_the_check(people: OidcIdentities, clock: FakeClock) -> None:
    await people.put(SYSTEM, *KARI, "first", clock.now())
    await people.put(SYSTEM, *KARI, "second", clock.now() + QUARTER)
    found = await people.find(SYSTEM, *KARI)
    assert found is not None
    assert found.refresh_token == "second"


async def test_nonce_is_accepted_only_once(people: OidcIdentities, clock: FakeClock) -> None:
    for state in (f"state {n}" for n in range(10)):
        taken = await asyncio.gather(*(people.use_once(SYSTEM, state, QUARTER) for _ in range(5)))
        assert sorted(taken) == [False, False, False, False, True]
    clock.advance(QUARTER)
    assert await people.use_once(SYSTEM, "state 1", QUARTER), "nobody can show it any more"
