"""What goes over the wire when people log in and look after their tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from api.schemas import Body, MeOut
from desk.agent import Agent
from desk.sessions import LoginSource, Session

MOST_CHARACTERS = 1000

Secret = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, json_schema_extra={"format": "password"})]


class LogInIn(Body):
    name: Annotated[str, Field(min_length=1, max_length=128, description="The account's name.")]
    password: Secret


class PasswordIn(Body):
    old: Secret
    new: Annotated[Secret, Field(description="12 to 128 characters of any kind; nothing anybody would try first.")]


class SessionOut(MeOut):
    csrf: str = Field(description="To be sent as X-CSRF-Token with everything but GET. It changes with each log-in.")
    source: LoginSource
    ends_at: datetime = Field(description="The latest it lasts; without a request it ends sooner.")

    @classmethod
    def of_session(cls, session: Session, agent: Agent, departments: Sequence[str], csrf: str) -> Self:
        me = MeOut.of(agent, departments)
        return cls(**dict(me), csrf=csrf, source=session.source, ends_at=session.ends_at)
