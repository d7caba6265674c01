"""Verifies the provider's ID tokens (OpenID Connect Core 1.0, 3.1.3.7) and logout tokens."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jws import extract_compact
from joserfc.jwt import JWTClaimsRegistry

from api.auth.oidc.errors import LoginRefused, LogoutTokenNotValid
from api.auth.oidc.provider import Provider
from desk.clock import Clock

ALGORITHMS: Final = ("PS256", "ES256", "PS384", "ES384", "PS512", "ES512", "RS256", "RS384", "RS512")
"""Signatures by a private key of the provider: never `none`, and never by a shared secret."""
LONGEST: Final = 32 * 1024
OLDEST: Final = timedelta(minutes=10)
"""A token must have been issued within this time."""
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

Claims = Mapping[str, Any]


class TokenVerifier:
    """Verifies tokens of one provider for one client. `skew` (s): how much the clocks may differ."""

    def __init__(self, *, provider: Provider, client_id: str, clock: Clock, skew: int) -> None:
        self._provider = provider
        self._client_id = client_id
        self._clock = clock
        self._skew = skew

    async def identity(self, token: str, *, nonce: str | None, access_token: str) -> Claims:
        """The claims of an ID token. `nonce` is that of the log-in; None for a token that was refreshed.

        Raises LoginRefused, ProviderUnavailable.
        """
        header, claims = await self._signed(token)
        params = {"nonce": nonce, "client_id": self._client_id, "access_token": access_token}
        checked = CodeIDToken(claims, header, self._expected(), params)
        try:
            checked.validate(now=self._now(), leeway=self._skew)
        except JoseError as error:
            raise LoginRefused(_reason(error)) from None
        self._recent(claims)
        if not claims["sub"] or len(claims["sub"]) > 255:
            raise LoginRefused("wrong-sub")
        return dict(claims)

    async def logout(self, token: str) -> Claims:
        """The claims of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6). The caller checks its `jti`.

        Raises LogoutTokenNotValid, ProviderUnavailable.
        """
        try:
            header, claims = await self._signed(token)
            registry = JWTClaimsRegistry(self._now(), self._skew, **self._expected(), jti={"essential": True})
            registry.validate(claims)
            self._recent(claims)
        except JoseError as error:
            raise LogoutTokenNotValid(_reason(error)) from None
        except LoginRefused as refused:
            raise LogoutTokenNotValid(refused.reason) from None
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise LogoutTokenNotValid("no-logout-event")
        if "nonce" in claims or header.get("typ", "JWT").lower() not in ("logout+jwt", "jwt"):
            raise LogoutTokenNotValid("wrong-token-type")
        if not any(isinstance(claims.get(name), str) and claims[name] for name in ("sub", "sid")):
            raise LogoutTokenNotValid("no-subject")
        return claims

    async def _signed(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a token the provider signed with an allowed algorithm."""
        if len(token) > LONGEST:
            raise LoginRefused("too-long")
        metadata = await self._provider.metadata()
        try:
            header = extract_compact(token.encode()).headers()
            alg, kid = header.get("alg"), header.get("kid")
            if alg not in ALGORITHMS or alg not in metadata.id_token_signing_alg_values_supported:
                raise LoginRefused("algorithm-not-allowed")
            if kid is not None and not isinstance(kid, str):
                raise LoginRefused("key-unknown")
            key = await self._provider.key(kid, alg)
            read = jwt.decode(token, key, algorithms=[alg])
        except JoseError as error:
            raise LoginRefused(_reason(error)) from None
        except (ValueError, TypeError, RecursionError):
            raise LoginRefused("not-a-token") from None
        return dict(read.header), dict(read.claims)

    def _expected(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self._provider.issuer},
            "aud": {"essential": True, "value": self._client_id},
            "iat": {"essential": True},
        }

    def _recent(self, claims: Claims) -> None:
        if claims["iat"] < self._now() - self._skew - OLDEST.total_seconds():
            raise LoginRefused("old-iat")

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _reason(error: JoseError) -> str:
    """The kind of error and the name of the claim; the claim's value is not repeated."""
    claim = f":{error.claim}" if isinstance(error, ClaimError) and error.claim in _NAMED else ""
    return f"{error.error}{claim}"


_NAMED: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "nonce", "azp", "at_hash", "jti"})
