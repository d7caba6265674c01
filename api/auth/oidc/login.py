"""Logging in at the provider: the way there, the way back, and what the person may do here.

What a log-in under way needs (state, nonce, the PKCE verifier, the DPoP key) travels sealed in a cookie of the browser
that began it: another browser has none, and each state is taken once.
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

from api.auth.oidc.client import Client, Issued
from api.auth.oidc.errors import (
    GroupsNotTold,
    LoginNotValid,
    LoginRefused,
    NoRole,
    ProviderRefused,
    ProviderUnavailable,
)
from api.auth.oidc.proof import Possession
from api.auth.oidc.provider import Metadata, Provider
from api.auth.oidc.strength import Strength
from api.auth.oidc.tokens import Claims, Tokens
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
"""The column and row the cookie is sealed for: no value of the database opens as one, and none of it as theirs."""


@dataclass(frozen=True)
class Begun:
    """Where the browser goes, and what it keeps until it comes back."""

    address: str
    cookie: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What the provider's redirect brought back."""

    state: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    iss: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Person:
    """Who logged in, and what their groups give here. `other_name` tells apart two of the same name."""

    issuer: str
    subject: str
    sid: str | None
    name: str
    other_name: str | None
    grants: frozenset[Grant]
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True)
class UnderWay:
    """A log-in that was begun. `after`: where to go when it is done; `before`: the browser's session until then."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    after: str
    before: str | None = field(repr=False)
    until: datetime
    possession: Possession | None = field(repr=False)


class Login:
    """Log-ins at one provider. `groups` tells what groups give now; None while no good file was read."""

    def __init__(
        self,
        settings: OidcSettings,
        *,
        provider: Provider,
        client: Client,
        tokens: Tokens,
        vault: Vault,
        groups: Callable[[], GroupsToRoles | None],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._client = client
        self._tokens = tokens
        self._vault = vault
        self._groups = groups
        self._clock = clock
        self._strength = Strength(settings, clock=clock)

    async def begin(self, after: str | None, before: str | None = None) -> Begun:
        """`before`: the session's secret that the browser has now. Raises ProviderUnavailable, LoginRefused."""
        possession = self._client.possession()
        under_way = UnderWay(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            after=after if after is not None and is_local_path(after) else self._settings.after_login,
            before=before,
            until=self._clock.now() + LASTS,
            possession=possession,
        )
        params = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": self._settings.scopes,
            "state": under_way.state,
            "nonce": under_way.nonce,
            "code_challenge": create_s256_code_challenge(under_way.verifier),
            "code_challenge_method": "S256",
            **self._strength.params,
        }
        if possession:
            params["dpop_jkt"] = possession.thumbprint
        shown = urlencode(await self._client.ask(params))
        address = (await self._provider.metadata()).authorization_endpoint
        joint = "&" if urlsplit(address).query else "?"
        return Begun(f"{address}{joint}{shown}", self._sealed(under_way))

    def under_way(self, answer: Answer, cookie: str | None) -> UnderWay:
        """The log-in this answer belongs to. Raises LoginNotValid: another's, or one that took too long."""
        found = self._opened(cookie)
        if answer.state is None or not hmac.compare_digest(answer.state.encode(), found.state.encode()):
            raise LoginNotValid("wrong-state")
        if self._clock.now() >= found.until:
            raise LoginNotValid("too-late")
        return found

    async def finish(self, answer: Answer, under_way: UnderWay) -> Person:
        """Who it is. The caller sees to it that each log-in is finished once. Raises the errors of oidc_errors."""
        metadata = await self._provider.metadata()
        self._check_issuer(answer, metadata)
        if answer.error is not None:
            raise _refused(answer.error)
        if not answer.code:
            raise LoginRefused("no-code")
        redirect_uri = self._settings.redirect_uri
        issued = await self._client.redeem(answer.code, under_way.verifier, redirect_uri, under_way.possession)
        claims = await self._tokens.identity(issued.id_token, nonce=under_way.nonce, access_token=issued.access_token)
        self._strength.check(claims)
        return self._person(claims, issued)

    async def again(self, refresh_token: str, subject: str) -> Person:
        """Who it is now, by a refresh token. Raises GrantEnded when the provider ended it, and as `finish`."""
        issued = await self._client.refresh(refresh_token)
        claims = await self._tokens.identity(issued.id_token, nonce=None, access_token=issued.access_token)
        if claims["sub"] != subject:
            raise LoginRefused("another-person")
        return self._person(claims, issued)

    def _check_issuer(self, answer: Answer, metadata: Metadata) -> None:
        """RFC 9207: the answer is our provider's, not that of another one somebody was led to."""
        if answer.iss is None and not metadata.authorization_response_iss_parameter_supported:
            return
        if answer.iss != metadata.issuer:
            raise LoginRefused("answer-of-another")

    def _person(self, claims: Claims, issued: Issued) -> Person:
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
            refresh_token=issued.refresh_token,
        )

    def _sealed(self, under_way: UnderWay) -> str:
        kept = {
            "state": under_way.state,
            "nonce": under_way.nonce,
            "verifier": under_way.verifier,
            "after": under_way.after,
            "before": under_way.before,
            "until": under_way.until.isoformat(),
            "key": under_way.possession.as_dict() if under_way.possession else None,
        }
        return base64.urlsafe_b64encode(self._vault.seal(json.dumps(kept), *SEALED_AS)).decode()

    def _opened(self, cookie: str | None) -> UnderWay:
        if not cookie or len(cookie) > LONGEST_COOKIE:
            raise LoginNotValid("no-cookie")
        try:
            kept = json.loads(self._vault.open(base64.urlsafe_b64decode(cookie), *SEALED_AS))
        except (CannotOpen, ValueError, binascii.Error):
            raise LoginNotValid("no-cookie-of-ours") from None
        key = kept.pop("key")
        until = datetime.fromisoformat(kept.pop("until"))
        return UnderWay(**kept, until=until, possession=Possession.read(key) if key else None)


def _groups_of(claims: Claims, claim: str) -> list[str]:
    """The person's groups. Raises GroupsNotTold when the provider says there are too many to tell."""
    elsewhere = claims.get("_claim_names")
    if claim not in claims and ((isinstance(elsewhere, Mapping) and claim in elsewhere) or claims.get("hasgroups")):
        raise GroupsNotTold("groups-not-told")
    found: Any = claims.get(claim)
    if isinstance(found, str):
        found = [found]  # HelseID: one number that names one person
    if not isinstance(found, list):
        return []
    return [group for group in found[:MOST_GROUPS] if isinstance(group, str)]


def _name(given: Any) -> str | None:
    """A name on one line, as long as histories show one, without what nobody sees.

    People may choose their name at many providers. One that only looks like a colleague's would stand in the history
    beside it as the same: so widths and forms of a letter are one (NFKC), and invisible signs go.
    """
    if not isinstance(given, str):
        return None
    seen = (sign for sign in unicodedata.normalize("NFKC", given) if sign.isspace() or not _is_invisible(sign))
    return " ".join("".join(seen).split())[:LONGEST_NAME].strip() or None


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "C" or INVISIBLE.fullmatch(sign) is not None


def _refused(error: str) -> Exception:
    """What the provider meant when it sent somebody back without a code."""
    if error in ("temporarily_unavailable", "server_error"):
        return ProviderUnavailable(error)
    if error in ("access_denied", "login_required", "interaction_required", "consent_required"):
        return ProviderRefused(error)
    return LoginRefused("refused-otherwise")
