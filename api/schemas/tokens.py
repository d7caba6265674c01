"""Tokens of programs."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from api.schemas.fields import Body, Slug
from desk.access.permissions import Permission
from desk.accounts.tokens.management import LONGEST
from desk.accounts.tokens.service import Issued, Token, TokenScope

LABEL = r"^[A-Za-zÆØÅæøå][A-Za-zÆØÅæøå _-]*[0-9]{0,4}$"
"""Words, and perhaps a short number behind them: none that could be a person's."""


class TokenIn(Body):
    label: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            pattern=LABEL,
            description="What it is for: words, and a number of four digits at most behind them.",
            examples=["wall-screen 2"],
        ),
    ]
    departments: Annotated[
        list[Slug] | None, Field(min_length=1, max_length=50, description="Only there; without it wherever you may.")
    ] = None
    permissions: Annotated[
        list[Permission] | None, Field(min_length=1, max_length=10, description="Only that; without it all you may.")
    ] = None
    days: Annotated[
        int | None,
        Field(
            ge=1,
            le=LONGEST.days,
            description="How long it opens. Without it 90, or as long as the token you ask with.",
        ),
    ] = None

    @property
    def scope(self) -> TokenScope:
        """What it is to be narrowed to."""
        return TokenScope(
            None if self.departments is None else frozenset(self.departments),
            None if self.permissions is None else frozenset(self.permissions),
        )

    @property
    def lasting(self) -> timedelta | None:
        """How long, if it was said."""
        return None if self.days is None else timedelta(days=self.days)


class TokenScopeOut(BaseModel):
    """What a token is narrowed to; null is no limit but its agent's own."""

    departments: list[str] | None
    permissions: list[Permission] | None


class TokenOut(BaseModel):
    """A token, without what opens."""

    id: int
    agent: str
    label: str
    scope: TokenScopeOut
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="Right to a minute.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> Self:
        return cls(**_told(token))


class TokenMadeOut(TokenOut):
    """A new token, with what opens."""

    token: str = Field(description="The token itself: told this once.", json_schema_extra={"format": "password"})

    @classmethod
    def of_issued(cls, issued: Issued) -> Self:
        return cls(**_told(issued.token), token=issued.secret)


class TokenPage(BaseModel):
    items: list[TokenOut]
    next_cursor: str | None


def _told(token: Token) -> dict[str, Any]:
    departments, permissions = token.scope.departments, token.scope.permissions
    return {
        **{name: getattr(token, name) for name in ("id", "agent", "label", "created_at")},
        **{name: getattr(token, name) for name in ("expires_at", "last_used_at", "revoked_at")},
        "scope": TokenScopeOut(
            departments=None if departments is None else sorted(departments),
            permissions=None if permissions is None else sorted(permissions),
        ),
    }
