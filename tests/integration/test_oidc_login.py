"""Somebody logs in through the web door at a running provider: the browser's way, the sessions, and their end."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select

from api.errors import NotSignedIn
from desk.access import Grant, Role
from desk.clock import SystemClock
from desk.sessions import LoginSource, Session
from desk.storage.tables import sessions
from tests.integration.api_world import World, open_world, refused
from tests.oidc_world import ACCESS, CLIENT_ID, GROUPS, OURS, PEOPLE, Running, forger, log_in_at, provided
from tests.ports import free_port

LOGIN = "/api/v1/login/oidc"
CHECK = timedelta(minutes=15)
KIRURGI = Grant(Role.AGENT, "kirurgi")
SESSION = "__Host-innringing"

Opens = Callable[..., AbstractAsyncContextManager["House"]]


@pytest.fixture(scope="module")
def provider() -> Iterator[Running]:
    with provided() as running:
        yield running


@pytest.fixture(scope="module")
def forging() -> Iterator[Running]:
    with forger() as running:
        yield running


@pytest.fixture
def as_they_were(provider: Running) -> Iterator[Running]:
    yield provider
    provider.control(accounts=PEOPLE, skew=0)


@dataclass
class House:
    """The web door, a provider, and browsers at both."""

    world: World
    provider: Running
    gone_by: timedelta = timedelta()

    def browser(self) -> httpx.AsyncClient:
        """A browser that has nothing of ours yet."""
        transport = httpx.ASGITransport(app=self.world.app)
        return httpx.AsyncClient(transport=transport, base_url=OURS, headers={"Accept": "text/html"})

    async def goes(self, browser: httpx.AsyncClient, person: str = "kari", after: str | None = None) -> str:
        """The address the provider sends the browser back to."""
        answer = await browser.get(LOGIN, params={"after": after} if after else {})
        assert answer.status_code == 303, answer.text
        return await log_in_at(answer.headers["location"], person)

    async def logs_in(self, browser: httpx.AsyncClient, person: str = "kari") -> Session:
        """The session of somebody who went there and came back."""
        answer = await browser.get(await self.goes(browser, person))
        assert answer.status_code == 303, answer.text
        return await self.session(browser)

    async def session(self, browser: httpx.AsyncClient) -> Session:
        found = await self.found(browser)
        assert found is not None
        return found

    async def found(self, browser: httpx.AsyncClient) -> Session | None:
        return await self.world.parts.sessions.verify(browser.cookies[SESSION])

    def passes(self, time: timedelta) -> None:
        """So much time goes by, at the provider as here."""
        self.world.clock.advance(time)
        self.gone_by += time
        self.provider.control(skew=self.gone_by.total_seconds())

    async def open_sessions(self) -> int:
        async with self.world.database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(sessions))).scalar_one())


@pytest.fixture
def opens(migrated_url: str, tmp_path: Path) -> Opens:
    """`opens(provider, **settings)`: a house whose people log in there, on each engine in turn."""
    (tmp_path / "access.toml").write_text(ACCESS, "utf-8")

    @asynccontextmanager
    async def opened(running: Running, **settings: Any) -> AsyncIterator[House]:
        given = {"access_file": tmp_path / "access.toml", **running.settings, **settings}
        async with open_world(migrated_url, tmp_path, allowed_hosts="innringing.test", **given) as world:
            world.clock.set(SystemClock().now())
            yield House(world, running)

    return opened


async def test_there_and_back_again(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser:
        back = await house.goes(browser, "kari", after="/queue")
        answer = await browser.get(back)
        assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
        kept = answer.headers.get_list("set-cookie")
        (mine,) = (line for line in kept if line.startswith(f"{SESSION}="))
        assert {"HttpOnly", "Secure", "Path=/"} <= {part.strip() for part in mine.split(";")}
        assert "domain" not in mine.lower()
        (gone,) = (line for line in kept if line.startswith("__Host-innringing-login="))
        assert 'login=""' in gone
        assert "Max-Age=0" in gone
        session = await house.session(browser)
        assert session.source is LoginSource.OIDC
        assert (session.agent.name, session.agent.grants) == ("Kari Nordmann", {KIRURGI})
        assert session.login is not None
        assert (session.login.issuer, session.login.subject) == (provider.issuer, "kari")
        assert session.login.check_by == house.world.clock.now() + CHECK


async def test_the_second_time_it_is_the_same_agent_under_a_new_secret(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser:
        first = await house.logs_in(browser)
        before = browser.cookies[SESSION]
        back = await house.goes(browser)
        browser.cookies.delete(SESSION)  # SameSite=Strict: not brought along from the provider's site
        assert (await browser.get(back)).status_code == 303
        second = await house.session(browser)
        assert browser.cookies[SESSION] != before
        assert (await house.world.parts.sessions.verify(before)) is None, "the old secret opens nothing any more"
        assert second.agent == first.agent


async def test_a_link_that_was_used_is_of_no_use(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser, house.browser() as thief:
        begun = await browser.get(LOGIN)
        cookies = dict(browser.cookies)
        back = await log_in_at(begun.headers["location"], "kari")
        assert (await browser.get(back)).status_code == 303
        assert (await browser.get(back)).status_code == 400, "the cookie is gone"
        thief.cookies.update(cookies)
        answer = await thief.get(back, headers={"Accept": "application/json"})
        refused(answer, 400, "login-not-valid")
        assert SESSION not in thief.cookies
        assert await house.open_sessions() == 1


async def test_begun_in_one_browser_and_finished_in_another(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser, house.browser() as other:
        back = await house.goes(browser)
        assert (await other.get(back)).status_code == 400
        await house.goes(other)  # its own log-in under way is no help
        answer = await other.get(back)
        assert answer.status_code == 400
        assert "annen nettleser" in answer.text
        assert SESSION not in other.cookies
        assert (await browser.get(back)).status_code == 303, "whoever began it still may"


MEDDLED: Final = [
    ({"state": "another"}, 400, "login-not-valid"),
    ({"state": None}, 400, "login-not-valid"),
    ({"code": "another"}, 403, "login-refused"),
    ({"code": None}, 403, "login-refused"),
    ({"iss": "https://evil.no"}, 403, "login-refused"),
    ({"iss": None}, 403, "login-refused"),
    ({"error": "access_denied"}, 403, "provider-refused"),
    ({"error": "temporarily_unavailable"}, 503, "provider-unavailable"),
]


async def test_an_answer_that_was_meddled_with(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser:
        for change, status, id in MEDDLED:
            back = await house.goes(browser)
            query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
            changed = {name: value for name, value in {**query, **change}.items() if value is not None}
            answer = await browser.get(f"{LOGIN}/callback", params=changed, headers={"Accept": "*/*"})
            refused(answer, status, id)
            assert await house.open_sessions() == 0


async def test_who_may_not_come_in_is_told_in_words(opens: Opens, provider: Running) -> None:
    told = {"gjest": "ikke med i noen gruppe", "mange": "så mange grupper", "nobody": "logget deg ikke inn"}
    async with opens(provider) as house, house.browser() as browser:
        for person, said in told.items():
            back = await house.goes(browser, person)
            answer = await browser.get(back)
            assert answer.status_code == 403
            assert answer.headers["content-type"].startswith("text/html")
            assert said in answer.text
            assert 'lang="nb"' in answer.text
            for value in parse_qs(urlsplit(back).query).values():
                assert value[0] not in answer.text
            assert await house.open_sessions() == 0


async def test_a_token_no_right_provider_gives(opens: Opens, forging: Running) -> None:
    """The others are in test_oidc_protocol.py; these show that the web door asks there."""
    async with opens(forging) as house, house.browser() as browser:
        for way in ({"sign": "none"}, {"claims": {"nonce": "another"}}, {"claims": {"aud": "another"}}):
            forging.control(**way)
            answer = await browser.get(await house.goes(browser))
            assert answer.status_code == 403
            assert await house.open_sessions() == 0
        forging.control(sign="good")
        assert (await house.logs_in(browser)).agent.grants == {KIRURGI}


async def test_two_of_the_same_name_are_told_apart(opens: Opens, as_they_were: Running) -> None:
    other = {**PEOPLE["kari"], "preferred_username": "kano2"}
    as_they_were.control(accounts={"karito": other})
    async with opens(as_they_were) as house, house.browser() as browser, house.browser() as second:
        assert (await house.logs_in(browser)).agent.name == "Kari Nordmann"
        assert (await house.logs_in(second, "karito")).agent.name == "Kari Nordmann (kano2)"
        as_they_were.control(accounts={"karitre": PEOPLE["kari"]})
        answer = await second.get(await house.goes(second, "karitre"))
        assert (answer.status_code, "samme navn" in answer.text) == (409, True)


async def test_single_sign_on_that_is_off(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        for method, path in (("GET", LOGIN), ("GET", f"{LOGIN}/callback"), ("POST", f"{LOGIN}/backchannel-logout")):
            refused(await world.client.request(method, path), 404, "single-sign-on-off")


async def still(house: House, browser: httpx.AsyncClient) -> frozenset[Grant]:
    """What the one in that browser may do at the next request."""
    single_sign_on = house.world.parts.single_sign_on
    assert single_sign_on is not None
    found = await house.found(browser)
    if found is None:
        raise NotSignedIn
    return (await single_sign_on.still(found)).grants


async def test_a_role_that_is_taken_away_is_gone_within_the_stated_time(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser, "lise")
        both = {KIRURGI, Grant(Role.LEADER, "kirurgi"), Grant(Role.LEADER, "hjerte")}
        as_they_were.control(accounts={"lise": {"name": "Lise Leder", "groups": [GROUPS["agents"]]}})
        before = as_they_were.asked("/token")
        house.passes(CHECK - timedelta(seconds=1))
        assert await still(house, browser) == both, "not asked yet"
        assert as_they_were.asked("/token") == before
        house.passes(timedelta(seconds=1))
        assert await still(house, browser) == {KIRURGI}
        assert as_they_were.asked("/token") == before + 1
        assert await still(house, browser) == {KIRURGI}
        assert as_they_were.asked("/token") == before + 1, "and is not asked again for as long"


async def test_who_is_in_no_group_any_more_is_out_everywhere(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser, house.browser() as other:
        await house.logs_in(browser)
        house.passes(timedelta(minutes=5))
        await house.logs_in(other)
        as_they_were.control(accounts={"kari": {"name": "Kari Nordmann", "groups": []}})
        house.passes(CHECK)
        with pytest.raises(NotSignedIn):
            await still(house, browser)
        assert await house.open_sessions() == 0
        assert (await house.world.parts.agents.get("Kari Nordmann")).grants == frozenset()
        answer = await browser.get(await house.goes(browser))
        assert answer.status_code == 403


async def test_who_no_longer_works_here_is_out(opens: Opens, as_they_were: Running) -> None:
    as_they_were.control(accounts={"slutter": PEOPLE["kari"] | {"name": "Slutter Snart"}})
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser, "slutter")
        as_they_were.control(removed=["slutter"])
        house.passes(CHECK)
        with pytest.raises(NotSignedIn):
            await still(house, browser)
        assert await house.open_sessions() == 0


async def test_many_requests_at_once_ask_the_provider_once(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser)
        house.passes(CHECK)
        before = as_they_were.asked("/token")
        found = await asyncio.gather(*(still(house, browser) for _ in range(8)))
        assert set(found) == {frozenset({KIRURGI})}
        assert as_they_were.asked("/token") == before + 1


async def test_the_provider_is_down(opens: Opens) -> None:
    """Nobody new comes in and is told so; those who are in go on, for as long as is stated and no longer."""
    with provided() as running:
        async with opens(running) as house, house.browser() as browser, house.browser() as new:
            await house.logs_in(browser)
            back = await house.goes(new, "lise")
            running.process.kill()
            running.process.wait(30)
            answer = await new.get(back)
            assert (answer.status_code, "kan ikke nås" in answer.text) == (503, True)
            program = await new.get(LOGIN, headers={"Accept": "application/json"})
            assert program.status_code in (303, 503), "what the provider tells of itself is kept for an hour"
            clock = house.world.clock
            clock.advance(CHECK)
            assert await still(house, browser) == {KIRURGI}
            for _ in range(16):
                clock.advance(timedelta(minutes=14))
                assert await still(house, browser) == {KIRURGI}
                await house.found(browser)
            clock.advance(timedelta(minutes=16))
            with pytest.raises(NotSignedIn):
                await still(house, browser)
            assert await house.open_sessions() == 0


async def test_down_from_the_start(opens: Opens, provider: Running) -> None:
    nowhere = {"oidc_issuer": "http://127.0.0.1:9"}
    async with opens(provider, **nowhere) as house, house.browser() as browser:
        answer = await browser.get(LOGIN)
        assert (answer.status_code, "kan ikke nås" in answer.text) == (503, True)
        assert answer.headers["retry-after"] == "30"
        refused(await browser.get(LOGIN, headers={"Accept": "*/*"}), 503, "provider-unavailable")


async def test_without_a_refresh_token_the_session_ends_when_it_is_due(opens: Opens, forging: Running) -> None:
    forging.control(sign="good")
    async with opens(forging) as house, house.browser() as browser:
        await house.logs_in(browser)
        house.world.clock.advance(CHECK - timedelta(seconds=1))
        assert await still(house, browser) == {KIRURGI}
        house.world.clock.advance(timedelta(seconds=1))
        with pytest.raises(NotSignedIn):
            await still(house, browser)


async def logout_token(forging: Running, **way: Any) -> str:
    forging.control(**{"claims": {}, **way})
    async with httpx.AsyncClient(trust_env=False) as client:
        return str((await client.get(f"{forging.issuer}/logout-token")).json()["logout_token"])


async def test_a_logout_at_the_provider_ends_the_sessions_at_once(opens: Opens, forging: Running) -> None:
    address = f"{LOGIN}/backchannel-logout"
    forging.control(claims={"sid": "first"})
    async with opens(forging) as house, house.browser() as browser, house.browser() as other:
        await house.logs_in(browser)
        forging.control(claims={"sid": "second"})
        await house.logs_in(other)
        first = await logout_token(forging, claims={"sid": "first", "exp": ["now", 120]})
        answer = await house.world.client.post(address, data={"logout_token": first})
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert (await house.found(browser), (await house.session(other)).agent.name) == (None, "Kari Nordmann")
        again = await house.world.client.post(address, data={"logout_token": first})
        refused(again, 400, "logout-token-not-valid")
        forged = await logout_token(forging, sign="another key")
        refused(await house.world.client.post(address, data={"logout_token": forged}), 400, "logout-token-not-valid")
        for body in ({}, {"logout_token": ["a", "b"]}, {"logout_token": "å"}):
            refused(await house.world.client.post(address, data=body), 400, "logout-token-not-valid")
        assert await house.open_sessions() == 1
        everywhere = await logout_token(forging)
        assert (await house.world.client.post(address, data={"logout_token": everywhere})).status_code == 200
        assert await house.open_sessions() == 0


async def test_logs_name_no_token_code_or_state(
    opens: Opens, provider: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    async with opens(provider) as house, house.browser() as browser:
        back = await house.goes(browser)
        secret = [values[0] for name, values in parse_qs(urlsplit(back).query).items() if name in ("code", "state")]
        secret += [value for value in browser.cookies.values() if value]
        await browser.get(back)
        secret.append(browser.cookies[SESSION])
        await browser.get(back)
        await browser.get(await house.goes(browser, "gjest"))
        told = capsys.readouterr()
        assert "a log-in was refused" in told.out + told.err
        for value in secret:
            assert value not in told.out + told.err
        assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}", told.out + told.err)


async def test_a_mistake_in_the_file_of_groups_is_told_and_the_last_good_one_goes_on(
    opens: Opens, provider: Running, tmp_path: Path
) -> None:
    (tmp_path / "access.toml").write_text("claim = 1", "utf-8")
    async with opens(provider) as house, house.browser() as browser:
        ready = (await browser.get("/readyz")).json()["components"]["groups"]
        assert (ready["ok"], "access.toml:1: claim is the name" in ready["detail"]) == (False, True)
        answer = await browser.get(await house.goes(browser))
        assert (answer.status_code, "ikke med i noen gruppe" in answer.text) == (403, True), "no good file: nobody"


class _Served(uvicorn.Server):
    """A server within the test's own process, whose signals stay its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: Any, port: int) -> AsyncIterator[None]:
    """The web door on a real port, for a provider that rings at it."""
    server = _Served(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


async def test_the_provider_itself_tells_of_a_logout(opens: Opens) -> None:
    port = free_port(socket.SOCK_STREAM)
    with provided(backchannel=f"http://127.0.0.1:{port}{LOGIN}/backchannel-logout") as running:
        async with opens(running) as house, house.browser() as browser, house.browser() as other:
            mine = await house.logs_in(browser)
            await house.logs_in(other)
            assert mine.login is not None
            assert mine.login.sid is not None
            async with served(house.world.app, port):
                logout = {"client": CLIENT_ID, "account": "kari", "sid": mine.login.sid}
                await asyncio.to_thread(running.control, logout=logout)
            assert await house.found(browser) is None
            assert await house.found(other) is not None, "begun in another browser there too"


async def test_helseids_profile_through_the_web_door(opens: Opens) -> None:
    with provided(strict="EC") as running:
        async with opens(running) as house, house.browser() as browser:
            assert (await house.logs_in(browser)).agent.grants == {KIRURGI}
            running.control(accounts={"kari": {"name": "Kari Nordmann", "groups": [GROUPS["leaders"]]}})
            house.passes(CHECK)
            assert await still(house, browser) == {Grant(Role.LEADER, "kirurgi"), Grant(Role.LEADER, "hjerte")}


async def test_the_session_opens_the_web_door_until_the_provider_says_no(opens: Opens, as_they_were: Running) -> None:
    """As a browser asks: by the cookie alone, and a change with the CSRF token."""
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser, "lise")
        who = await browser.get("/api/v1/session")
        assert (who.status_code, who.json()["csrf"] != "") == (200, True), who.text
        assert (await browser.get("/api/v1/callbacks")).status_code == 200
        close = {"from": "2030-11-25T10:00:00Z", "until": "2030-11-25T11:00:00Z"}
        headers = {"X-CSRF-Token": who.json()["csrf"], "Accept": "*/*"}
        refused(await browser.post("/api/v1/departments/hjerte/closures", json=close), 403, "cross-site")
        closed = await browser.post("/api/v1/departments/hjerte/closures", json=close, headers=headers)
        assert closed.status_code == 201, closed.text
        as_they_were.control(accounts={"lise": {"name": "Lise Leder", "groups": [GROUPS["agents"]]}})
        house.passes(CHECK)
        refused(
            await browser.post("/api/v1/departments/hjerte/closures", json=close, headers=headers),
            403,
            "role-not-allowed",
        )
        as_they_were.control(accounts={"lise": {"name": "Lise Leder", "groups": []}})
        house.passes(CHECK)
        refused(await browser.get("/api/v1/callbacks"), 401, "not-signed-in")
        assert await house.open_sessions() == 0
