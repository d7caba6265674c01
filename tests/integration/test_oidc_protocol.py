"""The protocol of log-ins with running providers: what is accepted, and everything that is not."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from api.auth.oidc.client import OidcClient
from api.auth.oidc.errors import (
    LoginError,
    LoginNotValid,
    LoginRefused,
    LogoutTokenNotValid,
    NoRole,
    ProviderRefused,
    ProviderUnavailable,
    TooManyGroups,
)
from api.auth.oidc.login_flow import AuthorizationRequest, AuthorizationResponse, LoginFlow, Person
from api.auth.oidc.provider import Provider
from api.auth.oidc.tokens import TokenVerifier
from api.auth.oidc.transport import ProviderTransport
from desk.access.permissions import Grant, Role
from desk.accounts.oidc.groups_file import load_access
from desk.clock import SystemClock
from desk.settings.settings import Settings
from desk.vault.vault import Vault
from tests.support.fakes import FakeClock
from tests.support.oidc.providers import ACCESS, REDIRECT_URI, Running, forger, log_in_at, provided
from tests.support.ports import free_port

VAULT = Vault(identity_key=b"i" * 32, index_key=b"x" * 32)
KIRURGI = Grant(Role.AGENT, "kirurgi")


@pytest.fixture(scope="module")
def plain() -> Iterator[Running]:
    with provided() as running:
        yield running


@pytest.fixture(scope="module", params=["EC", "RSA"])
def strict(request: pytest.FixtureRequest) -> Iterator[Running]:
    with provided(strict=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def forging() -> Iterator[Running]:
    with forger() as running:
        yield running


@pytest.fixture(autouse=True)
def access(tmp_path: Path) -> Path:
    file = tmp_path / "access.toml"
    file.write_text(ACCESS, "utf-8")
    return file


@dataclass
class Hands:
    """The parts of a log-in, wired as in the api."""

    login: LoginFlow
    client: OidcClient
    tokens: TokenVerifier
    clock: FakeClock

    async def comes_back(self, person: str = "kari") -> tuple[AuthorizationRequest, AuthorizationResponse]:
        begun = await self.login.start("/queue")
        found = parse_qs(urlsplit(await log_in_at(begun.address, person)).query)
        return begun, AuthorizationResponse(
            **{name: found[name][0] for name in ("state", "code", "iss", "error") if name in found}
        )

    async def logs_in(self, person: str = "kari") -> Person:
        begun, answer = await self.comes_back(person)
        return await self.login.finish(answer, self.login.pending(answer, begun.cookie))


@asynccontextmanager
async def hands(running: Running, folder: Path, *, seconds: float = 5.0, **given: Any) -> AsyncIterator[Hands]:
    given = {**running.settings, **given}
    settings = Settings.load(need_keys=False, environment="demo", var_dir=folder, **given).oidc
    clock = FakeClock(SystemClock().now())
    wire = ProviderTransport(settings.issuer, seconds=seconds)
    provider = Provider(settings.issuer, wire)
    client = OidcClient(settings, provider=provider, transport=wire, clock=clock)
    tokens = TokenVerifier(provider=provider, client_id=client.id, clock=clock, skew=settings.clock_skew)
    groups = load_access(folder / "access.toml")
    login = LoginFlow(
        settings, provider=provider, client=client, verifier=tokens, vault=VAULT, groups=lambda: groups, clock=clock
    )
    try:
        yield Hands(login, client, tokens, clock)
    finally:
        await wire.close()


async def test_people_log_in_with_their_roles(plain: Running, tmp_path: Path) -> None:
    async with hands(plain, tmp_path) as mine:
        kari = await mine.logs_in("kari")
        assert (kari.issuer, kari.subject, kari.name) == (plain.issuer, "kari", "Kari Nordmann")
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
    plain: Running, tmp_path: Path, person: str, error: type[LoginError]
) -> None:
    async with hands(plain, tmp_path) as mine:
        with pytest.raises(error):
            await mine.logs_in(person)


async def test_helseid_profile_uses_signed_clients_pushed_requests_and_dpop(strict: Running, tmp_path: Path) -> None:
    async with hands(strict, tmp_path) as mine:
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
    async with hands(strict, tmp_path) as mine:
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
    async with hands(strict, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        other = mine.login.pending(answer, begun.cookie)
        with pytest.raises(LoginRefused):
            await mine.login.finish(answer, replace(other, key=mine.client.new_dpop_key()))


async def test_code_works_once_and_only_with_its_verifier(plain: Running, tmp_path: Path) -> None:
    async with hands(plain, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        under_way = mine.login.pending(answer, begun.cookie)
        assert (await mine.login.finish(answer, under_way)).subject == "kari"
        with pytest.raises(LoginRefused) as refused:
            await mine.login.finish(answer, under_way)
        assert refused.value.reason == "invalid_grant"
        begun, answer = await mine.comes_back()
        with pytest.raises(LoginRefused):
            await mine.login.finish(answer, replace(mine.login.pending(answer, begun.cookie), verifier="a" * 64))


async def test_log_in_belongs_to_the_browser_that_started_it(plain: Running, tmp_path: Path) -> None:
    async with hands(plain, tmp_path) as mine:
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
async def test_no_redirect_leaves_the_site_afterwards(plain: Running, tmp_path: Path, after: str) -> None:
    async with hands(plain, tmp_path) as mine:
        begun = await mine.login.start(after)
        state = parse_qs(urlsplit(begun.address).query)["state"][0]
        assert mine.login.pending(AuthorizationResponse(state=state), begun.cookie).after == "/"


def claims(**more: Any) -> dict[str, Any]:
    return {"claims": more}


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (claims(nonce="another"), "invalid_claim:nonce"),
        (claims(nonce=None), "missing_claim:nonce"),
        ({"sign": "none"}, "algorithm-not-allowed"),
        ({"sign": "public key as a secret"}, "algorithm-not-allowed"),
        ({"sign": "another key"}, "bad_signature"),
        ({"sign": "tampered"}, "bad_signature"),
        ({"sign": "not a token"}, "decode_error"),
        ({"header": {"kid": "unknown"}}, "key-unknown"),
        (claims(aud="another"), "invalid_claim:aud"),
        (claims(aud=None), "missing_claim:aud"),
        (claims(aud=["innringing", "another"]), "missing_claim:azp"),
        (claims(azp="another"), "invalid_claim:azp"),
        (claims(iss="https://evil.no"), "invalid_claim:iss"),
        (claims(iss=None), "missing_claim:iss"),
        (claims(exp=["now", -40]), "expired_token:exp"),
        (claims(exp=None), "missing_claim:exp"),
        (claims(exp="soon"), "invalid_claim:exp"),
        (claims(iat=["now", 40]), "invalid_claim:iat"),
        (claims(iat=["now", -700], exp=["now", 100]), "old-iat"),
        (claims(iat=None), "missing_claim:iat"),
        (claims(nbf=["now", 40]), "invalid_claim:nbf"),
        (claims(at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "invalid_claim:at_hash"),
        (claims(sub=None), "missing_claim:sub"),
        (claims(sub=""), "wrong-sub"),
        (claims(sub=7), "invalid_claim:sub"),
        (claims(name=None), "no-name"),
        ({"token": {"id_token": None}}, "no-id-token"),
        ({"token": {"token_type": "DPoP"}}, "wrong-token-type"),
        ({"answer": {"iss": "https://evil.no"}}, "wrong-issuer"),
        ({"answer": {"iss": None}}, "wrong-issuer"),
        ({"answer": {"code": None}}, "no-code"),
        ({"answer": {"error": "invalid_scope"}}, "unknown-error"),
        ({"metadata": {"issuer": "https://evil.no"}}, "metadata-other-issuer"),
        ({"metadata": {"token_endpoint": "http://evil.no/token"}}, "metadata-endpoint-unsafe"),
        ({"metadata": {"jwks_uri": None}}, "metadata-incomplete"),
    ],
)
async def test_token_that_breaks_the_protocol_is_refused(
    forging: Running, tmp_path: Path, way: dict[str, Any], reason: str
) -> None:
    forging.control(**way)
    async with hands(forging, tmp_path) as mine:
        with pytest.raises(LoginRefused) as refused:
            await mine.logs_in()
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    "way",
    [
        {"sign": "good"},
        claims(exp=["now", -20]),
        claims(iat=["now", 20], nbf=["now", 20]),
        claims(aud=["innringing", "another"], azp="innringing"),
        claims(at_hash=None),
        {"header": {"kid": None}},
    ],
)
async def test_allowed_variation_of_a_token_is_accepted(forging: Running, tmp_path: Path, way: dict[str, Any]) -> None:
    forging.control(**way)
    async with hands(forging, tmp_path) as mine:
        assert (await mine.logs_in()).subject == "kari"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Kari\u200b Nord\u202emann\0", "Kari Nordmann"),
        ("  Ｋａｒｉ\n\u3164Nordmann\u2800\ufe0f ", "Kari Nordmann"),
        ("Åse Bjørg-Ærlig d'Été", "Åse Bjørg-Ærlig d'Été"),
        ("k" * 59 + " " + "n" * 9, "k" * 59),
    ],
)
async def test_name_from_the_provider_cannot_imitate_another(
    forging: Running, tmp_path: Path, told: str, name: str
) -> None:
    """Otherwise someone who can choose their own name at the provider could appear in the history as a colleague."""
    forging.control(claims={"name": told})
    async with hands(forging, tmp_path) as mine:
        assert (await mine.logs_in()).name == name


async def test_invisible_name_is_refused(forging: Running, tmp_path: Path) -> None:
    forging.control(claims={"name": "\u200b\u3164\u2800 \0"})
    async with hands(forging, tmp_path) as mine:
        with pytest.raises(LoginRefused) as refused:
            await mine.logs_in()
        assert refused.value.reason == "no-name"


async def test_clock_skew_is_allowed_up_to_the_setting(plain: Running, tmp_path: Path) -> None:
    async with hands(plain, tmp_path) as mine:
        try:
            for seconds in (20, -20):
                plain.control(skew=seconds)
                assert (await mine.logs_in()).subject == "kari"
            plain.control(skew=60)
            with pytest.raises(LoginRefused, match="can't be trusted") as refused:
                await mine.logs_in()
            assert refused.value.reason == "invalid_claim:iat"
        finally:
            plain.control(skew=0)
    async with hands(plain, tmp_path, oidc_clock_skew=90) as mine:
        plain.control(skew=60)
        try:
            assert (await mine.logs_in()).subject == "kari"
        finally:
            plain.control(skew=0)


async def test_new_key_is_fetched_once(plain: Running, tmp_path: Path) -> None:
    async with hands(plain, tmp_path) as mine:
        await mine.logs_in()
        before = plain.asked("/jwks")
        await mine.logs_in()
        assert plain.asked("/jwks") == before, "kept"
        plain.control(rotate=True)
        await mine.logs_in()
        assert plain.asked("/jwks") == before + 1


async def test_unknown_key_ids_do_not_cause_a_fetch_each_time(forging: Running, tmp_path: Path) -> None:
    forging.control(header={"kid": "made up"})
    async with hands(forging, tmp_path) as mine:
        before = forging.asked("/jwks")
        for _ in range(3):
            with pytest.raises(LoginRefused):
                await mine.logs_in()
        assert forging.asked("/jwks") == before + 2, "the first look, and one more for the unknown key"


async def test_unreachable_provider_is_reported(tmp_path: Path, plain: Running) -> None:
    nowhere = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    async with hands(plain, tmp_path, oidc_issuer=nowhere) as mine:
        with pytest.raises(ProviderUnavailable) as away:
            await mine.login.start(None)
        assert away.value.reason == "no-answer"


async def test_silent_provider_times_out(tmp_path: Path, plain: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with hands(plain, tmp_path, oidc_issuer=address, seconds=0.2) as mine:
            with pytest.raises(ProviderUnavailable) as away:
                await mine.login.start(None)
        assert away.value.reason == "no-answer"


@pytest.mark.parametrize("metadata", [{"padding": "x" * 300_000}])
async def test_oversized_answer_of_a_provider_is_refused(
    forging: Running, tmp_path: Path, metadata: dict[str, str]
) -> None:
    forging.control(metadata=metadata)
    async with hands(forging, tmp_path) as mine:
        with pytest.raises(ProviderUnavailable) as refused:
            await mine.login.start(None)
        assert refused.value.reason == "too-much"


async def logout_token(forging: Running, **way: Any) -> str:
    forging.control(**{"claims": {}, **way})
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{forging.issuer}/logout-token")
    return str(answer.json()["logout_token"])


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (claims(events=None), "no-logout-event"),
        (claims(events={"other": {}}), "no-logout-event"),
        (claims(nonce="n"), "wrong-token-type"),
        (claims(jti=None), "missing_claim:jti"),
        (claims(iat=None), "missing_claim:iat"),
        (claims(iat=["now", -700]), "old-iat"),
        (claims(aud="another"), "invalid_claim:aud"),
        (claims(iss="https://evil.no"), "invalid_claim:iss"),
        (claims(exp=["now", -40]), "expired_token:exp"),
        (claims(sub=None), "no-subject"),
        ({"sign": "none"}, "algorithm-not-allowed"),
        ({"sign": "another key"}, "bad_signature"),
        ({"header": {"typ": "at+jwt"}}, "wrong-token-type"),
    ],
)
async def test_logout_token_without_a_subject_ends_nothing(
    forging: Running, tmp_path: Path, way: dict[str, Any], reason: str
) -> None:
    async with hands(forging, tmp_path) as mine:
        token = await logout_token(forging, **way)
        with pytest.raises(LogoutTokenNotValid) as refused:
            await mine.tokens.logout(token)
        assert refused.value.reason == reason
        assert (await mine.tokens.logout(await logout_token(forging)))["sub"] == "kari"


async def test_id_token_is_not_accepted_as_a_logout_token(forging: Running, tmp_path: Path) -> None:
    forging.control(sign="good")
    async with hands(forging, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        under_way = mine.login.pending(answer, begun.cookie)
        issued = await mine.client.redeem(answer.code or "", under_way.verifier, REDIRECT_URI, None)
        with pytest.raises(LogoutTokenNotValid):
            await mine.tokens.logout(issued.id_token)
