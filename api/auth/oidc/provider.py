"""The provider's discovery document (OpenID Connect Discovery 1.0) and its keys, each cached for a while."""

import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from joserfc import jwk
from joserfc.errors import JoseError, SecurityWarning
from pydantic import BaseModel, ConfigDict, ValidationError

from api.auth.oidc.errors import LoginRefused, ProviderUnavailable
from api.auth.oidc.transport import ProviderTransport
from desk.database.batching import SingleFlight
from desk.settings.oidc import is_safe

FRESH: Final = 3600.0
STALE: Final = 86400.0
"""Seconds that a cached answer is used, and how long if the provider can't be reached."""
BETWEEN_FETCHES: Final = 10.0
"""Seconds between fetches for an unknown key id, so that made-up key ids don't cause a request each."""
MOST_KEYS: Final = 100
KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC"}

T = TypeVar("T")
Key = jwk.RSAKey | jwk.ECKey


class Metadata(BaseModel):
    """The parts of the discovery document that we use."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: list[str]
    pushed_authorization_request_endpoint: str | None = None
    require_pushed_authorization_requests: bool = False
    authorization_response_iss_parameter_supported: bool = False
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]

    def endpoints(self) -> list[str]:
        """Every address we send requests to."""
        own = [self.authorization_endpoint, self.token_endpoint, self.jwks_uri]
        pushed = self.pushed_authorization_request_endpoint
        return own + ([pushed] if pushed else [])


class Cache(Generic[T]):
    """One cached value. Callers at the same moment share a fetch; an old value is used while fetching fails."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], seconds: Callable[[], float]) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._shared: SingleFlight[str, T] = SingleFlight()
        self._found: tuple[float, T] | None = None

    async def get(self, no_older_than: float = FRESH) -> T:
        """Raises ProviderUnavailable when no value is cached and none can be fetched."""
        if self._found and self._seconds() - self._found[0] < no_older_than:
            return self._found[1]
        try:
            found = await self._shared.run("", self._fetch)
        except ProviderUnavailable:
            if self._found and self._seconds() - self._found[0] < STALE:
                return self._found[1]
            raise
        self._found = (self._seconds(), found)
        return found


class Provider:
    """One provider. `seconds` is a monotonic clock."""

    def __init__(
        self, issuer: str, transport: ProviderTransport, *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.issuer = issuer
        self._transport = transport
        self._metadata = Cache(self._fetch_metadata, seconds)
        self._keys = Cache(self._fetch_keys, seconds)
        self._seconds = seconds
        self._fetched_again_at = seconds() - BETWEEN_FETCHES

    async def metadata(self) -> Metadata:
        """Raises ProviderUnavailable; LoginRefused when the document has another issuer or unsafe endpoints."""
        return await self._metadata.get()

    async def key(self, kid: str | None, alg: str) -> Key:
        """The public key for a token with this header. For an unknown key the list is fetched again.

        Raises LoginRefused, ProviderUnavailable.
        """
        found = _fitting(await self._keys.get(), kid, alg)
        if not found and self._seconds() - self._fetched_again_at >= BETWEEN_FETCHES:
            self._fetched_again_at = self._seconds()
            found = _fitting(await self._keys.get(no_older_than=0), kid, alg)
        if len(found) != 1:
            raise LoginRefused("key-unknown")
        return found[0]

    async def _fetch_metadata(self) -> Metadata:
        document = await self._transport.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            found = Metadata.model_validate(document)
        except ValidationError:
            raise LoginRefused("metadata-incomplete") from None
        if found.issuer != self.issuer:
            raise LoginRefused("metadata-other-issuer")
        plain_allowed = self.issuer.startswith("http://")
        if not all(is_safe(url) and (plain_allowed or url.startswith("https://")) for url in found.endpoints()):
            raise LoginRefused("metadata-endpoint-unsafe")
        return found

    async def _fetch_keys(self) -> list[Key]:
        document = await self._transport.get((await self.metadata()).jwks_uri)
        listed = document.get("keys")
        if not isinstance(listed, list):
            raise ProviderUnavailable("no-keys")
        return [key for each in listed[:MOST_KEYS] if (key := _public_key(each))]


def _public_key(given: Any) -> Key | None:
    """A key to verify signatures with; None for any other kind of key, or for something else."""
    if not isinstance(given, Mapping) or given.get("use", "sig") != "sig" or "d" in given:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # the library warns of keys that are too short
            key = jwk.import_key(dict(given))
    except (SecurityWarning, JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, Key) else None


def _fitting(keys: list[Key], kid: str | None, alg: str) -> list[Key]:
    """The keys the header can mean: without `kid`, every key of the right type."""
    return [
        key
        for key in keys
        if (kid is None or key.kid == kid) and key.key_type == KEY_TYPES[alg[:2]] and key.get("alg") in (None, alg)
    ]
