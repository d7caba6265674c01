"""The protocol of log-ins with running providers: roles, profiles, stolen codes, and providers that are away."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from api.auth.oidc.errors import (
    LoginError,
    LoginNotValid,
    LoginRefused,
    NoRole,
    ProviderRefused,
    ProviderUnavailable,
    TooManyGroups,
)
from api.auth.oidc.login_flow import AuthorizationResponse
from desk.access.permissions import Grant, Role
from tests.support.oidc.parts import VAULT, login_parts
from tests.support.oidc.providers import REDIRECT_URI, Running, provided
from tests.support.ports import free_port

KIRURGI = Grant(Role.AGENT, "kirurgi")


@pytest.fixture(scope="module", params=["EC", "RSA"])
def strict(request: pytest.FixtureRequest) -> Iterator[Running]:
    with provided(strict=request.param) as running:
        yield running


async def test_people_log_in_with_their_roles(provider: Running, tmp_path: Path) -> None:
    async with login_parts(provider, tmp_path) as mine:
        kari = await mine.logs_in("kari")
        assert (kari.issuer, kari.subject, kari.name) == (provider.issuer, "kari", "Kari Nordmann")
        assert kari.grants == {KIRURGI}
        assert (await mine.logs_in("lise")).grants == {
            KIRURGI,
            Grant(Role.LEADER, "kirurgi"),
            Grant(Role.LEADER, "hjerte"),
        }
        assert (await mine.logs_in("rune")).grants == {Grant(Role.AUDITOR, "*")}
        assert kari.refresh_token
        again = await mine.login.refresh(kari.refresh_token, "kari")
        assert replace(again, refresh_token=None) == replace(kari, refresh_token=None)
        assert kari.refresh_token not in repr(kari)


@pytest.mark.parametrize(
    ("person", "error"), [("gjest", NoRole), ("mange", TooManyGroups), ("nobody", ProviderRefused)]
)
async def test_person_without_a_role_gets_the_reason(
    provider: Running, tmp_path: Path, person: str, error: type[LoginError]
) -> None:
    async with login_parts(provider, tmp_path) as mine:
        with pytest.raises(error):
            await mine.logs_in(person)


async def test_helseid_profile_uses_signed_clients_pushed_requests_and_dpop(strict: Running, tmp_path: Path) -> None:
    async with login_parts(strict, tmp_path) as mine:
        before = strict.asked("/token")
        kari = await mine.logs_in("kari")
        assert kari.grants == {KIRURGI}
        assert strict.asked("/token") == before + 2, "the second with the nonce the provider asked for"
        assert kari.refresh_token
        again = await mine.login.refresh(kari.refresh_token, "kari")
        assert again.subject == "kari"
        assert strict.asked("/token") == before + 3, "the nonce is kept"
        begun = await mine.login.start(None)
        assert set(parse_qs(urlsplit(begun.address).query)) == {"client_id", "request_uri"}


async def test_strict_provider_refuses_less(strict: Running, tmp_path: Path) -> None:
    """The provider refuses a log-in without any one of the three, so the test before shows that we use them all."""
    async with login_parts(strict, tmp_path) as mine:
        form = {"client_id": mine.client.id, "response_type": "code", "redirect_uri": REDIRECT_URI, "scope": "openid"}
        pkce = {"code_challenge": "a" * 43, "code_challenge_method": "S256"}
        async with httpx.AsyncClient(trust_env=False) as browser:
            unpushed = await browser.get(f"{strict.issuer}/auth?{urlencode({**form, **pkce})}")
            assert "error=invalid_request" in unpushed.headers["location"]
            unsigned = await browser.post(f"{strict.issuer}/request", data={**form, **pkce})
            assert unsigned.status_code == 401
        begun, answer = await mine.comes_back()
        under_way = mine.login.pending(answer, begun.cookie)
        with pytest.raises(LoginRefused):
            await mine.login.finish(answer, replace(under_way, key=None))


async def test_stolen_code_is_useless_without_the_key(strict: Running, tmp_path: Path) -> None:
    async with login_parts(strict, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        other = mine.login.pending(answer, begun.cookie)
        with pytest.raises(LoginRefused):
            await mine.login.finish(answer, replace(other, key=mine.client.new_dpop_key()))


async def test_code_works_once_and_only_with_its_verifier(provider: Running, tmp_path: Path) -> None:
    async with login_parts(provider, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        under_way = mine.login.pending(answer, begun.cookie)
        assert (await mine.login.finish(answer, under_way)).subject == "kari"
        with pytest.raises(LoginRefused) as refused:
            await mine.login.finish(answer, under_way)
        assert refused.value.reason == "invalid_grant"
        begun, answer = await mine.comes_back()
        with pytest.raises(LoginRefused):
            await mine.login.finish(answer, replace(mine.login.pending(answer, begun.cookie), verifier="a" * 64))


async def test_log_in_belongs_to_the_browser_that_started_it(provider: Running, tmp_path: Path) -> None:
    async with login_parts(provider, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        other = await mine.login.start(None)
        sealed_elsewhere = VAULT.seal("{}", "answers.answer", "cookie").hex()
        for cookie in (None, "", "x", "å", other.cookie, begun.cookie[:-4] + "AAA=", sealed_elsewhere, "A" * 5000):
            with pytest.raises(LoginNotValid):
                mine.login.pending(answer, cookie)
        for state in (None, "", "other", "å", (answer.state or "")[:-1]):
            with pytest.raises(LoginNotValid):
                mine.login.pending(replace(answer, state=state), begun.cookie)
        assert mine.login.pending(answer, begun.cookie).after == "/queue"
        mine.clock.advance(timedelta(minutes=10))
        with pytest.raises(LoginNotValid):
            mine.login.pending(answer, begun.cookie)


@pytest.mark.parametrize("after", ["https://evil.no", "//evil.no", "/\\evil.no", "queue"])
async def test_no_redirect_leaves_the_site_afterwards(provider: Running, tmp_path: Path, after: str) -> None:
    async with login_parts(provider, tmp_path) as mine:
        begun = await mine.login.start(after)
        state = parse_qs(urlsplit(begun.address).query)["state"][0]
        assert mine.login.pending(AuthorizationResponse(state=state), begun.cookie).after == "/"


async def test_unreachable_provider_is_reported(tmp_path: Path, provider: Running) -> None:
    nowhere = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    async with login_parts(provider, tmp_path, oidc_issuer=nowhere) as mine:
        with pytest.raises(ProviderUnavailable) as away:
            await mine.login.start(None)
        assert away.value.reason == "no-answer"


async def test_silent_provider_times_out(tmp_path: Path, provider: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with login_parts(provider, tmp_path, oidc_issuer=address, seconds=0.2) as mine:
            with pytest.raises(ProviderUnavailable) as away:
                await mine.login.start(None)
        assert away.value.reason == "no-answer"


@pytest.mark.parametrize("metadata", [{"padding": "x" * 300_000}])
async def test_oversized_answer_of_a_provider_is_refused(
    forging: Running, tmp_path: Path, metadata: dict[str, str]
) -> None:
    forging.control(metadata=metadata)
    async with login_parts(forging, tmp_path) as mine:
        with pytest.raises(ProviderUnavailable) as refused:
            await mine.login.start(None)
        assert refused.value.reason == "too-much"
