"""Our side of OAuth 2.0 toward the provider: pushed requests (RFC 9126), codes and refresh tokens made tokens.

The default profile is a confidential client with a secret. HelseID's is that of FAPI 2.0: the client signs with its
key, every request is pushed, and tokens are asked for with DPoP, with the provider's own nonce once it wants one.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

import httpx
import structlog

from api.auth.oidc.errors import GrantEnded, LoginRefused, ProviderUnavailable
from api.auth.oidc.proof import ASSERTION_TYPE, ClientKey, Possession
from api.auth.oidc.provider import Metadata, Provider
from api.auth.oidc.wire import Told, Wire
from desk.clock import Clock
from desk.errors import SettingsError
from desk.settings.oidc import OidcSettings

log = structlog.get_logger(__name__)

OURS: Final = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"})
"""Errors of our registration, not of the person's: an operator must mend them."""
KNOWN: Final = OURS | {"invalid_request", "invalid_grant", "invalid_dpop_proof", "use_dpop_nonce", "access_denied"}


@dataclass(frozen=True)
class Issued:
    """What the provider gave for a code or a refresh token. Not shown when printed."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


class Client:
    """One registration at one provider."""

    def __init__(self, settings: OidcSettings, *, provider: Provider, wire: Wire, clock: Clock) -> None:
        """Raises SettingsError for a key that can't be used."""
        self._provider = provider
        self._wire = wire
        self._clock = clock
        self.id = settings.client_id
        self._secret = settings.client_secret
        self._key = ClientKey(settings.client_key.get_secret_value()) if settings.client_key else None
        if self._secret is None and self._key is None:
            raise SettingsError("INNRINGING_OIDC_CLIENT_SECRET is not set")
        self.strict = settings.profile == "helseid"
        self._nonce: str | None = None

    def possession(self) -> Possession | None:
        """A key for one log-in, where the profile wants tokens bound to one."""
        return Possession.new() if self.strict else None

    async def ask(self, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters for the browser: these, or a name for them where they are pushed to the provider first.

        Raises LoginRefused, ProviderUnavailable.
        """
        metadata = await self._provider.metadata()
        if not self.strict and not metadata.require_pushed_authorization_requests:
            return dict(params)
        address = metadata.pushed_authorization_request_endpoint
        if address is None:
            raise LoginRefused("no-pushed-requests")
        told = await self._post(metadata, address, params, None)
        request_uri = told.body.get("request_uri")
        if told.status != httpx.codes.CREATED or not isinstance(request_uri, str):
            raise _refusal(told)
        return {"client_id": self.id, "request_uri": request_uri}

    async def redeem(self, code: str, verifier: str, redirect_uri: str, possession: Possession | None) -> Issued:
        """Exchange a code for tokens. Raises LoginRefused, ProviderUnavailable."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        try:
            return await self._tokens({**form, "redirect_uri": redirect_uri}, possession)
        except GrantEnded as ended:
            raise LoginRefused(ended.reason) from None

    async def refresh(self, refresh_token: str) -> Issued:
        """New tokens. Raises GrantEnded when the provider ended the log-in; LoginRefused, ProviderUnavailable."""
        return await self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token}, self.possession())

    async def _tokens(self, form: Mapping[str, str], possession: Possession | None) -> Issued:
        metadata = await self._provider.metadata()
        told = await self._post(metadata, metadata.token_endpoint, form, possession)
        if told.status != httpx.codes.OK:
            raise _refusal(told)
        id_token, access_token = told.body.get("id_token"), told.body.get("access_token")
        refresh_token = told.body.get("refresh_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise LoginRefused("no-id-token")
        kind = str(told.body.get("token_type")).lower()
        if kind != ("dpop" if possession else "bearer"):
            raise LoginRefused("another-kind-of-token")  # not bound to the key it was asked for with
        return Issued(id_token, access_token, refresh_token if isinstance(refresh_token, str) else None)

    async def _post(self, metadata: Metadata, url: str, form: Mapping[str, str], possession: Possession | None) -> Told:
        """Once more with the provider's nonce when it wants one; proof and assertion are new, for each is good once."""
        told = await self._once(metadata, url, form, possession)
        if possession and told.nonce and told.body.get("error") == "use_dpop_nonce":
            told = await self._once(metadata, url, form, possession)
        return told

    async def _once(self, metadata: Metadata, url: str, form: Mapping[str, str], possession: Possession | None) -> Told:
        own, headers = self._authentication(metadata)
        if possession:
            headers["DPoP"] = possession.proof("POST", url, self._clock, self._nonce)
        told = await self._wire.post(url, {**form, **own}, headers)
        if told.nonce is not None:
            self._nonce = told.nonce[:500]
        return told

    def _authentication(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """(form fields, headers) that say who we are."""
        if self._key is not None:
            assertion = self._key.assertion(self.id, metadata.issuer, self._clock)
            fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
            return {"client_id": self.id, **fields}, {}
        secret = self._secret.get_secret_value() if self._secret else ""
        known = metadata.token_endpoint_auth_methods_supported
        if "client_secret_basic" not in known and "client_secret_post" in known:
            return {"client_id": self.id, "client_secret": secret}, {}
        # RFC 6749, 2.3.1: each half is form-encoded before they are put together
        shown = base64.b64encode(f"{quote_plus(self.id)}:{quote_plus(secret)}".encode()).decode()
        return {}, {"Authorization": f"Basic {shown}"}


def _refusal(told: Told) -> LoginRefused | ProviderUnavailable:
    """The error behind an answer that is none; the provider's own description is not repeated."""
    error = told.body.get("error")
    code = error if isinstance(error, str) and error in KNOWN else "other"
    if code in OURS:
        log.error("the identity provider refuses our registration", error=code)
        return ProviderUnavailable(code)  # a secret that ran out throws nobody out
    if code == "invalid_grant":
        return GrantEnded(code)
    if told.status == httpx.codes.TOO_MANY_REQUESTS:
        return ProviderUnavailable("too-many-requests")
    return LoginRefused(code)
