"""What goes over the wire when people log in and look after their tokens."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from api.schemas.common import Body, MeOut, Slug
from api.web.text import PLAIN_TEXT
from desk.access.agent import Agent
from desk.access.permissions import Permission
from desk.accounts.second_factor.service import State
from desk.accounts.sessions.service import Listed, LoginSource, Session
from desk.accounts.tokens.management import LONGEST
from desk.accounts.tokens.service import Issued, Token, TokenScope

MOST_CHARACTERS = 1000

LABEL = r"^[A-Za-zÆØÅæøå][A-Za-zÆØÅæøå _-]*[0-9]{0,4}$"
"""Words, and perhaps a short number behind them: none that could be a person's."""

Secret = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, json_schema_extra={"format": "password"})]


Code = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra={"format": "password"})]


class LogInIn(Body):
    name: Annotated[str, Field(min_length=1, max_length=128, pattern=PLAIN_TEXT, description="The account's name.")]
    password: Secret
    code: Annotated[
        Code | None,
        Field(description="Of the account's second factor, or a recovery code; without one where it has none."),
    ] = None


class CodeIn(Body):
    code: Annotated[Code, Field(description="What the authenticator shows now.")]


class PasswordIn(Body):
    old: Secret
    new: Annotated[Secret, Field(description="12 to 128 characters of any kind; nothing anybody would try first.")]


class SessionOut(MeOut):
    csrf: str = Field(description="To be sent as X-CSRF-Token with everything but GET. It changes with each log-in.")
    source: LoginSource
    ends_at: datetime = Field(description="The latest it lasts; without a request it ends sooner.")
    password_to_change: bool = Field(
        description="Somebody else chose the password: all but this, GET /me, POST /session/password and logging out "
        "is 403 `password-must-be-changed` until it is changed."
    )
    second_factor_to_add: bool = Field(
        description="Your role needs a second factor: all but this, GET /me, POST /session/password, setting one up "
        "and logging out is 403 `second-factor-must-be-added` until there is one."
    )

    @classmethod
    def of_session(cls, session: Session, agent: Agent, departments: Sequence[str], csrf: str) -> Self:
        me = MeOut.of(agent, departments)
        unfinished = ("password_to_change", "second_factor_to_add")
        told = {name: getattr(session, name) for name in ("source", "ends_at", *unfinished)}
        return cls(**dict(me), csrf=csrf, **told)


class SecondFactorStartedOut(BaseModel):
    """For the authenticator, told this once."""

    secret: str = Field(description="In base32, to be typed in.", json_schema_extra={"format": "password"})
    address: str = Field(
        description="The same as an otpauth:// address: show it as a QR code, made in the browser itself.",
        json_schema_extra={"format": "password"},
    )


class SecondFactorOut(BaseModel):
    """Whether a log-in with the password needs a second factor. Neither secret nor codes are told."""

    since: datetime | None = Field(description="Since when; null: there is none.")
    recovery_codes_left: int

    @classmethod
    def of(cls, state: State) -> Self:
        return cls(since=state.since, recovery_codes_left=state.recovery_codes_left)


class SecondFactorAddedOut(SessionOut):
    """All sessions ended; this is the new one."""

    recovery_codes: list[str] = Field(
        description="Each opens once in place of a code, should the phone be lost. Told this once.",
        json_schema_extra={"format": "password"},
    )


class SessionListedOut(BaseModel):
    """A log-in that goes on."""

    id: int
    agent: str
    source: LoginSource
    created_at: datetime
    seen_at: datetime = Field(description="Its last request, right to a minute.")
    ends_at: datetime = Field(description="The latest it lasts; without a request it ends sooner.")
    current: bool = Field(description="The one this is asked with.")

    @classmethod
    def of(cls, listed: Listed, current: int) -> Self:
        return cls(
            id=listed.id,
            agent=listed.agent,
            source=listed.source,
            created_at=listed.created_at,
            seen_at=listed.seen_at,
            ends_at=listed.ends_at,
            current=listed.id == current,
        )


class SessionList(BaseModel):
    items: list[SessionListedOut]


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
