"""Agents who need a second factor: until they have one, their session may only add it. On both engines."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Grant, Role
from desk.settings.settings import Settings
from tests.support.web.api import World, refused
from tests.support.web.closed_routes import refused_everywhere
from tests.support.web.second_factors import opened, person

STAYS_OPEN = {
    *("GET /api/v1/session", "DELETE /api/v1/session", "POST /api/v1/session", "POST /api/v1/session/password"),
    *("GET /api/v1/me", "GET /api/v1/second-factor", "POST /api/v1/second-factor"),
    *("POST /api/v1/second-factor/confirm", "POST /api/v1/login/oidc/backchannel-logout"),
    *(f"GET /api/v1/login/oidc{tail}" for tail in ("", "/callback")),
}
"""Requests that a session without a required second factor allows, or that need no session."""


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(migrated_url, tmp_path, second_factor="privileged") as world:
        yield world


async def test_session_without_a_required_second_factor_may_only_add_one(world: World) -> None:
    async with person(world, "lise", Role.LEADER) as lise, person(world, "kari") as kari:
        assert (await kari.logs_in()).json()["second_factor_to_add"] is False, "an agent is not asked"
        assert (await lise.logs_in()).json()["second_factor_to_add"] is True
        problem = "second-factor-must-be-added"
        assert await refused_everywhere(world, lise.ask, problem, excluding=STAYS_OPEN) > 30
        for path in ("/session", "/me", "/second-factor"):
            assert (await lise.ask("GET", path)).status_code == 200
        await lise.starts()
        assert (await lise.confirms()).json()["second_factor_to_add"] is False
        assert (await lise.ask("GET", "/callbacks")).status_code == 200
        assert (await world.as_("lise", "GET", "/callbacks")).status_code == 200, "a token is no log-in"
        await world.services.second_factors.remove(SYSTEM, "lise")
        assert (await lise.logs_in()).json()["second_factor_to_add"] is True, "removed, and to be added anew"


async def test_new_leader_needs_a_second_factor_at_once(world: World) -> None:
    async with person(world, "kari") as kari:
        await kari.logs_in()
        await world.services.agents.grant(SYSTEM, "kari", [Grant(Role.LEADER, "hjerte")])
        refused(await kari.ask("GET", "/callbacks"), 403, "second-factor-must-be-added")
        await world.services.agents.withdraw(SYSTEM, "kari", [Grant(Role.LEADER, "hjerte")])
        assert (await kari.ask("GET", "/callbacks")).status_code == 200


async def test_first_password_is_changed_before_adding_a_second_factor(world: World) -> None:
    async with person(world, "lise", Role.LEADER) as lise:
        await world.services.logins.set_password("lise", "fikk denne av drift", first_for=timedelta(days=7))
        told = (await lise.logs_in(password="fikk denne av drift")).json()
        assert (told["password_to_change"], told["second_factor_to_add"]) == (True, True)
        refused(await lise.starts(), 403, "password-must-be-changed")
        body = {"old": "fikk denne av drift", "new": "trikken til Majorstua"}
        changed = await lise.ask("POST", "/session/password", json=body)
        lise.csrf = changed.json()["csrf"]
        refused(await lise.ask("GET", "/callbacks"), 403, "second-factor-must-be-added")
        assert (await lise.starts()).status_code == 201


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_second_factor_can_be_required_of_everyone(migrated_url: str, tmp_path: Path) -> None:
    async with opened(migrated_url, tmp_path, second_factor="all") as world, person(world, "kari") as kari:
        await kari.logs_in()
        refused(await kari.ask("GET", "/callbacks"), 403, "second-factor-must-be-added")
        await kari.enrols()
        assert (await kari.ask("GET", "/callbacks")).status_code == 200


def test_second_factor_is_required_of_privileged_roles_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INNRINGING_SECOND_FACTOR", raising=False)
    assert Settings.read(environment="production").login.second_factor_policy == "privileged"
    assert Settings.read(environment="demo").login.second_factor_policy == "off"
    monkeypatch.setenv("INNRINGING_SECOND_FACTOR", "off")
    assert Settings.read(environment="production").login.second_factor_policy == "off"
