"""The OAuth 2.0 client: pushes authorization requests (RFC 9126), and redeems codes and refresh tokens.

The plain profile is a confidential client with a secret. HelseID's is FAPI 2.0: the client signs with its key, pushes
every request, and redeems codes with DPoP, using the provider's nonce once the provider asks for it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

import httpx
import structlog

from api.auth.oidc.errors import GrantEnded, LoginRefused, ProviderUnavailable
from api.auth.oidc.proof import ASSERTION_TYPE, ClientKey, DpopKey
from api.auth.oidc.provider import Metadata, Provider
from api.auth.oidc.transport import ProviderResponse, ProviderTransport
from desk.clock import Clock
from desk.errors import SettingsError
from desk.settings.oidc import OidcSettings

log = structlog.get_logger(__name__)

REGISTRATION_ERRORS: Final = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"}
)
"""Errors of our registration, not of the person's log-in: an operator must fix them."""
KNOWN_ERRORS: Final = REGISTRATION_ERRORS | {
    "invalid_request",
    "invalid_grant",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "access_denied",
}


@dataclass(frozen=True)
class TokenResponse:
    """The tokens for a code or a refresh token. `repr` hides them."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


class OidcClient:
    """One registration at one provider."""

    def __init__(
        self, settings: OidcSettings, *, provider: Provider, transport: ProviderTransport, clock: Clock
    ) -> None:
        """Raises SettingsError for a key that can't be used."""
        self._provider = provider
        self._transport = transport
        self._clock = clock
        self.id = settings.client_id
        self._secret = settings.client_secret
        self._key = ClientKey(settings.client_key.get_secret_value()) if settings.client_key else None
        if self._secret is None and self._key is None:
            raise SettingsError("INNRINGING_OIDC_CLIENT_SECRET is not set")
        self.strict = settings.profile == "helseid"
        self._nonce: str | None = None

    def new_dpop_key(self) -> DpopKey | None:
        """A key for one log-in, if the profile binds tokens to one."""
        return DpopKey.new() if self.strict else None

    async def authorization_params(self, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters for the browser: these, or a reference to them once they are pushed to the provider.

        Raises LoginRefused, ProviderUnavailable.
        """
        metadata = await self._provider.metadata()
        if not self.strict and not metadata.require_pushed_authorization_requests:
            return dict(params)
        address = metadata.pushed_authorization_request_endpoint
        if address is None:
            raise LoginRefused("no-pushed-requests")
        response = await self._post(metadata, address, params, None)
        request_uri = response.body.get("request_uri")
        if response.status != httpx.codes.CREATED or not isinstance(request_uri, str):
            raise _error(response)
        return {"client_id": self.id, "request_uri": request_uri}

    async def redeem(self, code: str, verifier: str, redirect_uri: str, key: DpopKey | None) -> TokenResponse:
        """Exchange a code for tokens. Raises LoginRefused, ProviderUnavailable."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        try:
            return await self._tokens({**form, "redirect_uri": redirect_uri}, key)
        except GrantEnded as ended:
            raise LoginRefused(ended.reason) from None

    async def refresh(self, refresh_token: str) -> TokenResponse:
        """Exchange a refresh token. Raises GrantEnded when the provider ended the log-in; as `redeem`."""
        return await self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token}, self.new_dpop_key())

    async def _tokens(self, form: Mapping[str, str], key: DpopKey | None) -> TokenResponse:
        metadata = await self._provider.metadata()
        response = await self._post(metadata, metadata.token_endpoint, form, key)
        if response.status != httpx.codes.OK:
            raise _error(response)
        id_token, access_token = response.body.get("id_token"), response.body.get("access_token")
        refresh_token = response.body.get("refresh_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise LoginRefused("no-id-token")
        token_type = str(response.body.get("token_type")).lower()
        if token_type != ("dpop" if key else "bearer"):
            raise LoginRefused("wrong-token-type")  # it isn't bound to the key of the request
        return TokenResponse(id_token, access_token, refresh_token if isinstance(refresh_token, str) else None)

    async def _post(
        self, metadata: Metadata, url: str, form: Mapping[str, str], key: DpopKey | None
    ) -> ProviderResponse:
        """Post a form, and once again with the provider's nonce if it asks for one."""
        response = await self._post_once(metadata, url, form, key)
        if key and response.nonce and response.body.get("error") == "use_dpop_nonce":
            response = await self._post_once(metadata, url, form, key)
        return response

    async def _post_once(
        self, metadata: Metadata, url: str, form: Mapping[str, str], key: DpopKey | None
    ) -> ProviderResponse:
        """Post a form with a new assertion and a new proof, since each is valid once."""
        fields, headers = self._authentication(metadata)
        if key:
            headers["DPoP"] = key.proof("POST", url, self._clock, self._nonce)
        response = await self._transport.post(url, {**form, **fields}, headers)
        if response.nonce is not None:
            self._nonce = response.nonce[:500]
        return response

    def _authentication(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """(form fields, headers) that authenticate this client."""
        if self._key is not None:
            assertion = self._key.assertion(self.id, metadata.issuer, self._clock)
            fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
            return {"client_id": self.id, **fields}, {}
        secret = self._secret.get_secret_value() if self._secret else ""
        supported = metadata.token_endpoint_auth_methods_supported
        if "client_secret_basic" not in supported and "client_secret_post" in supported:
            return {"client_id": self.id, "client_secret": secret}, {}
        # RFC 6749, 2.3.1: id and secret are form-encoded before they are joined
        credentials = base64.b64encode(f"{quote_plus(self.id)}:{quote_plus(secret)}".encode()).decode()
        return {}, {"Authorization": f"Basic {credentials}"}


def _error(response: ProviderResponse) -> LoginRefused | ProviderUnavailable:
    """The error in a response. The provider's own description is not repeated."""
    error = response.body.get("error")
    code = error if isinstance(error, str) and error in KNOWN_ERRORS else "other"
    if code in REGISTRATION_ERRORS:
        log.error("identity provider refuses our registration", error=code)
        return ProviderUnavailable(code)  # an expired client secret must log no one out
    if code == "invalid_grant":
        return GrantEnded(code)
    if response.status == httpx.codes.TOO_MANY_REQUESTS:
        return ProviderUnavailable("too-many-requests")
    return LoginRefused(code)
