"""FHIR's search parameters: how they are written, and what they ask of the desk.

A value may list several with commas between (any of them). A parameter that is not here is refused, and so is one sent
twice, except a range of times. A patient is never named in an address, only in the form of a POST.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Self, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.fhir.communications import STATUSES as SMS_STATUSES
from api.fhir.identifiers import DEPARTMENT
from api.fhir.tasks import REASONS, STATUSES, TASK_STATUSES
from api.schemas.fields import moment
from api.web.text import reason
from desk.inquiries.model import ClosedReason, InquiryFilter, Status
from desk.messages.model import SmsFilter

T = TypeVar("T")

MAX_COUNT: Final = 50
MOST_VALUES: Final = 50
OSLO: Final = ZoneInfo("Europe/Oslo")
PREFIXED: Final = re.compile(r"(ge|gt|le|lt)(.+)", re.ASCII)
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
SLUG: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


def _count(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        raise reason("Not a positive number.")
    return text


def _split(text: str) -> list[str]:
    found = text.split(",")
    if len(found) > MOST_VALUES:
        raise reason("More than 50 values.")
    return found


def _uuids(texts: Collection[str]) -> list[str]:
    try:
        return [str(UUID(text)) for text in texts]
    except ValueError:
        raise reason("Not the id of a Task: it is a UUID.") from None


def _ids(text: str) -> str:
    _uuids(_split(text))
    return text


def _based_on(text: str) -> str:
    _uuids([each.removeprefix("Task/") for each in _split(text)])
    return text


def _numbers(text: str) -> str:
    for each in _split(text):
        if not (each.isascii() and each.isdigit() and len(each) <= 7):
            raise reason("Not the id of a Communication: it is a number.")
    return text


def _department(text: str) -> str:
    """A slug, alone or as a reference."""
    for each in _split(text):
        if not SLUG.fullmatch(each.removeprefix("Organization/")):
            raise reason("Not a department: write Organization/ and its slug.")
    return text


def _department_identifier(text: str) -> str:
    for each in _split(text):
        if not SLUG.fullmatch(each.removeprefix(f"{DEPARTMENT}|")):
            raise reason("Not a department: write urn:innringing:department| and its slug.")
    return text


def _moments(text: str) -> str:
    span(text)
    return text


def _task_status(text: str) -> str:
    _known_codes(text, TASK_STATUSES)
    return text


def _sms_status(text: str) -> str:
    _known_codes(text, {status for status, _ in SMS_STATUSES.values()})
    return text


def _known_codes(text: str, known: Collection[str]) -> None:
    if not set(_split(text)) <= set(known):
        raise reason("Not a status that is used here: see /fhir/metadata and docs/fhir.md.")


def span(text: str) -> tuple[datetime | None, datetime | None]:
    """Read a range of times, such as `ge2026-11-30`: its beginning, and the moment before which it ends.

    A date is the whole day in Norway, a time without a fraction the whole second.
    """
    read = PREFIXED.fullmatch(text)
    if read is None:
        raise reason("Write ge, gt, le or lt and then a time, such as ge2026-11-30T08:00:00Z.")
    prefix, written = read.groups()
    first, after = _interval(written)
    return {"ge": (first, None), "gt": (after, None), "le": (None, after), "lt": (None, first)}[prefix]


def _interval(written: str) -> tuple[datetime, datetime]:
    if not DAY.fullmatch(written):
        # A + in an address is a space.
        at = moment(written.replace(" ", "+"))
        return at, at + (timedelta(microseconds=1) if "." in written else timedelta(seconds=1))
    try:
        day = datetime.fromisoformat(written).replace(tzinfo=OSLO)
        return day, day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise reason("Not a date.") from None


Written = Annotated[str, Field(min_length=1, max_length=2000)]
Ids = Annotated[Written, AfterValidator(_ids)]
Numbers = Annotated[Written, AfterValidator(_numbers)]
BasedOn = Annotated[Written, AfterValidator(_based_on)]
Department = Annotated[Written, AfterValidator(_department)]
DepartmentIdentifier = Annotated[Written, AfterValidator(_department_identifier)]
Moments = Annotated[list[Annotated[Written, AfterValidator(_moments)]] | None, Field(max_length=2)]


class FhirSearch(BaseModel):
    """What every search understands. Each parameter is a list, because a form or an address may repeat it."""

    model_config = ConfigDict(extra="forbid")

    last_updated: Moments = Field(None, alias="_lastUpdated")
    count: list[Annotated[str, AfterValidator(_count)]] | None = Field(None, alias="_count", max_length=1)
    cursor: list[Annotated[str, Field(max_length=500)]] | None = Field(None, alias="_cursor", max_length=1)
    format: list[Annotated[str, Field(max_length=64)]] | None = Field(None, alias="_format", max_length=1)

    NOT_IN_A_LINK: ClassVar[frozenset[str]] = frozenset({"cursor"})

    @property
    def limit(self) -> int:
        """How many entries a page has."""
        return min(int(self.count[0]), MAX_COUNT) if self.count else MAX_COUNT

    @property
    def named_format(self) -> str | None:
        """`_format`, if it was sent."""
        return self.format[0] if self.format else None

    @property
    def place(self) -> str | None:
        """Where the page before ended."""
        return self.cursor[0] if self.cursor else None

    def query(self) -> list[tuple[str, str]]:
        """The parameters of a link to this search."""
        sent = self.model_dump(by_alias=True, exclude_none=True, exclude=set(self.NOT_IN_A_LINK))
        return [(name, value) for name, values in sent.items() for value in values]


class TaskSearch(FhirSearch):
    """A search for Tasks by its address."""

    id: list[Ids] | None = Field(None, alias="_id", max_length=1)
    status: list[Annotated[Written, AfterValidator(_task_status)]] | None = Field(None, max_length=1)
    owner: list[Department] | None = Field(None, max_length=1)
    owner_identifier: list[DepartmentIdentifier] | None = Field(None, alias="owner:identifier", max_length=1)
    modified: Moments = None

    @property
    def departments(self) -> list[str] | None:
        """The slugs of the departments it names; None if it names none."""
        named = [self.owner, self.owner_identifier]
        slugs = [each.rpartition("|")[2].rpartition("/")[2] for value in named if value for each in _split(value[0])]
        return slugs or None

    def filters(self) -> InquiryFilter:
        """What it asks of the list of callbacks."""
        since, before = _range([*(self.last_updated or ()), *(self.modified or ())])
        statuses, reasons = _states(self.status)
        return InquiryFilter(
            status=statuses,
            closed_for=reasons,
            ids=_uuids(_split(self.id[0])) if self.id else None,
            changed_since=since,
            changed_before=before,
        )


class TaskSearchForm(TaskSearch):
    """A search for Tasks by a form, which may name a patient."""

    patient: list[Written] | None = Field(None, alias="patient:identifier", max_length=1)
    patient_chained: list[Written] | None = Field(None, alias="patient.identifier", max_length=1)

    NOT_IN_A_LINK: ClassVar[frozenset[str]] = frozenset({"cursor", "patient", "patient_chained"})

    @model_validator(mode="after")
    def _one_person_on_one_page(self) -> Self:
        if self.patient and self.patient_chained:
            raise reason("Name the patient once.")
        if self.person and self.cursor:
            raise reason("A search for a patient has one page.")
        return self

    @property
    def person(self) -> str | None:
        """The identifier of the patient it names, as it was written."""
        named = self.patient or self.patient_chained
        return named[0] if named else None


class CommunicationSearch(FhirSearch):
    """A search for Communications."""

    id: list[Numbers] | None = Field(None, alias="_id", max_length=1)
    based_on: list[BasedOn] | None = Field(None, alias="based-on", max_length=1)
    status: list[Annotated[Written, AfterValidator(_sms_status)]] | None = Field(None, max_length=1)

    def filters(self) -> SmsFilter:
        """What it asks of the list of texts."""
        since, before = _range(self.last_updated or ())
        tasks = _uuids([each.removeprefix("Task/") for each in _split(self.based_on[0])]) if self.based_on else None
        return SmsFilter(
            ids=[int(each) for each in _split(self.id[0])] if self.id else None,
            inquiries=tasks,
            states=_having(SMS_STATUSES, self.status) if self.status else None,
            changed_since=since,
            changed_before=before,
        )


def _range(written: Sequence[str]) -> tuple[datetime | None, datetime | None]:
    """What all of the ranges have in common."""
    spans = [span(each) for each in written]
    since = max((first for first, _ in spans if first), default=None)
    return since, min((last for _, last in spans if last), default=None)


def _states(status: Sequence[str] | None) -> tuple[Collection[Status] | None, Collection[ClosedReason] | None]:
    """The statuses of callbacks, and the reasons of closed ones, that have one of these statuses of FHIR."""
    if not status:
        return None, None
    reasons, statuses = _having(REASONS, status), _having(STATUSES, status)
    return [*statuses, *([Status.CLOSED] if reasons else [])], reasons


def _having(table: Mapping[T, tuple[str, str]], status: Sequence[str]) -> list[T]:
    asked = {*_split(status[0])}
    return [key for key, (code, _) in table.items() if code in asked]
