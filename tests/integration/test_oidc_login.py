"""A log-in at a running provider: the browser's path, and the session at its end."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from desk.access.permissions import Grant, Role
from desk.accounts.sessions.model import LoginSource
from tests.support.oidc.house import CHECK, KIRURGI, LOGIN, SESSION, Opens, still
from tests.support.oidc.providers import GROUPS, PEOPLE, Running, log_in_at, provided
from tests.support.web.api import refused


async def test_agent_logs_in_through_the_provider(opens: Opens, provider: Running) -> None:
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


async def test_second_log_in_is_the_same_agent_with_a_new_secret(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser:
        first = await house.logs_in(browser)
        before = browser.cookies[SESSION]
        back = await house.goes(browser)
        browser.cookies.delete(SESSION)  # SameSite=Strict: not sent when coming from the provider's site
        assert (await browser.get(back)).status_code == 303
        second = await house.session(browser)
        assert browser.cookies[SESSION] != before
        assert (await house.world.services.sessions.verify(before)) is None, "the old secret opens nothing any more"
        assert second.agent == first.agent


async def test_used_link_is_refused(opens: Opens, provider: Running) -> None:
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


async def test_log_in_started_in_another_browser_is_refused(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser, house.browser() as other:
        back = await house.goes(browser)
        assert (await other.get(back)).status_code == 400
        await house.goes(other)  # its own log-in in progress does not help
        answer = await other.get(back)
        assert answer.status_code == 400
        assert "annen nettleser" in answer.text
        assert SESSION not in other.cookies
        assert (await browser.get(back)).status_code == 303, "whoever began it still may"


async def test_two_people_with_the_same_name_are_two_agents(opens: Opens, as_they_were: Running) -> None:
    other = {**PEOPLE["kari"], "preferred_username": "kano2"}
    as_they_were.control(accounts={"karito": other})
    async with opens(as_they_were) as house, house.browser() as browser, house.browser() as second:
        assert (await house.logs_in(browser)).agent.name == "Kari Nordmann"
        assert (await house.logs_in(second, "karito")).agent.name == "Kari Nordmann (kano2)"
        as_they_were.control(accounts={"karitre": PEOPLE["kari"]})
        answer = await second.get(await house.goes(second, "karitre"))
        assert (answer.status_code, "samme navn" in answer.text) == (409, True)


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


async def test_mistake_in_the_groups_file_is_reported_and_the_last_valid_one_used(
    opens: Opens, provider: Running, tmp_path: Path
) -> None:
    (tmp_path / "access.toml").write_text("claim = 1", "utf-8")
    async with opens(provider) as house, house.browser() as browser:
        ready = (await browser.get("/readyz")).json()["components"]["groups"]
        assert (ready["ok"], "access.toml:1: «claim» must be the name" in ready["detail"]) == (False, True)
        answer = await browser.get(await house.goes(browser))
        assert (answer.status_code, "ikke med i noen gruppe" in answer.text) == (403, True), "no good file: nobody"


async def test_log_in_works_with_helseids_profile(opens: Opens) -> None:
    with provided(strict="EC") as running:
        async with opens(running) as house, house.browser() as browser:
            assert (await house.logs_in(browser)).agent.grants == {KIRURGI}
            running.control(accounts={"kari": {"name": "Kari Nordmann", "groups": [GROUPS["leaders"]]}})
            house.passes(CHECK)
            assert await still(house, browser) == {Grant(Role.LEADER, "kirurgi"), Grant(Role.LEADER, "hjerte")}


async def test_session_is_valid_until_the_provider_ends_it(opens: Opens, as_they_were: Running) -> None:
    """As a browser does: with the cookie alone, and for a change with the CSRF token."""
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
