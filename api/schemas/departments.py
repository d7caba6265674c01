"""Departments and their closures."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.schemas.fields import Body, Moment
from api.web.text import reason
from desk.departments.departments import Department, Policy
from desk.promises.model import LONGEST_CLOSURE, Closure


class DepartmentOut(BaseModel):
    slug: str
    name: str
    extension: str
    policy: Policy
    cutoff: str | None = Field(description="Wall time in Europe/Oslo.", examples=["14:00"])
    answer_by: str | None
    rounds: list[str]
    max_attempts: int
    sms_receipt: bool = Field(description="Whether callers get a text message, where SMS is on.")
    capacity: int | None = Field(description="How many callbacks fit in a round or, with a deadline, in a day.")
    languages: list[str]
    topics: dict[str, str] = Field(
        description="What callbacks can be about, as agents sort them: the words by key.",
        examples=[{"resept": "Resept"}],
    )
    hospital_number: str
    closed: "ClosureOut | None" = Field(description="The closure that the queue is under now.")

    @classmethod
    def of(cls, department: Department, closed: Closure | None) -> Self:
        return cls(
            slug=department.slug,
            name=department.name,
            extension=department.extension,
            policy=department.policy,
            cutoff=f"{department.cutoff:%H:%M}" if department.cutoff else None,
            answer_by=f"{department.answer_by:%H:%M}" if department.answer_by else None,
            rounds=[f"{start:%H:%M}" for start in department.rounds],
            max_attempts=department.max_attempts,
            sms_receipt=department.sms_receipt,
            capacity=department.capacity,
            languages=list(department.languages),
            topics=dict(department.topics),
            hospital_number=department.hospital_number.e164,
            closed=ClosureOut.of(closed) if closed else None,
        )


class ClosureOut(BaseModel):
    model_config = ConfigDict(validate_by_name=True)

    id: int
    department: str
    from_: Annotated[datetime, Field(alias="from")]
    until: datetime
    text_key: str

    @classmethod
    def of(cls, closure: Closure) -> Self:
        return cls(
            id=closure.id,
            department=closure.department,
            from_=closure.from_,
            until=closure.until,
            text_key=closure.text.value,
        )


class DepartmentList(BaseModel):
    items: list[DepartmentOut]


class ClosureList(BaseModel):
    items: list[ClosureOut]


class ClosureIn(Body):
    """A closed queue: callers between `from` and `until` get a later promise and hear the reason."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    from_: Annotated[Moment, Field(alias="from")]
    until: Moment
    text_key: Literal["closed_today", "closed_course", "closed_illness"] | None = Field(
        default=None, description="The prompt that callers hear, `closed_today` by default. Operators edit its text."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta() < self.until - self.from_ <= LONGEST_CLOSURE:
            raise reason("`until` must come after `from`, by 31 days at most.")
        return self
