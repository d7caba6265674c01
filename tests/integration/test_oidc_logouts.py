"""How a session from a provider ends: a withdrawn role, a logout there, a provider that refuses to renew it."""

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest

from api.web.errors import NotSignedIn
from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import EVERYTHING, Grant, Role
from desk.accounts.sessions.model import LoginSource, ProviderLogin
from desk.database.errors import StorageUnavailable
from tests.support.oidc.house import CHECK, KIRURGI, LOGIN, SESSION, Opens, logout_token, served, still
from tests.support.oidc.providers import CLIENT_ID, GROUPS, PEOPLE, Running, provided
from tests.support.ports import free_port
from tests.support.web.api import refused


async def test_withdrawn_role_is_gone_within_the_stated_time(opens: Opens, as_they_were: Running) -> None:
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


async def test_agent_without_groups_is_logged_out_everywhere(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser, house.browser() as other:
        await house.logs_in(browser)
        house.passes(timedelta(minutes=5))
        await house.logs_in(other)
        as_they_were.control(accounts={"kari": {"name": "Kari Nordmann", "groups": []}})
        house.passes(CHECK)
        with pytest.raises(NotSignedIn):
            await still(house, browser)
        assert await house.open_sessions() == 0
        assert (await house.world.services.agents.get(SYSTEM, "Kari Nordmann")).grants == frozenset()
        answer = await browser.get(await house.goes(browser))
        assert answer.status_code == 403


async def test_agent_removed_at_the_provider_is_logged_out(opens: Opens, as_they_were: Running) -> None:
    as_they_were.control(accounts={"slutter": PEOPLE["kari"] | {"name": "Slutter Snart"}})
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser, "slutter")
        as_they_were.control(removed=["slutter"])
        house.passes(CHECK)
        with pytest.raises(NotSignedIn):
            await still(house, browser)
        assert await house.open_sessions() == 0


async def test_simultaneous_requests_ask_the_provider_once(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser)
        house.passes(CHECK)
        before = as_they_were.asked("/token")
        found = await asyncio.gather(*(still(house, browser) for _ in range(8)))
        assert set(found) == {frozenset({KIRURGI})}
        assert as_they_were.asked("/token") == before + 1


async def test_session_without_a_refresh_token_ends_when_due(opens: Opens, forging: Running) -> None:
    forging.control(sign="good")
    async with opens(forging) as house, house.browser() as browser:
        await house.logs_in(browser)
        house.world.clock.advance(CHECK - timedelta(seconds=1))
        assert await still(house, browser) == {KIRURGI}
        house.world.clock.advance(timedelta(seconds=1))
        with pytest.raises(NotSignedIn):
            await still(house, browser)


async def test_logout_at_the_provider_ends_the_sessions_at_once(opens: Opens, forging: Running) -> None:
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


async def test_running_provider_sends_its_logout(opens: Opens) -> None:
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
                before = running.asked("/token")
                assert await still(house, other) == {KIRURGI}, "begun in another browser there too"
                assert running.asked("/token") == before + 1, "asked at once"


async def test_logout_everywhere_that_names_one_session_ends_all_in_every_process(opens: Opens) -> None:
    """As Keycloak's «Logout all sessions»: refresh tokens are void, and one logout token names one of the sessions."""
    port = free_port(socket.SOCK_STREAM)
    with provided(backchannel=f"http://127.0.0.1:{port}{LOGIN}/backchannel-logout") as running:
        async with opens(running) as house, opens(running) as second:
            browsers = [each.browser() for each in (house, house, second, second)]
            first, *_ = [await house.logs_in(browser) for browser in browsers[:2]]
            _ = [await second.logs_in(browser) for browser in browsers[2:]]
            assert first.login is not None
            async with served(second.world.app, port):
                running.control(removed=["kari"])
                logout = {"client": CLIENT_ID, "account": "kari", "sid": first.login.sid}
                await asyncio.to_thread(running.control, logout=logout)
            house.world.clock.set(second.world.clock.now())
            for browser in browsers:
                answer = await browser.get("/api/v1/me", headers={"Accept": "application/json"})
                refused(answer, 401, "not-signed-in")
                await browser.aclose()
            assert await house.open_sessions() == 0


async def test_logout_that_could_not_be_stored_is_accepted_when_repeated(
    opens: Opens, forging: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    forging.control(sign="good")
    async with opens(forging) as house, house.browser() as browser:
        await house.logs_in(browser)
        token = {"logout_token": await logout_token(forging)}

        async def away(*_given: Any, **_named: Any) -> int:
            raise StorageUnavailable

        with monkeypatch.context() as patched:
            patched.setattr(house.world.services.sessions, "end_of_provider", away)
            answer = await house.world.client.post(f"{LOGIN}/backchannel-logout", data=token)
            refused(answer, 503, "storage-unavailable")
        assert (await house.world.client.post(f"{LOGIN}/backchannel-logout", data=token)).status_code == 200
        assert await house.found(browser) is None


async def test_session_of_another_provider_ends_without_contacting_it(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser:
        await house.logs_in(browser)
        parts, before = house.world.services, as_they_were.asked("/token")
        login = ProviderLogin("https://before.test", "kari", None, house.world.clock.now() - CHECK)
        await parts.oidc_identities.put(
            SYSTEM, login.issuer, login.subject, "the other's refresh token", login.check_by
        )
        opened = await parts.sessions.open(SYSTEM, "Kari Nordmann", source=LoginSource.OIDC, login=login)
        browser.cookies.clear()
        browser.cookies.set(SESSION, opened.token)
        with pytest.raises(NotSignedIn):
            await still(house, browser)
        assert as_they_were.asked("/token") == before, "a provider is never shown what another gave"


async def test_emergency_access_survives_the_check_at_the_provider(opens: Opens, as_they_were: Running) -> None:
    async with opens(as_they_were) as house, house.browser() as browser:
        agent = (await house.logs_in(browser)).agent
        reason, lasting = "Pasienten er på vei inn", timedelta(hours=1)
        await house.world.services.emergencies.open(
            Actor(agent.name, EVERYTHING), agent, "hjerte", reason, lasting=lasting
        )
        house.passes(CHECK)
        assert (await browser.get("/api/v1/callbacks", params={"department": "hjerte"})).status_code == 200
