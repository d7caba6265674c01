"""Refused log-ins at a provider: a wrong answer, no role, a weak log-in, no click."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from api.web.errors import NotSignedIn
from desk.access.permissions import Role
from tests.support.oidc.house import CHECK, CLICKED, KIRURGI, LOGIN, Opens, still
from tests.support.oidc.providers import PEOPLE, Running, provided
from tests.support.web.api import open_world, refused

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


async def test_manipulated_answer_is_refused(opens: Opens, provider: Running) -> None:
    async with opens(provider) as house, house.browser() as browser:
        for change, status, id in MEDDLED:
            back = await house.goes(browser)
            query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
            changed = {name: value for name, value in {**query, **change}.items() if value is not None}
            answer = await browser.get(f"{LOGIN}/callback", params=changed, headers={"Accept": "*/*"})
            refused(answer, status, id)
            assert await house.open_sessions() == 0


async def test_refused_person_sees_the_reason_in_words(opens: Opens, provider: Running) -> None:
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


async def test_invalid_token_is_refused_by_the_api(opens: Opens, forging: Running) -> None:
    """The other cases are in test_oidc_tokens.py; these show that the api uses the same checks."""
    async with opens(forging) as house, house.browser() as browser:
        for way in ({"sign": "none"}, {"claims": {"nonce": "another"}}, {"claims": {"aud": "another"}}):
            forging.control(**way)
            answer = await browser.get(await house.goes(browser))
            assert answer.status_code == 403
            assert await house.open_sessions() == 0
        forging.control(sign="good")
        assert (await house.logs_in(browser)).agent.grants == {KIRURGI}


async def test_single_sign_on_that_is_off_is_not_found(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        for method, path in (("GET", LOGIN), ("GET", f"{LOGIN}/callback"), ("POST", f"{LOGIN}/backchannel-logout")):
            refused(await world.client.request(method, path), 404, "single-sign-on-off")


GOOD: Final = {"acr": "Level4", "amr": ["pwd", "otp"]}
WEAK: Final[list[tuple[dict[str, Any], str]]] = [
    ({"acr": "Level3", "amr": ["pwd", "otp"]}, "another-acr"),
    ({"amr": ["pwd", "otp"]}, "another-acr"),
    ({"acr": "Level4 Level5", "amr": ["otp"]}, "another-acr"),
    ({"acr": "Level4", "amr": ["pwd"]}, "another-amr"),
    ({"acr": "Level4"}, "another-amr"),
]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_weak_log_in_is_refused(opens: Opens, as_they_were: Running) -> None:
    """The level is requested from the provider and must be in its signed answer; a missing level counts as too weak."""
    asked_for: dict[str, Any] = {"oidc_acr": "Level4, idporten-loa-high", "oidc_amr": "otp fido"}
    async with opens(as_they_were, **asked_for) as house, house.browser() as browser:
        begun = await browser.get(LOGIN)
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["acr_values"] == ["Level4 idporten-loa-high"]
        for strength, _ in WEAK:
            as_they_were.control(accounts={"kari": {**PEOPLE["kari"], "login": strength}})
            answer = await browser.get(await house.goes(browser))
            assert (answer.status_code, "ikke sikkert nok" in answer.text) == (403, True), strength
            assert await house.open_sessions() == 0
        as_they_were.control(accounts={"kari": {**PEOPLE["kari"], "login": GOOD}})
        assert (await house.logs_in(browser)).agent.grants == {KIRURGI}
        house.passes(CHECK)
        assert await still(house, browser) == {KIRURGI}, "a role that is asked for again asks nobody to log in again"
        await house.world.token("rita", Role.AUDITOR)
        rows = (await house.world.as_("rita", "GET", "/audit", params={"outcome": "refused"})).json()["items"]
        assert [(row["action"], row["why"]) for row in reversed(rows)] == [
            ("finish_log_in", reason) for _, reason in WEAK
        ]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_entra_id_authentication_contexts_are_checked(opens: Opens, forging: Running) -> None:
    contexts: dict[str, Any] = {"oidc_acr": "c1 c2", "oidc_acr_claim": "acrs"}
    async with opens(forging, **contexts) as house, house.browser() as browser:
        forging.control(claims={"acrs": ["c3"], "acr": "c1"})
        begun = await browser.get(LOGIN)
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["claims"] == ['{"id_token":{"acrs":{"essential":true,"value":"c1"}}}']
        assert "acr_values" not in asked
        answer = await browser.get(await house.goes(browser))
        assert (answer.status_code, await house.open_sessions()) == (403, 0)
        forging.control(claims={"acrs": ["c3", "c2"]})
        assert (await house.logs_in(browser)).agent.grants == {KIRURGI}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_level_may_come_in_another_claim_with_another_value(opens: Opens, forging: Running) -> None:
    """HelseID is asked for Level4, and answers 4."""
    level = "helseid://claims/identity/security_level"
    given = {"oidc_acr": "Level4", "oidc_acr_claim": level, "oidc_acr_accepted": "4"}
    async with opens(forging, **given) as house, house.browser() as browser:
        for weak in ("3", 3, True, "Level4", None):
            forging.control(claims={level: weak, "acr": "4"})
            answer = await browser.get(await house.goes(browser))
            assert (answer.status_code, await house.open_sessions()) == (403, 0), weak
        begun = await browser.get(LOGIN)
        assert parse_qs(urlsplit(begun.headers["location"]).query)["acr_values"] == ["Level4"]
        for strong in ("4", 4):
            forging.control(claims={level: strong})
            assert (await house.logs_in(browser)).agent.grants == {KIRURGI}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_old_log_in_at_the_provider_is_refused(opens: Opens, forging: Running) -> None:
    async with opens(forging, oidc_max_age_minutes=10) as house, house.browser() as browser:
        for at in (None, "now", True, ["now", -660]):
            forging.control(claims={"auth_time": at})
            answer = await browser.get(await house.goes(browser))
            assert (answer.status_code, await house.open_sessions()) == (403, 0), at
        begun = await browser.get(LOGIN)
        assert parse_qs(urlsplit(begun.headers["location"]).query)["max_age"] == ["600"]
        forging.control(claims={"auth_time": ["now", -590]})
        assert (await house.logs_in(browser)).agent.grants == {KIRURGI}


NOT_CLICKED: Final = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-User": "?1"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-User": "?1"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-User": "?1"},
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-User": ""},
    {"Sec-Fetch-Site": "", "Sec-Fetch-User": ""},
]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_log_in_starts_only_after_a_click(opens: Opens, provider: Running) -> None:
    """A link elsewhere, a typed address, an automatic redirect: each leads to a page that asks for a click."""
    async with opens(provider) as house, house.browser() as browser:
        for told in NOT_CLICKED:
            answer = await browser.get(LOGIN, params={"after": "/queue?a=1&b=<x>"}, headers=told)
            assert (answer.status_code, answer.headers.get("location")) == (200, None)
            assert not browser.cookies
            assert f'href="{LOGIN}?after=%2Fqueue%3Fa%3D1%26b%3D%3Cx%3E"' in answer.text
            refused(await browser.get(LOGIN, headers={**told, "Accept": "*/*"}), 403, "login-not-requested")
        led = await browser.get(LOGIN, params={"after": "//evil.example"}, headers=NOT_CLICKED[0])
        assert f'href="{LOGIN}"' in led.text and "evil" not in led.text
        assert (await browser.get(LOGIN, headers=CLICKED)).status_code == 303


async def test_unavailable_provider_refuses_new_log_ins_and_keeps_sessions_for_a_while(opens: Opens) -> None:
    """New log-ins are refused with a message; existing sessions continue for the stated time, and no longer."""
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


async def test_provider_unavailable_from_the_start_is_reported(opens: Opens, provider: Running) -> None:
    nowhere = {"oidc_issuer": "http://127.0.0.1:9"}
    async with opens(provider, **nowhere) as house, house.browser() as browser:
        answer = await browser.get(LOGIN)
        assert (answer.status_code, "kan ikke nås" in answer.text) == (503, True)
        assert answer.headers["retry-after"] == "30"
        refused(await browser.get(LOGIN, headers={"Accept": "*/*"}), 503, "provider-unavailable")
