"""What a provider tells of itself: its endpoints (OpenID Connect Discovery 1.0) and its keys, each kept for a while."""

import time
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from joserfc import jwk
from joserfc.errors import JoseError, SecurityWarning
from pydantic import BaseModel, ConfigDict, ValidationError

from api.auth.oidc.errors import LoginRefused, ProviderUnavailable
from api.auth.oidc.wire import Wire
from desk.database.batching import SingleFlight
from desk.settings.oidc import is_safe

FRESH: Final = 3600.0
STALE: Final = 86400.0
"""Seconds that what was told holds, and holds on while the provider can't be asked."""
BETWEEN_LOOKS: Final = 10.0
"""Seconds between looks for a key we don't know: a made-up one must not have us ask at each try."""
MOST_KEYS: Final = 100
KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC"}

T = TypeVar("T")
Key = jwk.RSAKey | jwk.ECKey


class Metadata(BaseModel):
    """What we read of the discovery document."""

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
        """Every address we would send something to."""
        own = [self.authorization_endpoint, self.token_endpoint, self.jwks_uri]
        pushed = self.pushed_authorization_request_endpoint
        return own + ([pushed] if pushed else [])


class Kept(Generic[T]):
    """Something looked up now and then. Looks at the same moment are one; an old one serves while no new can be had."""

    def __init__(self, look: Callable[[], Awaitable[T]], seconds: Callable[[], float]) -> None:
        self._look = look
        self._seconds = seconds
        self._shared: SingleFlight[str, T] = SingleFlight()
        self._found: tuple[float, T] | None = None

    async def get(self, no_older_than: float = FRESH) -> T:
        """Raises ProviderUnavailable when there is none and none can be had."""
        if self._found and self._seconds() - self._found[0] < no_older_than:
            return self._found[1]
        try:
            found = await self._shared.look("", self._look)
        except ProviderUnavailable:
            if self._found and self._seconds() - self._found[0] < STALE:
                return self._found[1]
            raise
        self._found = (self._seconds(), found)
        return found


class Provider:
    """One provider. `seconds` is a clock that never jumps."""

    def __init__(self, issuer: str, wire: Wire, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._wire = wire
        self._metadata = Kept(self._look_at_metadata, seconds)
        self._keys = Kept(self._look_at_keys, seconds)
        self._seconds = seconds
        self._looked_again_at = seconds() - BETWEEN_LOOKS

    async def metadata(self) -> Metadata:
        """Raises ProviderUnavailable; LoginRefused when it is another's document, or not one that can be trusted."""
        return await self._metadata.get()

    async def key(self, kid: str | None, alg: str) -> Key:
        """The public key that a token of that header is signed with. An unknown one is looked for once more.

        Raises LoginRefused, ProviderUnavailable.
        """
        found = _fitting(await self._keys.get(), kid, alg)
        if not found and self._seconds() - self._looked_again_at >= BETWEEN_LOOKS:
            self._looked_again_at = self._seconds()
            found = _fitting(await self._keys.get(no_older_than=0), kid, alg)
        if len(found) != 1:
            raise LoginRefused("key-unknown")
        return found[0]

    async def _look_at_metadata(self) -> Metadata:
        document = await self._wire.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            found = Metadata.model_validate(document)
        except ValidationError:
            raise LoginRefused("metadata-not-whole") from None
        if found.issuer != self.issuer:
            raise LoginRefused("metadata-of-another")
        plain_allowed = self.issuer.startswith("http://")
        if not all(is_safe(url) and (plain_allowed or url.startswith("https://")) for url in found.endpoints()):
            raise LoginRefused("metadata-endpoint-unsafe")
        return found

    async def _look_at_keys(self) -> list[Key]:
        document = await self._wire.get((await self.metadata()).jwks_uri)
        listed = document.get("keys")
        if not isinstance(listed, list):
            raise ProviderUnavailable("no-keys")
        return [key for each in listed[:MOST_KEYS] if (key := _public_key(each))]


def _public_key(given: Any) -> Key | None:
    """A key that signatures are checked with; None for one of another kind, or for something else."""
    if not isinstance(given, Mapping) or given.get("use", "sig") != "sig" or "d" in given:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # too short to be trusted, says the library
            key = jwk.import_key(dict(given))
    except (SecurityWarning, JoseError, ValueError, TypeError, KeyError):
        return None
    return key if isinstance(key, Key) else None


def _fitting(keys: list[Key], kid: str | None, alg: str) -> list[Key]:
    """Those the header can mean. Without `kid` any of the right kind: more than one is none."""
    return [
        key
        for key in keys
        if (kid is None or key.kid == kid) and key.key_type == KEY_TYPES[alg[:2]] and key.get("alg") in (None, alg)
    ]
