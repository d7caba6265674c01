"""Log-ins over REST: cookies, CSRF, cookie and token together, log-out everywhere. On both engines."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.auth.cookies import CSRF_HEADER
from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.sessions.model import LoginSource, ProviderLogin
from tests.support.web.api import World, open_world, refused

PASSWORD = "ta trikken til Frogner"
HOST = "https://innringing.test"
COOKIE, DEVICE = "__Host-innringing", "__Host-innringing-device"


@dataclass
class Browser:
    """A browser that talks to the api over TLS and keeps cookies as browsers do."""

    client: httpx.AsyncClient
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Origin": HOST, "Sec-Fetch-Site": "same-origin"})

    async def ask(self, method: str, path: str, *, csrf: bool = True, **more: Any) -> httpx.Response:
        headers = {**self.headers, **({CSRF_HEADER: self.csrf} if csrf else {}), **more.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value}
        return await self.client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def logs_in(self, name: str = "kari", password: str = PASSWORD) -> httpx.Response:
        answer = await self.ask("POST", "/session", csrf=False, json={"name": name, "password": password})
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf"]
        return answer

    @property
    def secret(self) -> str | None:
        return self.client.cookies.get(COOKIE)


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path) as world:
        await world.token("kari", Role.AGENT, ["kirurgi"])
        await world.services.logins.set_password("kari", PASSWORD)
        yield world


def browser_of(world: World) -> Browser:
    transport = httpx.ASGITransport(app=world.app)
    return Browser(httpx.AsyncClient(transport=transport, base_url=HOST))


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    made = browser_of(world)
    yield made
    await made.client.aclose()


async def test_agent_logs_in_works_and_logs_out(world: World, browser: Browser) -> None:
    refused(await browser.ask("GET", "/me"), 401, "not-signed-in")
    answer = await browser.logs_in()
    assert answer.status_code == 201
    told = answer.json()
    assert (told["name"], told["role"], told["source"], told["departments"]) == (
        "kari",
        "agent",
        "password",
        ["kirurgi"],
    )
    assert PASSWORD not in answer.text and (browser.secret or "-") not in answer.text
    assert (await browser.ask("GET", "/session")).json() == told
    assert (await browser.ask("GET", "/me")).json()["name"] == "kari"
    await world.rings(1)
    claimed = await browser.ask("POST", "/callbacks/claim", json={"department": "kirurgi"})
    assert claimed.json()["items"][0]["claimed_by"] == "kari"
    secret = browser.secret
    device, out = browser.client.cookies.get(DEVICE), await browser.ask("DELETE", "/session")
    assert out.status_code == 204
    assert browser.secret is None
    assert out.headers["clear-site-data"] == '"cache", "storage"'
    assert browser.client.cookies.get(DEVICE) == device is not None, "its next log-in is a known browser's"
    refused(await browser.ask("GET", "/me", headers={"Cookie": f"{COOKIE}={secret}"}), 401, "not-signed-in")


async def test_cookies_are_for_this_host_over_tls_and_hidden_from_scripts(browser: Browser) -> None:
    answer = await browser.logs_in()
    session, device = (header.split("; ") for header in answer.headers.get_list("set-cookie"))
    assert session[0].startswith(f"{COOKIE}=inn_s_") and device[0].startswith(f"{DEVICE}=inn_d_")
    assert {part.lower() for part in session[1:]} == {"httponly", "path=/", "samesite=strict", "secure"}
    assert "Max-Age=7776000" in device and "Secure" in device and "HttpOnly" in device


async def test_only_the_demo_on_loopback_works_without_tls(world: World, tmp_path: Path) -> None:
    body = {"name": "kari", "password": PASSWORD}
    answer = await world.client.post("/api/v1/session", json=body)
    assert answer.headers["set-cookie"].startswith("innringing=") and "Secure" not in answer.headers["set-cookie"]
    far = httpx.ASGITransport(app=world.app, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=far, base_url="http://api.test") as client:
        answer = await client.post("/api/v1/session", json=body)
        assert (
            answer.headers["set-cookie"].startswith("__Host-innringing=") and "Secure" in answer.headers["set-cookie"]
        )


async def test_unknown_agent_and_wrong_password_get_the_same_answer(world: World, browser: Browser) -> None:
    answers = []
    for name, password in (("kari", "feil passord her"), ("nobody", PASSWORD)):
        answer = await browser.logs_in(name, password)
        refused(answer, 401, "wrong-login")
        assert "set-cookie" not in answer.headers
        answers.append({key: value for key, value in answer.json().items() if key != "request_id"})
    assert answers[0] == answers[1]


async def test_impossible_name_is_an_unknown_agent(browser: Browser) -> None:
    for name in ("kari\0", "\0", "kari\x1b[2J"):
        refused(await browser.logs_in(name), 422, "invalid-input")


async def test_session_of_a_removed_provider_is_refused(world: World, browser: Browser) -> None:
    """Single sign-on is off here, so its roles could no longer be checked."""
    login = ProviderLogin("https://idp.test", "subject-1", None, world.clock.now() + timedelta(hours=1))
    opened = await world.services.sessions.open(SYSTEM, "kari", source=LoginSource.OIDC, login=login)
    browser.client.cookies.set(COOKIE, opened.token)
    refused(await browser.ask("GET", "/callbacks"), 401, "not-signed-in")


async def test_too_many_attempts_say_when_to_try_again(world: World, browser: Browser) -> None:
    for _ in range(4):
        await browser.logs_in(password="feil passord her")
    answer = await browser.logs_in()
    refused(answer, 429, "too-many-tries")
    assert answer.headers["retry-after"] == "1"
    world.clock.advance(timedelta(seconds=1))
    assert (await browser.logs_in()).status_code == 201


async def test_session_planted_before_the_log_in_is_worthless_after_it(world: World, browser: Browser) -> None:
    other = browser_of(world)
    await other.logs_in()
    planted = other.secret
    assert planted is not None
    for value in (planted, "inn_s_" + "x" * 43):
        browser.client.cookies.clear()
        browser.client.cookies.set(COOKIE, value, domain="innringing.test")
        answer = await browser.ask("POST", "/session", csrf=False, json={"name": "kari", "password": PASSWORD})
        fresh = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
        assert fresh.startswith("inn_s_") and fresh != value
        assert await world.services.sessions.verify(value) is None
    await other.client.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        {CSRF_HEADER: ""},
        {CSRF_HEADER: "0" * 64},
        {"Origin": "https://evil.test"},
        {"Origin": "https://innringing.test.evil.test"},
        {"Origin": "https://innringing.test:8443"},
        {"Origin": "http://innringing.test"},
        {"Origin": "null"},
        {"Origin": "https://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_change_requested_by_another_site_is_refused(
    world: World, browser: Browser, headers: dict[str, str]
) -> None:
    await browser.logs_in()
    registered = await world.rings(1)
    for method, path, body in (
        ("POST", f"/callbacks/{registered.id}/claim", None),
        ("POST", "/callbacks/claim", {"department": "kirurgi"}),
        ("DELETE", "/session", None),
        ("DELETE", "/sessions", None),
        ("POST", "/session/password", {"old": PASSWORD, "new": "en ny og lang setning"}),
    ):
        refused(await browser.ask(method, path, json=body, headers=headers), 403, "cross-site")
    assert (await browser.ask("GET", "/me", headers=headers)).status_code == 200, "looking changes nothing"
    assert (await world.get(f"/callbacks/{registered.id}"))["status"] == "waiting"


async def test_csrf_token_of_another_session_is_refused(world: World, browser: Browser) -> None:
    other = browser_of(world)
    await other.logs_in()
    await browser.logs_in()
    answer = await browser.ask("DELETE", "/sessions", headers={CSRF_HEADER: other.csrf})
    refused(answer, 403, "cross-site")
    await other.client.aclose()


async def test_another_site_cannot_log_a_user_in(browser: Browser) -> None:
    browser.headers = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
    refused(await browser.logs_in(), 403, "cross-site")
    browser.headers = {"Origin": "", "Sec-Fetch-Site": ""}
    assert (await browser.logs_in()).status_code == 201, "a program says neither"


async def test_token_needs_no_csrf_and_wins_over_a_cookie(world: World, browser: Browser) -> None:
    await world.token("ola", Role.LEADER, ["hjerte"])
    await browser.logs_in()
    for headers in ({}, {"Origin": "https://evil.test"}):
        bearer = {"Authorization": f"Bearer {world.tokens['ola']}", **headers}
        answer = await browser.ask("GET", "/me", csrf=False, headers=bearer)
        assert answer.json()["name"] == "ola"
        claim = {"department": "kirurgi"}
        answer = await browser.ask("POST", "/callbacks/claim", csrf=False, json=claim, headers=bearer)
        refused(answer, 403, "role-not-allowed")
    for bad in ("Bearer inn_wrong", "Bearer", "Basic a2FyaTprYXJp", ""):
        answer = await browser.client.get("/api/v1/me", headers={"Authorization": bad})
        refused(answer, 401, "not-signed-in")
    as_bearer = await browser.client.get("/api/v1/me", headers={"Authorization": f"Bearer {browser.secret}"})
    refused(as_bearer, 401, "not-signed-in")
    refused(await world.as_("ola", "GET", "/session"), 401, "not-signed-in")


async def test_logging_out_everywhere_stops_running_requests(world: World, browser: Browser) -> None:
    others = [browser_of(world) for _ in range(4)]
    for each in (browser, *others):
        await each.logs_in()

    async def until_out(each: Browser) -> int:
        """The number of requests answered before the first refused one."""
        answered = 0
        while (answer := await each.ask("GET", "/callbacks")).status_code == 200:
            answered += 1
            await asyncio.sleep(0)
        refused(answer, 401, "not-signed-in")
        return answered

    running = [asyncio.ensure_future(until_out(each)) for each in others]
    for each in others:
        assert (await each.ask("GET", "/me")).status_code == 200
    out = await browser.ask("DELETE", "/sessions")
    assert (out.status_code, out.headers["clear-site-data"]) == (204, '"cache", "storage"')
    assert all(answered >= 0 for answered in await asyncio.gather(*running))
    for each in (browser, *others):
        refused(await each.ask("GET", "/me"), 401, "not-signed-in")
        await each.client.aclose()
    assert (await world.as_("kari", "GET", "/me")).status_code == 200, "tokens of machines stay"


async def test_sessions_expire(world: World, browser: Browser) -> None:
    await browser.logs_in()
    world.clock.advance(timedelta(minutes=29))
    assert (await browser.ask("GET", "/me")).status_code == 200
    world.clock.advance(timedelta(minutes=30))
    refused(await browser.ask("GET", "/me"), 401, "not-signed-in")


async def test_new_password_gives_a_new_session(world: World, browser: Browser) -> None:
    other = browser_of(world)
    await other.logs_in()
    await browser.logs_in()
    old = browser.secret
    change = {"old": PASSWORD, "new": "en ny og lang setning"}
    answer = await browser.ask("POST", "/session/password", json={**change, "old": "feil passord her"})
    refused(answer, 403, "wrong-password")
    for weak, problem in (("kort", "too_short"), ("Hjertepoliklinikken", "obvious"), ("x" * 129, "too_long")):
        answer = await browser.ask("POST", "/session/password", json={**change, "new": weak})
        refused(answer, 422, "weak-password")
        assert answer.json()["detail"] == problem and weak not in answer.text
    answer = await browser.ask("POST", "/session/password", json=change)
    assert answer.status_code == 200
    browser.csrf = answer.json()["csrf"]
    assert browser.secret != old
    assert (await browser.ask("GET", "/me")).status_code == 200
    refused(await other.ask("GET", "/me"), 401, "not-signed-in")
    refused(await other.logs_in(), 401, "wrong-login")
    assert (await other.logs_in(password=change["new"])).status_code == 201
    await other.client.aclose()


async def test_agent_without_roles_can_still_log_out(world: World, browser: Browser) -> None:
    await browser.logs_in()
    kari = await world.services.agents.get(SYSTEM, "kari")
    await world.services.agents.withdraw(SYSTEM, "kari", kari.grants)
    refused(await browser.ask("GET", "/callbacks"), 403, "role-not-allowed")
    assert (await browser.ask("GET", "/session")).json()["grants"] == []
    assert (await browser.ask("DELETE", "/session")).status_code == 204
