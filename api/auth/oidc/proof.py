"""Proofs by private keys: of the client (private_key_jwt, RFC 7523), and of possession of a key (DPoP, RFC 9449)."""

import json
import secrets
from typing import Any, Final, cast

from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from desk.clock import Clock
from desk.errors import SettingsError

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 30
"""How long an assertion is valid; HelseID accepts at most 60."""
SHORTEST_RSA: Final = 2048
CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
RSA_ALGORITHMS: Final = ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
VARIABLE: Final = "INNRINGING_OIDC_CLIENT_KEY"


class ClientKey:
    """The private key that authenticates our client, and its signature algorithm."""

    def __init__(self, given: str) -> None:
        """`given`: a private JWK as JSON, with `kid`. Raises SettingsError."""
        try:
            key = jwk.import_key(json.loads(given))
        except (JoseError, ValueError, TypeError, KeyError):
            raise SettingsError(f"{VARIABLE}: write a private JWK (EC or RSA) as JSON") from None
        if not isinstance(key, jwk.RSAKey | jwk.ECKey) or not key.is_private:
            raise SettingsError(f"{VARIABLE}: it must be a private EC or RSA key")
        if not key.kid:
            raise SettingsError(f"{VARIABLE}: it has no kid: use the one that the key is registered with")
        self._key = key
        self._alg = _algorithm(key)

    def assertion(self, client_id: str, audience: str, clock: Clock) -> str:
        """A new assertion that we are `client_id`, for that provider: valid once, for half a minute."""
        now = int(clock.now().timestamp())
        signed = private_key_jwt_sign(
            self._key,
            client_id,
            audience,
            alg=self._alg,
            claims={"nbf": now, "jti": secrets.token_urlsafe(24)},
            header={"kid": self._key.kid, "typ": "JWT"},
            issued_at=now,
            expires_at=now + ASSERTION_SECONDS,
        )
        return cast(str, signed)


def _algorithm(key: jwk.RSAKey | jwk.ECKey) -> str:
    asked = key.get("alg")
    if isinstance(key, jwk.ECKey):
        alg = CURVES.get(str(key.curve_name))
        if alg is None or asked not in (None, alg):
            raise SettingsError(f"{VARIABLE}: an EC key is on P-256, P-384 or P-521, with its alg or none")
        return alg
    if key.private_key is None or key.private_key.key_size < SHORTEST_RSA:
        raise SettingsError(f"{VARIABLE}: an RSA key has {SHORTEST_RSA} bits or more")
    if asked is not None and asked not in RSA_ALGORITHMS:
        raise SettingsError(f"{VARIABLE}: alg is one of {', '.join(RSA_ALGORITHMS)}")
    return str(asked or RSA_ALGORITHMS[0])


class DpopKey:
    """A key for one log-in. Tokens bound to it are useless without it."""

    def __init__(self, key: jwk.ECKey) -> None:
        self._key = key

    @classmethod
    def new(cls) -> "DpopKey":
        return cls(jwk.ECKey.generate_key("P-256"))

    @classmethod
    def read(cls, stored: dict[str, Any]) -> "DpopKey":
        """The key stored by `as_dict`."""
        return cls(jwk.ECKey.import_key(stored))

    def as_dict(self) -> dict[str, Any]:
        """The private key as a JWK."""
        return dict(self._key.as_dict(private=True))

    @property
    def thumbprint(self) -> str:
        """The value that binds an authorization code to this key (`dpop_jkt`)."""
        return self._key.thumbprint()

    def proof(self, method: str, url: str, clock: Clock, nonce: str | None) -> str:
        """A proof for one request, with the provider's last nonce."""
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._key.as_dict(private=False)}
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(24),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(clock.now().timestamp()),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode(header, claims, self._key, algorithms=["ES256"])
