"""Tokens of programs."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from api.schemas.fields import WHOLE, Body, Slug
from desk.access.permissions import Permission
from desk.accounts.tokens.management import LONGEST
from desk.accounts.tokens.model import NewToken, Token, TokenScope

LABEL = r"^[A-Za-zÆØÅæøå][A-Za-zÆØÅæøå _-]*[0-9]{0,4}$"
"""Words, and a short number after them: none that could be a personal number."""


class TokenIn(Body):
    label: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            pattern=LABEL,
            description="What the token is for: words, and at most four digits after them.",
            examples=["wall-screen 2"],
        ),
    ]
    departments: Annotated[
        list[Slug] | None,
        Field(
            min_length=1,
            max_length=50,
            description="Limits the token to these departments. By default it reaches all of yours.",
        ),
    ] = None
    permissions: Annotated[
        list[Permission] | None,
        Field(
            min_length=1,
            max_length=10,
            description="Limits the token to these permissions. By default it has all of yours.",
        ),
    ] = None
    days: Annotated[
        int | None,
        Field(
            ge=1,
            le=LONGEST.days,
            description="Lifetime in days. By default 90, or the rest of the lifetime of the token you use.",
        ),
        WHOLE,
    ] = None

    @property
    def scope(self) -> TokenScope:
        """The requested limits."""
        return TokenScope(
            None if self.departments is None else frozenset(self.departments),
            None if self.permissions is None else frozenset(self.permissions),
        )

    @property
    def lasting(self) -> timedelta | None:
        """The requested lifetime, if any."""
        return None if self.days is None else timedelta(days=self.days)


class TokenScopeOut(BaseModel):
    """The limits of a token; null means only those of its agent."""

    departments: list[str] | None
    permissions: list[Permission] | None


class TokenOut(BaseModel):
    """A token, without its secret."""

    id: int
    agent: str
    label: str
    scope: TokenScopeOut
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> Self:
        return cls(**_fields(token))


class NewTokenOut(TokenOut):
    """A new token, with its secret."""

    token: str = Field(
        description="The secret to send as bearer token. It is returned only once.",
        json_schema_extra={"format": "password"},
    )

    @classmethod
    def of_new(cls, new: NewToken) -> Self:
        return cls(**_fields(new.token), token=new.secret)


class TokenPage(BaseModel):
    items: list[TokenOut]
    next_cursor: str | None


def _fields(token: Token) -> dict[str, Any]:
    departments, permissions = token.scope.departments, token.scope.permissions
    return {
        **{name: getattr(token, name) for name in ("id", "agent", "label", "created_at")},
        **{name: getattr(token, name) for name in ("expires_at", "last_used_at", "revoked_at")},
        "scope": TokenScopeOut(
            departments=None if departments is None else sorted(departments),
            permissions=None if permissions is None else sorted(permissions),
        ),
    }
