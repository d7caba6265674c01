"""Tokens made, listed and ended over REST, never wider or longer than their maker's access. On both engines."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Grant, Permission, Role
from desk.accounts.errors import AgentAtProvider
from desk.accounts.sessions.model import LoginSource
from desk.accounts.tokens.model import TokenScope
from tests.support.web.api import World, open_world, refused

DAY = timedelta(days=1)
COOKIE, CSRF_HEADER = "innringing", "X-CSRF-Token"


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        await world.token("kari", Role.AGENT, ["kirurgi", "hjerte"])
        await world.token("ola", Role.AGENT, ["kirurgi"])
        await world.token("ada", Role.ADMIN, ["kirurgi"])
        await world.token("alma", Role.ADMIN)
        yield world


async def makes(world: World, by: str = "kari", status: int = 201, **body: Any) -> Any:
    answer = await world.as_(by, "POST", "/tokens", json={"label": "veggskjerm", **body})
    assert answer.status_code == status, answer.text
    return answer.json()


async def listed(world: World, by: str, **query: Any) -> list[Any]:
    answer = await world.as_(by, "GET", "/tokens", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def opens(world: World, secret: str, path: str = "/me") -> int:
    answer = await world.client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})
    return answer.status_code


def lasting(made: Any) -> timedelta:
    return datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])


async def test_narrow_token_opens_its_scope_and_its_secret_is_shown_once(world: World) -> None:
    made = await makes(world, departments=["hjerte"], permissions=["read"], days=7)
    secret = made.pop("token")
    assert made["scope"] == {"departments": ["hjerte"], "permissions": ["read"]}
    assert (made["agent"], made["last_used_at"], made["revoked_at"], lasting(made)) == ("kari", None, None, 7 * DAY)
    assert await opens(world, secret, "/callbacks?department=hjerte") == 200
    assert await opens(world, secret, "/callbacks?department=kirurgi") == 403
    bearer = {"Authorization": f"Bearer {secret}"}
    claim = await world.client.post("/api/v1/callbacks/claim", json={"department": "hjerte"}, headers=bearer)
    refused(claim, 403, "role-not-allowed")
    shown, first = await listed(world, "kari")
    assert shown == made | {"last_used_at": shown["last_used_at"]} and shown["last_used_at"] is not None
    assert first["label"] == "first" and first["expires_at"] is None
    assert secret not in (await world.as_("kari", "GET", "/tokens")).text
    world.clock.advance(7 * DAY)
    assert await opens(world, secret) == 401
    assert (await listed(world, "kari"))[0]["id"] == made["id"], "one that has ended is still told of"


async def test_no_token_is_wider_than_the_access_of_its_maker(world: World) -> None:
    await world.services.agents.grant(SYSTEM, "ola", [Grant(Role.LEADER, "hjerte")])

    async def no(status: int, id: str, **body: Any) -> None:
        answer = await world.as_("ola", "POST", "/tokens", json={"label": "veggskjerm", **body})
        refused(answer, status, id)

    await no(403, "department-not-allowed", departments=["barn"])
    await no(403, "token-too-wide", permissions=["read", "manage"])
    await no(403, "token-too-wide", departments=["hjerte"], permissions=["work"])
    await no(403, "token-too-wide", departments=["kirurgi", "hjerte"], permissions=["close"])
    await makes(world, "ola", departments=["kirurgi"], permissions=["work", "read"])
    refused(
        await world.as_("alma", "POST", "/tokens", json={"label": "x", "departments": ["barnehage"]}),
        404,
        "department-not-found",
    )
    assert [token["label"] for token in await listed(world, "ola")] == ["veggskjerm", "first"]


async def test_emergency_access_gives_no_token(world: World) -> None:
    reason = {"department": "hjerte", "reason": "Ingen på vakt der nå"}
    assert (await world.as_("ola", "POST", "/emergency-access", json=reason)).status_code == 201
    assert (await world.as_("ola", "GET", "/callbacks", params={"department": "hjerte"})).status_code == 200
    for body in ({"departments": ["hjerte"]}, {"departments": ["hjerte"], "permissions": ["read"]}):
        answer = await world.as_("ola", "POST", "/tokens", json={"label": "veggskjerm", **body})
        refused(answer, 403, "department-not-allowed")


async def test_token_never_outlives_the_one_it_was_made_with(world: World) -> None:
    until = world.clock.now() + 10 * DAY
    world.tokens["kari"] = (await world.services.agents.tokens.issue(SYSTEM, "kari", "short", expires_at=until)).secret
    refused(await world.as_("kari", "POST", "/tokens", json={"label": "x", "days": 11}), 403, "token-outlives")
    assert lasting(await makes(world, days=10)) == 10 * DAY
    assert lasting(await makes(world)) == 10 * DAY
    assert lasting(await makes(world, "ola")) == 90 * DAY


@pytest.mark.parametrize(
    "scope",
    [TokenScope(frozenset({"kirurgi", "hjerte"})), TokenScope(permissions=frozenset(Permission))],
    ids=["departments", "permissions"],
)
async def test_narrowed_token_cannot_make_or_end_tokens(world: World, scope: TokenScope) -> None:
    narrow = await world.services.agents.tokens.issue(SYSTEM, "kari", "narrow", scope=scope)
    world.tokens["kari"] = narrow.secret
    refused(await world.as_("kari", "POST", "/tokens", json={"label": "x"}), 403, "narrowed-token")
    for token in await listed(world, "kari"):
        refused(await world.as_("kari", "DELETE", f"/tokens/{token['id']}"), 403, "narrowed-token")


async def test_tokens_made_with_a_token_end_with_it(world: World) -> None:
    child = await makes(world, label="barn")
    first, world.tokens["kari"] = world.tokens["kari"], child["token"]
    grandchild = await makes(world, label="barnebarn")
    other = await world.services.agents.tokens.issue(SYSTEM, "kari", "other")
    world.tokens["kari"] = other.secret
    number = next(token["id"] for token in await listed(world, "kari") if token["label"] == "first")
    assert (await world.as_("kari", "DELETE", f"/tokens/{number}")).status_code == 204
    for secret in (first, child["token"], grandchild["token"]):
        assert await opens(world, secret) == 401
    assert await opens(world, other.secret) == 200
    ended = {token["label"]: token["revoked_at"] for token in await listed(world, "kari")}
    assert ended["other"] is None and ended["first"] == ended["barn"] == ended["barnebarn"] is not None
    refused(await world.as_("kari", "DELETE", f"/tokens/{number}"), 404, "token-not-found")


async def test_only_own_tokens_are_visible_without_access_management(world: World) -> None:
    of_kari, of_ola = await makes(world), await makes(world, "ola")
    assert {token["agent"] for token in await listed(world, "kari")} == {"kari"}
    refused(await world.as_("kari", "GET", "/tokens", params={"agent": "ola"}), 403, "role-not-allowed")
    refused(await world.as_("kari", "DELETE", f"/tokens/{of_ola['id']}"), 404, "token-not-found")
    assert {token["agent"] for token in await listed(world, "ada")} == {"ada", "ola"}, "kari is in hjerte too"
    assert {token["agent"] for token in await listed(world, "ada", agent="ola")} == {"ola"}
    for name in ("kari", "alma", "nobody"):
        refused(await world.as_("ada", "GET", "/tokens", params={"agent": name}), 404, "agent-not-found")
    refused(await world.as_("ada", "DELETE", f"/tokens/{of_kari['id']}"), 404, "token-not-found")
    assert (await world.as_("ada", "DELETE", f"/tokens/{of_ola['id']}")).status_code == 204
    assert await opens(world, of_ola["token"]) == 401 and await opens(world, of_kari["token"]) == 200
    assert {token["agent"] for token in await listed(world, "alma")} == {"kari", "ola", "ada", "alma"}
    await world.services.agents.add(SYSTEM, "idle", Role.AGENT, [])
    refused(await world.as_("ada", "GET", "/tokens", params={"agent": "idle"}), 404, "agent-not-found")
    assert len(await listed(world, "alma", agent="idle")) == 1


async def test_reused_name_shows_nothing_of_its_former_holder(world: World) -> None:
    await makes(world, "ola", label="gammel")
    await world.services.agents.revoke(SYSTEM, "ola")
    del world.tokens["ola"]
    await world.token("ola", Role.AGENT, ["kirurgi"])
    assert [token["label"] for token in await listed(world, "ola")] == ["first"]


async def test_tokens_are_paged_without_gaps(world: World) -> None:
    for n in range(5):
        await makes(world, label=f"skjerm {n}")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await world.as_("kari", "GET", "/tokens", params={"limit": 2, **cursor})).json()
        seen += [token["label"] for token in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [*(f"skjerm {n}" for n in reversed(range(5))), "first"]
    refused(await world.as_("kari", "GET", "/tokens", params={"cursor": "x"}), 422, "bad-cursor")


@pytest.mark.parametrize(
    "body",
    [
        *({"label": label} for label in ("", "68050001", "ring 68 05 00 01", "a" * 65, "linje\nto", None)),
        *({"label": "x", "days": days} for days in (0, 366, "ti")),
        *({"label": "x", name: []} for name in ("departments", "permissions")),
        {"label": "x", "permissions": ["everything"]},
        {"label": "x", "agent": "ola"},
    ],
)
async def test_invalid_token_request_is_refused(world: World, body: dict[str, Any]) -> None:
    refused(await world.as_("kari", "POST", "/tokens", json=body), 422, "invalid-input")


async def test_too_many_tokens_are_refused(world: World) -> None:
    for _ in range(49):
        await world.services.agents.tokens.issue(SYSTEM, "kari", "x")
    refused(await world.as_("kari", "POST", "/tokens", json={"label": "x"}), 409, "too-many-tokens")


async def test_local_session_makes_a_token_and_a_single_sign_on_session_does_not(world: World) -> None:
    grants = [Grant(Role.AGENT, "kirurgi")]
    await world.services.agents.from_provider(SYSTEM, "https://idp.test", "subject-1", "grete", grants)
    for name, source in (("kari", LoginSource.PASSWORD), ("grete", LoginSource.OIDC)):
        opened = await world.services.sessions.open(SYSTEM, name, source=source)
        headers = {"Cookie": f"{COOKIE}={opened.token}", CSRF_HEADER: opened.csrf}
        answer = await world.client.post("/api/v1/tokens", json={"label": "x"}, headers=headers)
        if name == "grete":
            refused(answer, 403, "agent-at-provider")
            with pytest.raises(AgentAtProvider):  # nor does an operator make her one
                await world.services.agents.tokens.issue(SYSTEM, name, "x")
        else:
            assert answer.status_code == 201 and await opens(world, answer.json()["token"]) == 200


async def test_audit_names_the_token_and_never_its_secret(world: World) -> None:
    made = await makes(world, departments=["hjerte"], permissions=["read"])
    assert (await world.as_("kari", "DELETE", f"/tokens/{made['id']}")).status_code == 204
    await world.token("rita", Role.AUDITOR)
    rows = (await world.as_("rita", "GET", "/audit", params={"who": "kari"})).json()["items"]
    told = {row["action"]: row["why"] for row in rows}
    assert told["add_token"] == f"token:{made['id']} read in hjerte"
    assert told["revoke_token"] == f"token:{made['id']} of kari"
    assert made["token"] not in str(rows)
