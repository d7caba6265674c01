"""How strong a log-in at the provider must be: requested when it starts, and checked in the ID token."""

import json
from collections.abc import Mapping
from typing import Any, Final

from api.auth.oidc.errors import LoginRefused, LoginTooWeak
from api.auth.oidc.tokens import Claims
from desk.clock import Clock
from desk.settings.oidc import OidcSettings

CONTEXTS: Final = "acrs"
"""Entra ID's authentication contexts: requested one at a time by the parameter `claims`, reported as a list."""


class StrengthPolicy:
    """What the settings require of a log-in. A claim that is missing from the token counts as not fulfilled."""

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
        """The request parameters, in the settings' order of preference (OpenID Connect Core, 3.1.2.1)."""
        params: dict[str, str] = {}
        if self._acr and self._claim == CONTEXTS:
            wanted: dict[str, Any] = {"essential": True, "value": self._acr[0]}
            params["claims"] = json.dumps({"id_token": {CONTEXTS: wanted}}, separators=(",", ":"))
        elif self._acr:
            params["acr_values"] = " ".join(self._acr)
        if self._max_age is not None:
            params["max_age"] = str(self._max_age)
        return params

    def check(self, claims: Claims) -> None:
        """Raises LoginTooWeak; LoginRefused for a log-in so old that the provider should have asked for a new one."""
        if self._accepted and not _values(claims.get(self._claim)) & self._accepted:
            raise LoginTooWeak("another-acr")
        if self._amr and not _values(claims.get("amr")) & set(self._amr):
            raise LoginTooWeak("another-amr")
        if self._max_age is not None:
            at, oldest = claims.get("auth_time"), self._clock.now().timestamp() - self._max_age - self._skew
            if not isinstance(at, int | float) or isinstance(at, bool) or at < oldest:
                raise LoginRefused("old-auth-time")


def _values(claim: Any) -> set[str]:
    """One value or a list of values. A text is never split; a level may be a number."""
    found = claim if isinstance(claim, list) else [claim]
    return {str(value) for value in found if isinstance(value, str | int) and not isinstance(value, bool)}
