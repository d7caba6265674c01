"""Logging in, and sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from api.schemas.agents import MeOut
from api.schemas.fields import Body
from api.web.text import PLAIN_TEXT
from desk.access.agent import Agent
from desk.accounts.sessions.model import LoginSource, Session, SessionSummary

MOST_CHARACTERS = 1000


Secret = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, json_schema_extra={"format": "password"})]


Code = Annotated[str, Field(min_length=1, max_length=64, json_schema_extra={"format": "password"})]


class LogInIn(Body):
    name: Annotated[str, Field(min_length=1, max_length=128, pattern=PLAIN_TEXT, description="The account's name.")]
    password: Secret
    code: Annotated[
        Code | None,
        Field(
            description="A code of the account's second factor, or a recovery code. Omit it when the account has none."
        ),
    ] = None


class PasswordIn(Body):
    old: Secret
    new: Annotated[Secret, Field(description="12 to 128 characters of any kind, and no common password.")]


class SessionOut(MeOut):
    csrf: str = Field(description="Send it as X-CSRF-Token with every request but GET. It changes with each log-in.")
    source: LoginSource
    ends_at: datetime = Field(description="The latest end of the session. Without requests it ends sooner.")
    password_to_change: bool = Field(
        description="Someone else set the password. Until it is changed, every request but this, GET /me, "
        "POST /session/password and logging out gets 403 `password-must-be-changed`."
    )
    second_factor_to_add: bool = Field(
        description="Your role requires a second factor. Until it is added, every request but this, GET /me, "
        "POST /session/password, adding it and logging out gets 403 `second-factor-must-be-added`."
    )

    @classmethod
    def of_session(cls, session: Session, agent: Agent, departments: Sequence[str], csrf: str) -> Self:
        me = MeOut.of(agent, departments)
        unfinished = ("password_to_change", "second_factor_to_add")
        told = {name: getattr(session, name) for name in ("source", "ends_at", *unfinished)}
        return cls(**dict(me), csrf=csrf, **told)


class SessionItemOut(BaseModel):
    """A session that has not ended."""

    id: int
    agent: str
    source: LoginSource
    created_at: datetime
    seen_at: datetime = Field(description="Its last request, to the minute.")
    ends_at: datetime = Field(description="The latest end of the session. Without requests it ends sooner.")
    current: bool = Field(description="Whether this request was sent with it.")

    @classmethod
    def of(cls, listed: SessionSummary, current: int) -> Self:
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
    items: list[SessionItemOut]
