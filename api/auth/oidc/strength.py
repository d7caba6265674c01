"""How strong a log-in at the provider must have been: asked for when it begins, and looked for in the ID token."""

import json
from collections.abc import Mapping
from typing import Any, Final

from api.auth.oidc.errors import LoginRefused, LoginTooWeak
from api.auth.oidc.tokens import Claims
from desk.clock import Clock
from desk.settings.oidc import OidcSettings

CONTEXTS: Final = "acrs"
"""Entra ID's authentication contexts: asked for by the parameter `claims`, one at a time, and told as a list."""


class Strength:
    """What the settings ask of log-ins. What the provider doesn't say in its token, it has not vouched for."""

    def __init__(self, settings: OidcSettings, *, clock: Clock) -> None:
        self._acr = settings.acr.split()
        self._claim = settings.acr_claim
        self._accepted = set((settings.acr_accepted or settings.acr).split())
        self._amr = settings.amr.split()
        self._max_age = None if settings.max_age_minutes is None else settings.max_age_minutes * 60
        self._skew = settings.clock_skew
        self._clock = clock

    @property
    def params(self) -> Mapping[str, str]:
        """What the provider is asked for, in the order of preference of the settings (OpenID Connect Core, 3.1.2.1)."""
        asked: dict[str, str] = {}
        if self._acr and self._claim == CONTEXTS:
            wanted: dict[str, Any] = {"essential": True, "value": self._acr[0]}
            asked["claims"] = json.dumps({"id_token": {CONTEXTS: wanted}}, separators=(",", ":"))
        elif self._acr:
            asked["acr_values"] = " ".join(self._acr)
        if self._max_age is not None:
            asked["max_age"] = str(self._max_age)
        return asked

    def check(self, claims: Claims) -> None:
        """Raises LoginTooWeak; LoginRefused for a log-in of too long ago, which the provider should have asked anew."""
        if self._accepted and not _values(claims.get(self._claim)) & self._accepted:
            raise LoginTooWeak("another-acr")
        if self._amr and not _values(claims.get("amr")) & set(self._amr):
            raise LoginTooWeak("another-amr")
        if self._max_age is not None:
            at, oldest = claims.get("auth_time"), self._clock.now().timestamp() - self._max_age - self._skew
            if not isinstance(at, int | float) or isinstance(at, bool) or at < oldest:
                raise LoginRefused("old-auth-time")


def _values(claim: Any) -> set[str]:
    """One value or a list of them. A text is never taken apart; a level may be a number."""
    found = claim if isinstance(claim, list) else [claim]
    return {str(value) for value in found if isinstance(value, str | int) and not isinstance(value, bool)}
