"""Tokens for programs: 256 random bits, shown once and stored as their hash. Pure."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from desk.access.agent import WALL_ONLY
from desk.access.permissions import Permission

TOKEN_PREFIX: Final = "inn_"
TOKEN_BYTES: Final = 32
MOST_VERIFIED: Final = 250
"""Credentials verified in one statement. All open streams are verified before they are sent a callback's row."""


@dataclass(frozen=True)
class TokenScope:
    """The departments and permissions a token is limited to. None is everything its agent has, now and later."""

    departments: frozenset[str] | None = None
    permissions: frozenset[Permission] | None = None

    @property
    def is_wall_screen(self) -> bool:
        """Whether the token opens the wall and nothing else."""
        return self.permissions == WALL_ONLY

    def __str__(self) -> str:
        what = "all its agent may" if self.permissions is None else ", ".join(sorted(self.permissions))
        return what if self.departments is None else f"{what} in {', '.join(sorted(self.departments))}"


UNLIMITED: Final = TokenScope()


@dataclass(frozen=True)
class Token:
    """A token as it may be shown. `last_used_at` is accurate to a minute."""

    id: int
    agent: str
    label: str
    scope: TokenScope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None = None


@dataclass(frozen=True)
class NewToken:
    """A token just made; `secret` can't be obtained again."""

    token: Token
    secret: str = field(repr=False)


def new_token_secret() -> str:
    """A secret for a token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hashed(secret: str) -> bytes:
    """What is stored of a secret. It is 256 random bits, so it can't be guessed from a plain hash."""
    return hashlib.sha256(secret.encode()).digest()
