"""Roles per department: stored, granted and withdrawn. On both engines."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from desk.access.actor import SYSTEM
from desk.access.agent import Agent
from desk.access.permissions import ALL_DEPARTMENTS, Grant, Permission, Role
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentNotFound, GrantNotFound
from desk.database.engine import Database
from innringing import app
from tests.support.fakes import FakeClock
from tests.support.web.api import KEYS, open_world, refused

AT = "'2026-11-20 08:00:00+00:00'"


@pytest.fixture
def agents(database: Database, clock: FakeClock) -> Agents:
    return Agents(database=database, clock=clock)


async def test_agent_can_have_different_roles_in_different_departments(agents: Agents) -> None:
    token = await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    await agents.grant(SYSTEM, "kari", [Grant(Role.LEADER, "hjerte"), Grant(Role.AGENT, "kirurgi")])
    kari = await agents.verify(token)
    assert kari is not None
    assert kari.grants == {Grant(Role.AGENT, "kirurgi"), Grant(Role.LEADER, "hjerte")}
    assert kari.role is Role.LEADER
    assert kari.scope(Permission.WORK).departments == {"kirurgi"}
    assert kari.scope(Permission.CLOSE).departments == {"hjerte"}
    assert kari.scope(Permission.READ).departments == {"kirurgi", "hjerte"}
    assert kari.scope(Permission.AUDIT).departments == frozenset()
    assert await agents.list(SYSTEM) == [kari]
    assert await agents.get(SYSTEM, "kari") == kari


async def test_withdrawn_role_is_gone_at_the_next_request(agents: Agents) -> None:
    token = await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi", "hjerte"])
    await agents.withdraw(SYSTEM, "kari", [Grant(Role.AGENT, "hjerte")])
    with pytest.raises(GrantNotFound):
        await agents.withdraw(SYSTEM, "kari", [Grant(Role.AGENT, "hjerte")])
    kari = await agents.verify(token)
    assert kari is not None and kari.scope(Permission.READ).departments == {"kirurgi"}
    await agents.withdraw(SYSTEM, "kari", [Grant(Role.AGENT, "kirurgi")])
    kari = await agents.verify(token)
    assert kari == Agent("kari", frozenset())
    assert (kari.role, kari.may(Permission.SIGN_IN)) == (None, False)
    for nobody in (agents.grant(SYSTEM, "ola", []), agents.withdraw(SYSTEM, "ola", []), agents.get(SYSTEM, "ola")):
        with pytest.raises(AgentNotFound):
            await nobody


async def test_withdrawal_of_several_roles_is_all_or_nothing(agents: Agents) -> None:
    await agents.add(SYSTEM, "kari", Role.AGENT, ["kirurgi"])
    with pytest.raises(GrantNotFound):
        await agents.withdraw(SYSTEM, "kari", [Grant(Role.AGENT, "kirurgi"), Grant(Role.LEADER, "kirurgi")])
    assert (await agents.get(SYSTEM, "kari")).grants == {Grant(Role.AGENT, "kirurgi")}


async def test_me_lists_roles_per_department(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        await world.token("ola", Role.AGENT, ["hjerte"])
        await world.services.agents.grant(SYSTEM, "ola", [Grant(Role.LEADER, "kirurgi")])
        assert (await world.as_("ola", "GET", "/me")).json() == {
            "name": "ola",
            "role": "leader",
            "departments": ["kirurgi", "hjerte"],
            "grants": [{"role": "agent", "department": "hjerte"}, {"role": "leader", "department": "kirurgi"}],
        }
        claim = {"department": "kirurgi"}
        refused(await world.as_("ola", "POST", "/callbacks/claim", json=claim), 403, "department-not-allowed")
        assert (await world.as_("ola", "POST", "/callbacks/claim", json={"department": "hjerte"})).status_code == 200


def test_narrowing_never_widens_access() -> None:
    here = Agent("kari", frozenset({Grant(Role.AGENT, "kirurgi")}))
    assert here.narrowed(["hjerte"]).grants == frozenset()
    assert here.narrowed([ALL_DEPARTMENTS]) == here
    assert here.narrowed(permissions=[Permission.AUDIT]).scope(Permission.AUDIT).departments == frozenset()
    reads = Agent("ola", frozenset({Grant(Role.AGENT, "*")})).narrowed(["hjerte"], [Permission.READ])
    assert reads.scope(Permission.READ).departments == {"hjerte"}
    assert (reads.may(Permission.SIGN_IN), reads.may(Permission.READ), reads.may(Permission.WORK)) == (
        True,
        True,
        False,
    )
    assert reads.scope(Permission.WORK).departments == frozenset()


@pytest.fixture
def command(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in {"DATABASE_URL": migrated_url, "ENVIRONMENT": "demo", **KEYS}.items():
        monkeypatch.setenv(f"INNRINGING_{name.upper()}", value)
    return CliRunner()


def test_grant_and_withdraw_commands_change_roles(command: CliRunner) -> None:
    def output_of(*words: str, code: int = 0) -> str:
        result = command.invoke(app, ["agents", *words])
        assert result.exit_code == code, result.output
        return result.output

    assert "inn_" in output_of("add", "kari", "--department", "kirurgi")
    output_of("grant", "kari", "--role", "leader", "--department", "hjerte")
    shown = output_of("list")
    assert all(word in shown for word in ("kari", "agent", "kirurgi", "leader", "hjerte"))
    output_of("withdraw", "kari", "--role", "leader", "--department", "hjerte")
    assert "leader" not in output_of("list")
    assert "no such role" in output_of("withdraw", "kari", "--role", "leader", "--department", "hjerte", code=1)
    assert "no such agent" in output_of("grant", "ola", "--role", "agent", "--department", "hjerte", code=1)
    assert "no department tannlege" in output_of("grant", "kari", "--role", "agent", "--department", "tannlege", code=1)
    assert "Say which departments" in output_of("grant", "kari", "--role", "agent", code=1)
    assert "Say which departments" in output_of("withdraw", "kari", "--role", "agent", code=1)
    output_of("revoke", "kari")
    assert "kari" not in output_of("list")
