"""Sessions and their secrets. Pure.

The CSRF token is derived from the session's secret: it is bound to the session, changes with it and needs no column.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from desk.access.agent import Agent
from desk.accounts.tokens.model import TOKEN_BYTES

SESSION_PREFIX: Final = "inn_s_"
"""Starts as a token does, so that the log hides both by the same rule."""


class LoginSource(StrEnum):
    """How somebody logged in."""

    PASSWORD = "password"
    OIDC = "oidc"


@dataclass(frozen=True)
class ProviderLogin:
    """A log-in at an identity provider. `sid`: the provider's session; `check_by`: when to check the person's roles.

    `check_by` ends nothing by itself: the caller asks the provider, then calls `Sessions.checked` or `Sessions.end`.
    """

    issuer: str
    subject: str
    sid: str | None
    check_by: datetime


@dataclass(frozen=True)
class Session:
    """An active session. `seen_at` is accurate to a minute; `ends_at` is the latest it can last.

    `password_to_change`: it was opened with a first password and only serves to choose another.
    `second_factor_to_add`: it was opened with a password alone and only serves to add a second factor.
    """

    id: int
    agent: Agent
    source: LoginSource
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    login: ProviderLogin | None = None
    password_to_change: bool = False
    second_factor_to_add: bool = False


@dataclass(frozen=True)
class SessionSummary:
    """What the list of sessions shows. `seen_at` is accurate to a minute; `ends_at` is the latest it can last."""

    id: int
    agent: str
    source: LoginSource
    created_at: datetime
    seen_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class NewSession:
    """A session just opened: `token` for the cookie, `csrf` for the header of requests that change something."""

    token: str = field(repr=False)
    csrf: str = field(repr=False)
    session: Session


def new_secret() -> str:
    """A secret for the browser: 256 random bits."""
    return SESSION_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def csrf_of(token: str) -> str:
    """The CSRF token of the session with that secret. It reveals nothing of the secret."""
    return hashlib.sha256(b"csrf\0" + token.encode()).hexdigest()


def is_csrf_of(token: str, given: str) -> bool:
    """Whether `given` is the session's CSRF token, compared in constant time."""
    return hmac.compare_digest(csrf_of(token).encode(), given.encode())
