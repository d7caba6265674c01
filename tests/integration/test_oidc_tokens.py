"""Tokens of running providers, and logout tokens: which are accepted, and every kind that is refused."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from api.auth.oidc.errors import (
    LoginRefused,
    LogoutTokenNotValid,
)
from tests.support.oidc.parts import claims, login_parts
from tests.support.oidc.providers import REDIRECT_URI, Running


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
    async with login_parts(forging, tmp_path) as mine:
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
    async with login_parts(forging, tmp_path) as mine:
        assert (await mine.logs_in()).subject == "kari"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Kari\u200b Nord\u202emann\0", "Kari Nordmann"),
        ("  Ｋａｒｉ\n\u3164Nordmann\u2800\ufe0f ", "Kari Nordmann"),
        ("Åse Bjørg-Ærlig d'Été", "Åse Bjørg-Ærlig d'Été"),
        ("k" * 59 + " " + "n" * 9, "k" * 59),
    ],
)
async def test_name_from_the_provider_cannot_imitate_another(
    forging: Running, tmp_path: Path, given: str, name: str
) -> None:
    """Otherwise someone who can choose their own name at the provider could appear in the history as a colleague."""
    forging.control(claims={"name": given})
    async with login_parts(forging, tmp_path) as mine:
        assert (await mine.logs_in()).name == name


async def test_invisible_name_is_refused(forging: Running, tmp_path: Path) -> None:
    forging.control(claims={"name": "\u200b\u3164\u2800 \0"})
    async with login_parts(forging, tmp_path) as mine:
        with pytest.raises(LoginRefused) as refused:
            await mine.logs_in()
        assert refused.value.reason == "no-name"


async def test_clock_skew_is_allowed_up_to_the_setting(provider: Running, tmp_path: Path) -> None:
    async with login_parts(provider, tmp_path) as mine:
        try:
            for seconds in (20, -20):
                provider.control(skew=seconds)
                assert (await mine.logs_in()).subject == "kari"
            provider.control(skew=60)
            with pytest.raises(LoginRefused, match="can't be trusted") as refused:
                await mine.logs_in()
            assert refused.value.reason == "invalid_claim:iat"
        finally:
            provider.control(skew=0)
    async with login_parts(provider, tmp_path, oidc_clock_skew=90) as mine:
        provider.control(skew=60)
        try:
            assert (await mine.logs_in()).subject == "kari"
        finally:
            provider.control(skew=0)


async def test_new_key_is_fetched_once(provider: Running, tmp_path: Path) -> None:
    async with login_parts(provider, tmp_path) as mine:
        await mine.logs_in()
        before = provider.asked("/jwks")
        await mine.logs_in()
        assert provider.asked("/jwks") == before, "the key is not fetched again"
        provider.control(rotate=True)
        await mine.logs_in()
        assert provider.asked("/jwks") == before + 1


async def test_unknown_key_ids_do_not_cause_a_fetch_each_time(forging: Running, tmp_path: Path) -> None:
    forging.control(header={"kid": "made up"})
    async with login_parts(forging, tmp_path) as mine:
        before = forging.asked("/jwks")
        for _ in range(3):
            with pytest.raises(LoginRefused):
                await mine.logs_in()
        assert forging.asked("/jwks") == before + 2, "once at the start, and once for the unknown key"


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
    async with login_parts(forging, tmp_path) as mine:
        token = await logout_token(forging, **way)
        with pytest.raises(LogoutTokenNotValid) as refused:
            await mine.tokens.logout(token)
        assert refused.value.reason == reason
        assert (await mine.tokens.logout(await logout_token(forging)))["sub"] == "kari"


async def test_id_token_is_not_accepted_as_a_logout_token(forging: Running, tmp_path: Path) -> None:
    forging.control(sign="good")
    async with login_parts(forging, tmp_path) as mine:
        begun, answer = await mine.comes_back()
        under_way = mine.login.pending(answer, begun.cookie)
        issued = await mine.client.redeem(answer.code or "", under_way.verifier, REDIRECT_URI, None)
        with pytest.raises(LogoutTokenNotValid):
            await mine.tokens.logout(issued.id_token)
