"""Tokens of programs: scope, expiry, revocation, last use, and the commands. On both engines."""

from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from desk.access.actor import SYSTEM
from desk.access.permissions import Permission, Role
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentNotFound, TokenNotFound, TooManyTokens
from desk.accounts.tokens.model import TokenScope
from desk.accounts.tokens.service import MOST_TOKENS
from desk.database.engine import Database
from innringing import app
from tests.support.fakes import FakeClock
from tests.support.web.api import KEYS

READ = frozenset({Permission.READ})
SECOND = timedelta(seconds=1)
PASSWORD = "ta trikken til Frogner"


@pytest.fixture
async def agents(database: Database, clock: FakeClock) -> Agents:
    made = Agents(database=database, clock=clock)
    await made.add(SYSTEM, "kari", Role.AGENT, ["kirurgi", "hjerte"])
    return made


async def test_token_gives_no_more_than_its_scope(agents: Agents) -> None:
    whole = (await agents.tokens.issue(SYSTEM, "kari", "whole")).secret
    reads = (await agents.tokens.issue(SYSTEM, "kari", "reads", scope=TokenScope(frozenset({"hjerte"}), READ))).secret
    beyond = (await agents.tokens.issue(SYSTEM, "kari", "beyond", scope=TokenScope(frozenset({"barn"})))).secret
    everything, little, nothing = [await agents.verify(each) for each in (whole, reads, beyond)]
    assert everything is not None and everything.scope(Permission.WORK).departments == {"kirurgi", "hjerte"}
    assert little is not None and little.scope(Permission.READ).departments == {"hjerte"}
    assert not little.may(Permission.WORK) and little.may(Permission.SIGN_IN)
    assert nothing is not None and nothing.grants == frozenset(), "a department its agent has not"


async def test_expired_and_revoked_tokens_are_refused_at_once(agents: Agents, clock: FakeClock) -> None:
    until = await agents.tokens.issue(SYSTEM, "kari", "short", expires_at=clock.now() + 10 * SECOND)
    lasting = await agents.tokens.issue(SYSTEM, "kari", "long")
    clock.advance(9 * SECOND)
    assert await agents.verify(until.secret) is not None
    clock.advance(SECOND)
    assert await agents.verify(until.secret) is None
    await agents.tokens.revoke(SYSTEM, lasting.token.id)
    assert await agents.verify(lasting.secret) is None
    for again in (agents.tokens.revoke(SYSTEM, lasting.token.id), agents.tokens.get(SYSTEM, lasting.token.id)):
        with pytest.raises(TokenNotFound):
            await again
    assert [token.label for token in await agents.tokens.list(SYSTEM, "kari")] == ["first"]
    with pytest.raises(AgentNotFound):
        await agents.tokens.issue(SYSTEM, "nobody", "x")


async def test_last_used_is_written_at_most_once_a_minute(agents: Agents, clock: FakeClock) -> None:
    issued = await agents.tokens.issue(SYSTEM, "kari", "screen")
    assert (await agents.tokens.get(SYSTEM, issued.token.id)).last_used_at is None
    first = clock.now()
    for _ in range(3):
        await agents.verify(issued.secret)
        assert (await agents.tokens.get(SYSTEM, issued.token.id)).last_used_at == first
        clock.advance(20 * SECOND)
    await agents.verify(issued.secret)
    assert (await agents.tokens.get(SYSTEM, issued.token.id)).last_used_at == first + 60 * SECOND


async def test_number_of_tokens_of_an_agent_is_limited(agents: Agents) -> None:
    for n in range(MOST_TOKENS - 1):
        await agents.tokens.issue(SYSTEM, "kari", f"token {n}")
    with pytest.raises(TooManyTokens):
        await agents.tokens.issue(SYSTEM, "kari", "one more")


@pytest.fixture
def command(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in {"DATABASE_URL": migrated_url, "ENVIRONMENT": "demo", **KEYS}.items():
        monkeypatch.setenv(f"INNRINGING_{name.upper()}", value)
    return CliRunner()


def test_token_commands_add_list_and_revoke(command: CliRunner) -> None:
    def output_of(*words: str, code: int = 0, typed: str | None = None) -> str:
        result = command.invoke(app, words, input=typed)
        assert result.exit_code == code, result.output
        return result.output

    output_of("agents", "add", "kari", "--department", "kirurgi")
    made = output_of("tokens", "add", "kari", "--label", "screen", "--permission", "read", "--department", "kirurgi")
    assert "inn_" in made and "read in kirurgi" in made
    year = (datetime.now(UTC) + timedelta(days=364)).year
    assert str(year) in output_of("tokens", "list", "--agent", "kari")
    assert "no such agent" in output_of("tokens", "add", "ola", "--label", "x", code=1)
    elsewhere = output_of("tokens", "add", "kari", "--label", "x", "--department", "hjerte", code=1)
    assert "kari has no role with all its agent may in hjerte" in elsewhere
    assert "no role" in output_of("tokens", "add", "kari", "--label", "x", "--permission", "manage", code=1)
    assert "no department" in output_of("tokens", "add", "kari", "--label", "x", "--department", "barnehage", code=1)
    output_of("tokens", "revoke", "2")
    assert "screen" not in output_of("tokens", "list")
    assert "no such token" in output_of("tokens", "revoke", "2", code=1)
    said = output_of("agents", "password", "kari", typed=PASSWORD + "\n")
    assert PASSWORD not in said
    assert "12 to 128 characters" in output_of("agents", "password", "kari", typed="kort\n", code=1)
    assert "no such agent" in output_of("agents", "password", "ola", typed=PASSWORD + "\n", code=1)
    output_of("agents", "disable", "kari")
    output_of("agents", "enable", "kari")
