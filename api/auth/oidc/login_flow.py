"""Log-in at the provider: the authorization code flow, and what the person may do here.

The state, nonce, PKCE verifier and DPoP key of a pending log-in are sealed in a cookie of the browser that started it.
So no other browser can finish it, and each state is used once.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from api.auth.oidc.client import OidcClient, TokenResponse
from api.auth.oidc.errors import (
    LoginNotValid,
    LoginRefused,
    NoRole,
    ProviderRefused,
    ProviderUnavailable,
    TooManyGroups,
)
from api.auth.oidc.proof import DpopKey
from api.auth.oidc.provider import Metadata, Provider
from api.auth.oidc.strength import StrengthPolicy
from api.auth.oidc.tokens import Claims, TokenVerifier
from desk.access.permissions import Grant
from desk.accounts.oidc.groups_file import GroupsToRoles
from desk.clock import Clock
from desk.settings.oidc import OidcSettings, is_local_path
from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault

LASTS: Final = timedelta(minutes=10)
LONGEST_COOKIE: Final = 4000
LONGEST_NAME: Final = 60
MOST_GROUPS: Final = 1000
INVISIBLE: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Letters and marks that show nothing (Unicode's Default_Ignorable_Code_Point beyond its controls, and a blank)."""
SEALED_AS: Final = ("login.under_way", "cookie")
"""The column and row the cookie is sealed for, so that it can't be exchanged with any value of the database."""


@dataclass(frozen=True)
class AuthorizationRequest:
    """Where the browser is sent, and the cookie it keeps until it comes back."""

    address: str
    cookie: str = field(repr=False)


@dataclass(frozen=True)
class AuthorizationResponse:
    """The parameters of the provider's redirect back to us."""

    state: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    iss: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Person:
    """The person who logged in, with the grants of their groups. `other_name` distinguishes people of the same name."""

    issuer: str
    subject: str
    sid: str | None
    name: str
    other_name: str | None
    grants: frozenset[Grant]
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True)
class PendingLogin:
    """A log-in that has started. `after`: where to go when it is done; `before`: the browser's previous session."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    after: str
    before: str | None = field(repr=False)
    until: datetime
    key: DpopKey | None = field(repr=False)


class LoginFlow:
    """Log-ins at one provider. `groups` returns what groups give now; None while no valid file has been read."""

    def __init__(
        self,
        settings: OidcSettings,
        *,
        provider: Provider,
        client: OidcClient,
        verifier: TokenVerifier,
        vault: Vault,
        groups: Callable[[], GroupsToRoles | None],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._client = client
        self._verifier = verifier
        self._vault = vault
        self._groups = groups
        self._clock = clock
        self._strength = StrengthPolicy(settings, clock=clock)

    async def start(self, after: str | None, before: str | None = None) -> AuthorizationRequest:
        """Start a log-in. `before`: the secret of the browser's present session.

        Raises ProviderUnavailable, LoginRefused.
        """
        key = self._client.new_dpop_key()
        pending = PendingLogin(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            after=after if after is not None and is_local_path(after) else self._settings.after_login,
            before=before,
            until=self._clock.now() + LASTS,
            key=key,
        )
        params = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": self._settings.scopes,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": create_s256_code_challenge(pending.verifier),
            "code_challenge_method": "S256",
            **self._strength.params,
        }
        if key:
            params["dpop_jkt"] = key.thumbprint
        query = urlencode(await self._client.authorization_params(params))
        address = (await self._provider.metadata()).authorization_endpoint
        separator = "&" if urlsplit(address).query else "?"
        return AuthorizationRequest(f"{address}{separator}{query}", self._sealed(pending))

    def pending(self, response: AuthorizationResponse, cookie: str | None) -> PendingLogin:
        """The log-in this response belongs to. Raises LoginNotValid for another's, or one that took too long."""
        found = self._opened(cookie)
        if response.state is None or not hmac.compare_digest(response.state.encode(), found.state.encode()):
            raise LoginNotValid("wrong-state")
        if self._clock.now() >= found.until:
            raise LoginNotValid("too-late")
        return found

    async def finish(self, response: AuthorizationResponse, pending: PendingLogin) -> Person:
        """Find out who logged in. The caller makes sure that each log-in is finished once. Raises LoginError."""
        self._check_issuer(response, await self._provider.metadata())
        if response.error is not None:
            raise _error(response.error)
        if not response.code:
            raise LoginRefused("no-code")
        redirect_uri = self._settings.redirect_uri
        tokens = await self._client.redeem(response.code, pending.verifier, redirect_uri, pending.key)
        claims = await self._verifier.identity(tokens.id_token, nonce=pending.nonce, access_token=tokens.access_token)
        self._strength.check(claims)
        return self._person(claims, tokens)

    async def refresh(self, refresh_token: str, subject: str) -> Person:
        """The person as the provider knows them now. Raises GrantEnded when it ended the log-in; as `finish`."""
        tokens = await self._client.refresh(refresh_token)
        claims = await self._verifier.identity(tokens.id_token, nonce=None, access_token=tokens.access_token)
        if claims["sub"] != subject:
            raise LoginRefused("another-person")
        return self._person(claims, tokens)

    def _check_issuer(self, response: AuthorizationResponse, metadata: Metadata) -> None:
        """Check that the response is our provider's, against mix-up attacks (RFC 9207)."""
        if response.iss is None and not metadata.authorization_response_iss_parameter_supported:
            return
        if response.iss != metadata.issuer:
            raise LoginRefused("wrong-issuer")

    def _person(self, claims: Claims, tokens: TokenResponse) -> Person:
        groups = self._groups()
        if groups is None:
            raise NoRole("no-access-file")
        grants = groups.of(_groups_of(claims, groups.claim))
        if not grants:
            raise NoRole("no-mapped-group")
        name = _name(claims.get(groups.name))
        if name is None:
            raise LoginRefused("no-name")
        sid = claims.get("sid")
        return Person(
            issuer=claims["iss"],
            subject=claims["sub"],
            sid=sid if isinstance(sid, str) and len(sid) <= 255 else None,
            name=name,
            other_name=_name(claims.get("preferred_username")),
            grants=grants,
            refresh_token=tokens.refresh_token,
        )

    def _sealed(self, pending: PendingLogin) -> str:
        content = {
            "state": pending.state,
            "nonce": pending.nonce,
            "verifier": pending.verifier,
            "after": pending.after,
            "before": pending.before,
            "until": pending.until.isoformat(),
            "key": pending.key.as_dict() if pending.key else None,
        }
        return base64.urlsafe_b64encode(self._vault.seal(json.dumps(content), *SEALED_AS)).decode()

    def _opened(self, cookie: str | None) -> PendingLogin:
        if not cookie or len(cookie) > LONGEST_COOKIE:
            raise LoginNotValid("no-cookie")
        try:
            content = json.loads(self._vault.open(base64.urlsafe_b64decode(cookie), *SEALED_AS))
        except (CannotOpen, ValueError, binascii.Error):
            raise LoginNotValid("no-cookie-of-ours") from None
        key = content.pop("key")
        until = datetime.fromisoformat(content.pop("until"))
        return PendingLogin(**content, until=until, key=DpopKey.read(key) if key else None)


def _groups_of(claims: Claims, claim: str) -> list[str]:
    """The person's groups. Raises TooManyGroups when the provider left them out because there are too many."""
    elsewhere = claims.get("_claim_names")
    if claim not in claims and ((isinstance(elsewhere, Mapping) and claim in elsewhere) or claims.get("hasgroups")):
        raise TooManyGroups("too-many-groups")
    found: Any = claims.get(claim)
    if isinstance(found, str):
        found = [found]  # HelseID: one number that identifies one person
    if not isinstance(found, list):
        return []
    return [group for group in found[:MOST_GROUPS] if isinstance(group, str)]


def _name(given: Any) -> str | None:
    """A name on one line, no longer than the history shows, without invisible characters.

    People may choose their name at many providers. In the history a name must not look the same as a colleague's, so
    widths and forms of a letter become one (NFKC), and invisible characters are removed.
    """
    if not isinstance(given, str):
        return None
    seen = (sign for sign in unicodedata.normalize("NFKC", given) if sign.isspace() or not _is_invisible(sign))
    return " ".join("".join(seen).split())[:LONGEST_NAME].strip() or None


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "C" or INVISIBLE.fullmatch(sign) is not None


def _error(error: str) -> Exception:
    """The error of a redirect without a code."""
    if error in ("temporarily_unavailable", "server_error"):
        return ProviderUnavailable(error)
    if error in ("access_denied", "login_required", "interaction_required", "consent_required"):
        return ProviderRefused(error)
    return LoginRefused("unknown-error")
