"""Proofs of our client: its identity, by its key, and possession of the key of one log-in."""

import json
import warnings
from typing import Any

import pytest
from joserfc import jwk, jwt
from joserfc.errors import SecurityWarning

from api.auth.oidc.proof import ClientKey, DpopKey
from api.auth.oidc.provider import _public_key
from desk.errors import SettingsError
from tests.support.fakes import FakeClock

ISSUER = "https://helseid-sts.test.nhn.no"


def key(kind: str, crv_or_size: Any, **more: Any) -> dict[str, Any]:
    parameters = {"kid": "ours", **more}
    made = (
        jwk.ECKey.generate_key(crv_or_size, parameters)
        if kind == "EC"
        else jwk.RSAKey.generate_key(crv_or_size, parameters)
    )
    return dict(made.as_dict(private=True))


def without(given: dict[str, Any], member: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != member}


@pytest.mark.parametrize(
    ("given", "alg"),
    [
        (key("EC", "P-256"), "ES256"),
        (key("EC", "P-384"), "ES384"),
        (key("EC", "P-521", alg="ES512"), "ES512"),
        (key("RSA", 2048), "PS256"),
        (key("RSA", 2048, alg="RS512"), "RS512"),
    ],
)
def test_client_assertion_names_one_provider_and_lasts_half_a_minute(given: dict[str, Any], alg: str) -> None:
    clock = FakeClock()
    ours = ClientKey(json.dumps(given))
    first, second = (ours.assertion("innringing", ISSUER, clock) for _ in range(2))
    read = jwt.decode(first, jwk.import_key(given), algorithms=[alg])
    now = int(clock.now().timestamp())
    assert read.header == {"typ": "JWT", "alg": alg, "kid": "ours"}
    jti = read.claims.pop("jti")
    assert read.claims == {
        **{"iss": "innringing", "sub": "innringing", "aud": ISSUER},
        **{"iat": now, "nbf": now, "exp": now + 30},
    }
    assert jti != jwt.decode(second, jwk.import_key(given), algorithms=[alg]).claims["jti"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("not json", "write a private JWK"),
        ("[]", "write a private JWK"),
        ('{"kty": "EC"}', "write a private JWK"),
        (json.dumps({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ", "kid": "a"}), "a private EC or RSA key"),
        (json.dumps(without(key("EC", "P-256"), "d")), "a private EC or RSA key"),
        (json.dumps(without(key("EC", "P-256"), "kid")), "no kid"),
        (json.dumps(key("EC", "P-256", alg="ES384")), "P-256, P-384 or P-521"),
        (json.dumps(key("RSA", 2048, alg="HS256")), "alg is one of"),
    ],
)
def test_unusable_key_is_refused_in_one_line_without_showing_it(given: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ClientKey(given)
    assert "INNRINGING_OIDC_CLIENT_KEY" in str(refused.value)
    assert said in str(refused.value)
    assert '"d"' not in str(refused.value)


def test_dpop_proof_is_for_one_request_and_shows_no_private_key() -> None:
    clock = FakeClock()
    made = DpopKey.new()
    proof = DpopKey.read(made.as_dict()).proof("POST", "https://a.no/token?x=y", clock, "the provider's nonce")
    read = jwt.decode(proof, jwk.import_key(made.as_dict()), algorithms=["ES256"])
    assert set(read.header["jwk"]) == {"kty", "crv", "x", "y"}
    assert read.header["typ"] == "dpop+jwt"
    assert len(read.claims.pop("jti")) >= 22
    assert read.claims == {
        **{"htm": "POST", "htu": "https://a.no/token", "iat": int(clock.now().timestamp())},
        "nonce": "the provider's nonce",
    }
    assert (
        "nonce"
        not in jwt.decode(
            made.proof("POST", "https://a.no/token", clock, None), jwk.import_key(made.as_dict()), algorithms=["ES256"]
        ).claims
    )
    assert made.thumbprint == jwk.import_key(made.as_dict()).thumbprint()


def test_only_signature_keys_of_a_provider_are_used() -> None:
    good = without(key("EC", "P-256"), "d")
    rsa = dict(jwk.RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        short = dict(jwk.RSAKey.generate_key(1024, {"kid": "short"}).as_dict(private=False))
    assert [found is not None for found in map(_public_key, (good, rsa))] == [True, True]
    others = (
        short,
        {**good, "use": "enc"},
        key("EC", "P-256"),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC"},
        "",
        None,
    )
    assert [_public_key(each) for each in others] == [None] * len(others)
