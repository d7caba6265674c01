"""First credentials: a password that must be changed, and a token that expires soon. On both engines."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.demo.agent import ensure_demo_agent, ensure_demo_password
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.sessions.model import LoginSource
from innringing import app
from tests.support.web.api import KEYS, World, open_world, refused
from tests.support.web.closed_routes import refused_everywhere

FIRST, OWN = "fikk denne av drift", "ta trikken til Frogner"
WEEK = timedelta(days=7)
STAYS_OPEN = {
    "GET /api/v1/session",
    "DELETE /api/v1/session",
    "POST /api/v1/session",
    "POST /api/v1/session/password",
    "GET /api/v1/me",
    *(f"GET /api/v1/login/oidc{tail}" for tail in ("", "/callback")),
    "POST /api/v1/login/oidc/backchannel-logout",
}
"""Requests that a session with a first password allows, or that need no session."""


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        await world.token("kari", Role.ADMIN)
        await world.services.logins.set_password("kari", FIRST, first_for=WEEK)
        yield world


async def logs_in(world: World, password: str = FIRST, name: str = "kari") -> httpx.Response:
    return await world.client.post("/api/v1/session", json={"name": name, "password": password})


async def changes(world: World, csrf: str, old: str = FIRST, new: str = OWN) -> httpx.Response:
    body = {"old": old, "new": new}
    return await world.client.post("/api/v1/session/password", json=body, headers={"X-CSRF-Token": csrf})


async def test_first_password_must_be_changed_before_anything_else(world: World) -> None:
    output_of = (await logs_in(world)).json()
    assert output_of["password_to_change"] is True

    async def ask(method: str, path: str) -> httpx.Response:
        return await world.client.request(method, f"/api/v1{path}", headers={"X-CSRF-Token": output_of["csrf"]})

    assert await refused_everywhere(world, ask, "password-must-be-changed", excluding=STAYS_OPEN) > 30
    for path in ("/session", "/me"):
        assert (await world.client.get(f"/api/v1{path}")).status_code == 200
    refused(await changes(world, output_of["csrf"], new=FIRST), 422, "weak-password")
    changed = await changes(world, output_of["csrf"])
    assert (changed.status_code, changed.json()["password_to_change"]) == (200, False)
    assert (await world.client.get("/api/v1/callbacks")).status_code == 200
    assert (await logs_in(world, OWN)).json()["password_to_change"] is False
    assert (await world.client.get("/api/v1/callbacks")).status_code == 200
    refused(await logs_in(world), 401, "wrong-login")


async def test_session_with_a_first_password_may_log_out(world: World) -> None:
    output_of = (await logs_in(world)).json()
    out = await world.client.delete("/api/v1/session", headers={"X-CSRF-Token": output_of["csrf"]})
    assert out.status_code == 204
    assert (await logs_in(world)).json()["password_to_change"] is True, "it is still there to be changed"


async def test_first_password_expires_after_a_week_and_a_changed_one_does_not(world: World) -> None:
    world.clock.advance(WEEK - timedelta(seconds=1))
    assert (await logs_in(world)).status_code == 201
    world.clock.advance(timedelta(seconds=1))
    answer = await logs_in(world)
    refused(answer, 401, "wrong-login")
    await world.services.logins.set_password("kari", FIRST, first_for=WEEK)
    csrf = (await logs_in(world)).json()["csrf"]
    assert (await changes(world, csrf)).status_code == 200
    world.clock.advance(20 * WEEK)
    assert (await logs_in(world, OWN)).status_code == 201


async def test_refusal_names_the_agent_in_the_audit_and_affects_no_other(world: World) -> None:
    await logs_in(world)
    refused(await world.client.get("/api/v1/departments"), 403, "password-must-be-changed")
    await world.token("rita", Role.AUDITOR)
    rows = (await world.as_("rita", "GET", "/audit", params={"outcome": "refused"})).json()["items"]
    assert ("kari", "password-must-be-changed") in {(row["who"], row["problem"]) for row in rows}
    assert (await world.as_("kari", "GET", "/departments")).status_code == 200, "a token is no password"
    opened = await world.services.sessions.open(SYSTEM, "kari", source=LoginSource.OIDC)
    assert not opened.session.password_to_change, "nor is the provider's word"


async def test_demo_agent_need_not_change_the_password(world: World, tmp_path: Path) -> None:
    await ensure_demo_agent(world.services.agents, tmp_path)
    password = (await ensure_demo_password(world.services.logins, tmp_path)).read_text().strip()
    assert (await logs_in(world, password, "demo")).json()["password_to_change"] is False
    assert [token.expires_at for token in await world.services.agents.tokens.list(SYSTEM, "demo")] == [None]


@pytest.fixture
def command(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in {"DATABASE_URL": migrated_url, "ENVIRONMENT": "demo", **KEYS}.items():
        monkeypatch.setenv(f"INNRINGING_{name.upper()}", value)
    return CliRunner()


def test_commands_print_a_random_password_and_its_expiry(command: CliRunner) -> None:
    def output_of(*words: str, code: int = 0, **more: Any) -> str:
        result = command.invoke(app, words, **more)
        assert result.exit_code == code, result.output
        return result.output

    def in_days(days: int) -> set[str]:
        """The expected day, also when midnight passes during the test."""
        now = datetime.now(UTC)
        return {f"{now + timedelta(days=days) - timedelta(minutes=ago):%Y-%m-%d}" for ago in (0, 10)}

    def until(said: str) -> set[str]:
        return set(re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", said))

    assert until(output_of("agents", "add", "kari", "--department", "kirurgi")) & in_days(7)
    assert until(output_of("agents", "add", "ola", "--department", "kirurgi", "--days", "30")) & in_days(30)
    assert "valid forever" in output_of("agents", "add", "screen", "--department", "kirurgi", "--days", "0")
    said = output_of("agents", "password", "kari", "--random")
    assert "7 days" in said and len(said.split()[-1]) == 20
    assert said.split()[-1] != output_of("agents", "password", "kari", "--random").split()[-1]
    assert "2 days" in output_of("agents", "password", "kari", "--days", "2", input=OWN + "\n")
    output_of("agents", "password", "kari", "--days", "31", code=2)
