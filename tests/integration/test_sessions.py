"""Sessions on the server: limits, endings, what is stored, several processes. On both engines."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from desk.access.actor import SYSTEM
from desk.access.permissions import Grant, Permission, Role
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentDisabled, AgentNameTaken, AgentNotFound
from desk.accounts.sessions.limits import SessionLimits
from desk.accounts.sessions.model import LoginSource, NewSession, ProviderLogin, csrf_of, is_csrf_of
from desk.accounts.sessions.service import Sessions
from desk.accounts.tokens.model import hashed
from desk.database.engine import Database
from desk.schema import tables
from tests.support.fakes import FakeClock

MINUTE = timedelta(minutes=1)
ISSUER = "https://id.test"


@pytest.fixture
async def agents(database: Database, clock: FakeClock) -> Agents:
    made = Agents(database=database, clock=clock)
    await made.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    return made


@pytest.fixture
def sessions(database: Database, clock: FakeClock) -> Sessions:
    return Sessions(database=database, clock=clock)


@pytest.fixture
async def elsewhere(migrated_url: str, clock: FakeClock) -> AsyncIterator[Sessions]:
    """Another process on the same database."""
    database = Database(migrated_url)
    yield Sessions(database=database, clock=clock)
    await database.close()


async def opened(sessions: Sessions, agent: str = "kari") -> NewSession:
    return await sessions.open(SYSTEM, agent, source=LoginSource.PASSWORD)


async def test_session_is_valid_until_it_is_ended(agents: Agents, sessions: Sessions, elsewhere: Sessions) -> None:
    made = await opened(sessions)
    found = await elsewhere.verify(made.token)
    assert found == made.session
    assert found is not None and found.agent.scope(Permission.WORK).departments == {"kirurgi"}
    assert await elsewhere.end(SYSTEM, made.token)
    assert await sessions.verify(made.token) is None
    assert not await sessions.end(SYSTEM, made.token)


@pytest.mark.parametrize("token", ["", "inn_s_", "inn_s_" + "x" * 43, "x" * 43])
async def test_other_secret_is_refused(agents: Agents, sessions: Sessions, token: str) -> None:
    made = await opened(sessions)
    assert await sessions.verify(token) is None
    assert await sessions.verify(made.token.swapcase()) is None
    assert await sessions.rotate(token) is None


async def test_only_a_hash_is_stored(agents: Agents, sessions: Sessions, database: Database) -> None:
    made, other = await opened(sessions), await opened(sessions)
    async with database.read() as connection:
        rows = (await connection.execute(select(tables.sessions).order_by(tables.sessions.c.id))).all()
    assert [bytes(row.hash) for row in rows] == [hashed(made.token), hashed(other.token)]
    for secret in (made.token, made.token[6:], made.csrf):
        assert secret not in repr(rows)
    assert made.token != other.token and made.csrf != other.csrf


async def test_csrf_token_belongs_to_its_session(agents: Agents, sessions: Sessions) -> None:
    made, other = await opened(sessions), await opened(sessions)
    assert made.csrf == csrf_of(made.token)
    assert is_csrf_of(made.token, made.csrf)
    for wrong in (other.csrf, "", made.token, made.csrf.upper(), made.csrf + "0", "ø"):
        assert not is_csrf_of(made.token, wrong)


async def test_idle_session_ends_after_half_an_hour(agents: Agents, sessions: Sessions, clock: FakeClock) -> None:
    made = await opened(sessions)
    for _ in range(3):
        clock.advance(29 * MINUTE)
        assert await sessions.verify(made.token) is not None
    clock.advance(30 * MINUTE)
    assert await sessions.verify(made.token) is None


async def test_session_ends_after_twelve_hours_even_when_used(
    agents: Agents, sessions: Sessions, clock: FakeClock
) -> None:
    made = await opened(sessions)
    assert made.session.ends_at == clock.now() + timedelta(hours=12)
    for _ in range(47):
        clock.advance(15 * MINUTE)
        assert await sessions.verify(made.token) is not None
    renewed = await sessions.rotate(made.token)
    assert renewed is not None and renewed.session.ends_at == made.session.ends_at, "a new secret is no new session"
    clock.advance(15 * MINUTE)
    assert await sessions.verify(renewed.token) is None


async def test_limits_are_settings_and_apply_to_open_sessions(
    agents: Agents, sessions: Sessions, database: Database, clock: FakeClock
) -> None:
    made = await opened(sessions)
    clock.advance(5 * MINUTE)
    strict = Sessions(database=database, clock=clock, limits=SessionLimits(idle=5 * MINUTE))
    assert await strict.verify(made.token) is None
    assert await sessions.verify(made.token) is not None


async def test_last_seen_is_written_at_most_once_a_minute(agents: Agents, sessions: Sessions, clock: FakeClock) -> None:
    made = await opened(sessions)
    begun = clock.now()
    clock.advance(59 * timedelta(seconds=1))
    await sessions.verify(made.token)
    seen = await sessions.verify(made.token)
    assert seen is not None and seen.seen_at == begun
    clock.advance(timedelta(seconds=1))
    await sessions.verify(made.token)
    seen = await sessions.verify(made.token)
    assert seen is not None and seen.seen_at == clock.now()


async def test_rotation_makes_the_old_secret_worthless(agents: Agents, sessions: Sessions) -> None:
    made = await opened(sessions)
    results = await asyncio.gather(*(sessions.rotate(made.token) for _ in range(3)))
    [renewed] = [each for each in results if each is not None]
    assert await sessions.verify(made.token) is None
    found = await sessions.verify(renewed.token)
    assert found is not None and found.id == made.session.id
    assert not is_csrf_of(renewed.token, made.csrf)


async def test_logging_out_everywhere_ends_every_session(
    agents: Agents, sessions: Sessions, elsewhere: Sessions
) -> None:
    await agents.add(SYSTEM, "ola", Role.LEADER, ["*"])
    mine = [await opened(each) for each in (sessions, elsewhere, sessions)]
    other = await opened(sessions, "ola")
    assert await elsewhere.end_all(SYSTEM, "kari", excluding=mine[0].token) == 2
    assert [await sessions.verify(each.token) is not None for each in mine] == [True, False, False]
    assert await sessions.end_all(SYSTEM, "kari") == 1
    assert await sessions.verify(mine[0].token) is None
    assert await sessions.verify(other.token) is not None
    with pytest.raises(AgentNotFound):
        await sessions.end_all(SYSTEM, "nobody")


async def test_disabled_agent_is_logged_out_and_its_sessions_never_return(agents: Agents, sessions: Sessions) -> None:
    made = await opened(sessions)
    token = (await agents.tokens.issue(SYSTEM, "kari", "screen")).secret
    await agents.disable(SYSTEM, "kari")
    assert await sessions.verify(made.token) is None
    assert await agents.verify(token) is None
    with pytest.raises(AgentNotFound):
        await opened(sessions)
    await agents.enable(SYSTEM, "kari")
    assert await sessions.verify(made.token) is None
    assert await agents.verify(token) is not None
    again = await opened(sessions)
    await agents.revoke(SYSTEM, "kari")
    assert await sessions.verify(again.token) is None


async def test_roles_are_current_at_every_request(agents: Agents, sessions: Sessions) -> None:
    made = await opened(sessions)
    await agents.grant(SYSTEM, "kari", [Grant(Role.LEADER, "hjerte")])
    await agents.withdraw(SYSTEM, "kari", [Grant(Role.AGENT, "kirurgi")])
    found = await sessions.verify(made.token)
    assert found is not None and found.agent.grants == {Grant(Role.LEADER, "hjerte")}


async def test_provider_ends_the_sessions_it_started(agents: Agents, sessions: Sessions, clock: FakeClock) -> None:
    login = ProviderLogin(ISSUER, "s-1", "sid-1", clock.now() + 15 * MINUTE)
    first = await sessions.open(SYSTEM, "kari", source=LoginSource.OIDC, login=login)
    second = await sessions.open(
        SYSTEM, "kari", source=LoginSource.OIDC, login=ProviderLogin(ISSUER, "s-1", None, clock.now())
    )
    local = await opened(sessions)
    found = await sessions.verify(first.token)
    assert found is not None and (found.login, found.source) == (login, LoginSource.OIDC)
    await sessions.checked(SYSTEM, found, clock.now() + 30 * MINUTE)
    found = await sessions.verify(first.token)
    assert found is not None and found.login is not None and found.login.check_by == clock.now() + 30 * MINUTE
    assert await sessions.end_of_provider(SYSTEM, ISSUER) == 0, "nobody named, nobody logged out"
    assert await sessions.end_of_provider(SYSTEM, "https://other.test", subject="s-1") == 0
    assert await sessions.end_of_provider(SYSTEM, ISSUER, subject="s-2", sid="sid-1") == 0
    assert await sessions.end_of_provider(SYSTEM, ISSUER, sid="sid-1") == 1
    assert await sessions.verify(first.token) is None
    assert await sessions.end_of_provider(SYSTEM, ISSUER, subject="s-2", sid="sid-1") == 0
    assert await sessions.end_of_provider(SYSTEM, ISSUER, subject="s-1", sid="sid-1") == 1, "it may be that one"
    assert await sessions.verify(second.token) is None
    third = await sessions.open(
        SYSTEM, "kari", source=LoginSource.OIDC, login=ProviderLogin(ISSUER, "s-1", None, clock.now())
    )
    assert await sessions.end_of_provider(SYSTEM, ISSUER, subject="s-1") == 1
    assert await sessions.verify(third.token) is None
    assert await sessions.verify(local.token) is not None


async def test_subject_of_a_provider_has_one_agent(agents: Agents, sessions: Sessions) -> None:
    reads, works = Grant(Role.LEADER, "hjerte"), Grant(Role.AGENT, "kirurgi")
    ola = await agents.from_provider(SYSTEM, ISSUER, "s-1", "Ola Nordmann", [reads])
    assert (ola.name, ola.grants) == ("Ola Nordmann", {reads})
    made = await sessions.open(SYSTEM, ola.name, source=LoginSource.PASSWORD)
    again = await agents.from_provider(SYSTEM, ISSUER, "s-1", "Ola N. Nordmann", [works])
    assert (again.name, again.grants) == ("Ola Nordmann", {works})
    found = await sessions.verify(made.token)
    assert found is not None and found.agent == again
    for taken in ("kari", "Ola Nordmann"):
        with pytest.raises(AgentNameTaken):
            await agents.from_provider(SYSTEM, ISSUER, "s-2", taken, [works])
    await agents.disable(SYSTEM, "Ola Nordmann")
    with pytest.raises(AgentDisabled):
        await agents.from_provider(SYSTEM, ISSUER, "s-1", "Ola Nordmann", [works])


async def test_simultaneous_log_ins_of_one_person_are_one_agent(agents: Agents) -> None:
    works = [Grant(Role.AGENT, "kirurgi")]
    found = await asyncio.gather(*(agents.from_provider(SYSTEM, ISSUER, "s-1", "ola", works) for _ in range(5)))
    assert set(found) == {found[0]}
    assert [agent.name for agent in await agents.list(SYSTEM)] == ["kari", "ola"]


async def test_ended_sessions_are_deleted_at_the_next_log_in(
    agents: Agents, sessions: Sessions, database: Database, clock: FakeClock
) -> None:
    await opened(sessions)
    clock.advance(timedelta(hours=1))
    await opened(sessions)
    async with database.read() as connection:
        assert len((await connection.execute(select(tables.sessions))).all()) == 1
