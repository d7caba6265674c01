"""dialplan/departments.toml, which operators write: read, checked, and read again after each edit."""

import re
import time as clock
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, RootModel, model_validator

from desk.departments.choice import Choice, Topic
from desk.departments.departments import (
    DEFAULT_RINGING_HOURS,
    LANGUAGES,
    Department,
    Departments,
    HalfDay,
    Policy,
)
from desk.departments.errors import DepartmentsFileError
from desk.files.edited_file import EditedFile
from desk.files.toml_models import Text, TomlTable, load_toml, refusal, texts, whole_number, wrong
from desk.numbers.errors import InvalidPhone
from desk.numbers.phone_number import PhoneNumber, parse_phone

SLUG = re.compile(r"[a-z][a-z0-9-]{0,31}")
EXTENSION = re.compile(r"[0-9]{1,15}")
TOPIC = re.compile(r"[a-z][a-z0-9_-]{0,31}")
ANSWER = re.compile(r"answer_[a-z0-9_]{1,60}")
PREFIX = re.compile(r"\+(?:[1-9][0-9]{0,6})?", re.ASCII)
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
MOST_ATTEMPTS = 20
LONGEST_NAME = 80
LONGEST_TOPIC = 40
MOST_TOPICS = 30
MOST_SPACING_MINUTES = 7 * 24 * 60
LONGEST_ROUND_MINUTES = 12 * 60
MOST_CAPACITY = 10_000
MIDNIGHT = time(0)


def _slug(slug: str) -> str:
    if not SLUG.fullmatch(slug):
        raise refusal(f"«{slug}» can't name a department: use a-z, 0-9 and -, a letter first, at most 32")
    return slug


def _name(name: str) -> str:
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise wrong(f"must be one line of at most {LONGEST_NAME} visible characters")
    return name


def _topic(key: str) -> str:
    if not TOPIC.fullmatch(key):
        raise refusal(f"«{key}» can't name a topic: use a-z, 0-9, - and _, a letter first, at most 32")
    return key


def _topic_words(words: str) -> str:
    if len(words) > LONGEST_TOPIC or not words.isprintable():
        raise wrong(f"must be one line of at most {LONGEST_TOPIC} visible characters")
    return words


def _topics(table: dict[str, str]) -> dict[str, str]:
    if len(table) > MOST_TOPICS:
        raise wrong(f"must be at most {MOST_TOPICS} topics: agents choose among them")
    if len(set(table.values())) < len(table):
        raise wrong("must have different words for each topic")
    return table


def _extension(number: str) -> str:
    if not EXTENSION.fullmatch(number):
        raise wrong("must be 1 to 15 digits")
    return number


def _phone(number: str) -> PhoneNumber:
    try:
        return parse_phone(number)
    except InvalidPhone as error:
        raise wrong(f"is not a Norwegian phone number that can be called ({error.problem})") from None


def _time(value: object) -> time:
    match = TIME.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise wrong('must be hours and minutes in quotes, such as "14:00"')
    return time(int(match[1]), int(match[2]))


def _times(value: object) -> tuple[time, ...]:
    if not isinstance(value, list):
        raise wrong("must be a list")
    if not value:
        raise wrong("is empty")
    times = tuple(_time(each) for each in value)
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise wrong("must ascend, each time once")
    return times


def _first_and_last(value: object) -> tuple[time, time]:
    if not isinstance(value, list) or len(value) != 2:
        raise wrong('must be two times, such as ["08:00", "16:00"]')
    first, last = _time(value[0]), _time(value[1])
    if last != MIDNIGHT and last <= first:
        raise wrong("must end after they start")
    return first, last


def _days(value: object) -> frozenset[date]:
    if not isinstance(value, list) or any(not isinstance(day, date) or isinstance(day, datetime) for day in value):
        raise wrong("must be a list of dates without quotes, such as [2026-12-28]")
    return frozenset(value)


def _day(key: object) -> date:
    try:
        return datetime.strptime(str(key), "%Y-%m-%d").date()
    except ValueError:
        raise wrong("is not a date such as 2026-12-24") from None


def _answer(key: str) -> str:
    if not ANSWER.fullmatch(key):
        raise wrong("must name a prompt of your own, such as answer_address")
    return key


Extension: TypeAlias = Annotated[Text, AfterValidator(_extension)]
TimeOfDay: TypeAlias = Annotated[time, BeforeValidator(_time)]
Answer: TypeAlias = Annotated[Text, AfterValidator(_answer)]


class HoursTable(TomlTable):
    """The hours of a department, or of a half day. Which are needed depends on the policy."""

    cutoff: TimeOfDay | None = None
    answer_by: TimeOfDay | None = None
    rounds: Annotated[tuple[time, ...], BeforeValidator(_times)] = ()


class QuestionsTable(TomlTable):
    """[<slug>.choice] questions: the prompt that answers each."""

    address: Answer | None = None
    parking: Answer | None = None
    hours: Answer | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.answers:
            raise refusal(f"«questions» is empty: it names prompts for {', '.join(Topic)}")
        return self

    @property
    def answers(self) -> Mapping[Topic, str]:
        """The prompts by topic, in the order they are spoken."""
        return MappingProxyType({topic: answer for topic in Topic if (answer := getattr(self, topic))})


class ChoiceTable(TomlTable):
    """[<slug>.choice]: at most one choice."""

    questions: QuestionsTable | None = None
    urgent: bool = False

    @model_validator(mode="before")
    @classmethod
    def _at_most_one(cls, table: Any) -> Any:
        if isinstance(table, dict) and "questions" in table and table.get("urgent"):
            later = [key for key in table if key in ("questions", "urgent")][-1]
            raise refusal("«questions» and «urgent» are two choices: callers get at most one after the request", later)
        return table

    @property
    def choice(self) -> Choice | None:
        """The choice, or None where neither is offered."""
        if self.questions:
            return Choice(answers=self.questions.answers)
        return Choice(urgent=True) if self.urgent else None


class DepartmentTable(HoursTable):
    """A department's table. Its keys are those of `Department`, or their aliases."""

    name: Annotated[Text, AfterValidator(_name)]
    extension: Extension
    hospital_number: Annotated[Text, AfterValidator(_phone)]
    policy: Annotated[Policy, Field(strict=False)]
    closed_days: Annotated[frozenset[date], BeforeValidator(_days)] = frozenset()
    half_days: dict[Annotated[date, BeforeValidator(_day)], HoursTable] = Field({})
    max_attempts: Annotated[int, whole_number(1, MOST_ATTEMPTS)] = 3
    min_spacing: Annotated[int, whole_number(1, MOST_SPACING_MINUTES)] = Field(120, alias="min_spacing_minutes")
    round_length: Annotated[int, whole_number(1, LONGEST_ROUND_MINUTES)] = Field(60, alias="round_minutes")
    identity: Literal["required", "optional", "off"] = "optional"
    languages: Annotated[tuple[str, ...], texts(f"of {', '.join(LANGUAGES)}", LANGUAGES.__contains__)] = ("nb",)
    allow_foreign: bool = False
    ringing_hours: Annotated[tuple[time, time], BeforeValidator(_first_and_last)] = DEFAULT_RINGING_HOURS
    ringing_days: Literal["workdays", "every-day"] = "workdays"
    ring_prefixes: Annotated[tuple[str, ...], texts("texts in quotes")] = ()
    capacity: Annotated[int, whole_number(1, MOST_CAPACITY)] | None = None
    flood_from: Annotated[int, whole_number(1, MOST_CAPACITY)] | None = None
    sms_receipt: bool = False
    choice: ChoiceTable | None = None
    key_tone: bool = False
    recording: bool = False
    topics: Annotated[
        dict[Annotated[str, AfterValidator(_topic)], Annotated[Text, AfterValidator(_topic_words)]],
        AfterValidator(_topics),
    ] = Field({})
    referrer_extension: Extension | None = None
    urgent_extension: Extension | None = None

    @model_validator(mode="after")
    def _hours_of_the_policy(self) -> Self:
        _check_policy(self.policy, self)
        if self.policy is Policy.DEADLINE and "round_length" in self.model_fields_set:
            raise refusal("«round_minutes» does not belong here: the policy is deadline", "round_minutes")
        for day, hours in self.half_days.items():
            if day in self.closed_days:
                raise refusal(f"{day} is in «closed_days» too", "half_days", str(day))
            _check_policy(self.policy, hours, "half_days", str(day))
        return self

    @model_validator(mode="after")
    def _rounds_do_not_overlap(self) -> Self:
        for earlier, later in pairwise(self.rounds):
            if _minute(later) - _minute(earlier) < self.round_length:
                reason = f"the round {earlier:%H:%M} is not over when {later:%H:%M} starts: «round_minutes» is"
                raise refusal(f"{reason} {self.round_length}", "rounds")
        return self

    @model_validator(mode="after")
    def _promises_within_ringing_hours(self) -> Self:
        _check_within(self.ringing_hours, self)
        for day, hours in self.half_days.items():
            _check_within(self.ringing_hours, hours, "half_days", str(day))
        return self

    @model_validator(mode="after")
    def _prefixes_of_numbers(self) -> Self:
        for prefix in self.ring_prefixes:
            if not PREFIX.fullmatch(prefix):
                raise refusal(f"«{prefix}» is not the start of a number, such as +47 or +4768", "ring_prefixes")
            if not self.allow_foreign and not prefix.startswith("+47"):
                raise refusal(f"«{prefix}» is foreign, and «allow_foreign» is not true", "ring_prefixes")
        return self

    def department(self, slug: str) -> Department:
        """Return the department."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        fields["min_spacing"] = timedelta(minutes=self.min_spacing)
        fields["round_length"] = timedelta(minutes=self.round_length)
        fields["half_days"] = MappingProxyType(
            {day: HalfDay(hours.cutoff, hours.answer_by, hours.rounds) for day, hours in self.half_days.items()}
        )
        fields["topics"] = MappingProxyType(dict(self.topics))
        fields["choice"] = self.choice.choice if self.choice else None
        fields["ring_prefixes"] = self.ring_prefixes or (("+",) if self.allow_foreign else ("+47",))
        return Department(slug=slug, **fields)


class DepartmentsTable(RootModel[dict[Annotated[str, AfterValidator(_slug)], DepartmentTable]]):
    """The whole file: a table for each department."""

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not self.root:
            raise refusal("there is no department in it: write a table for each, such as [kirurgi]")
        return self

    @model_validator(mode="after")
    def _numbers_are_not_shared(self) -> Self:
        first: dict[str, tuple[str, str]] = {}
        for department in self.departments().all():
            for key, number in department.extensions.items():
                owner, other = first.setdefault(number, (department.slug, key))
                if (owner, other) != (department.slug, key):
                    what = f"in [{owner}]" if other == key else f"«{other}» of [{owner}]"
                    raise refusal(f"«{key}» is the same as {what}", department.slug, key)
        return self

    def departments(self) -> Departments:
        """Return the departments, in the order of the file."""
        return Departments(table.department(slug) for slug, table in self.root.items())


def load_departments(file: Path) -> Departments:
    """Read departments.toml. Raises DepartmentsFileError(file, line, reason) and takes nothing from a faulty file."""
    return load_toml(file, DepartmentsTable, DepartmentsFileError).departments()


class DepartmentsFile(EditedFile[Departments, DepartmentsFileError]):
    """departments.toml: call it for the current departments.

    Raises DepartmentsFileError at the start, when no valid file has been read yet.
    """

    refused = "The departments file is refused: the last valid one is still used"
    reloaded = "The departments file was read again"
    required = True

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = clock.monotonic, wall: Callable[[], float] = clock.time
    ) -> None:
        super().__init__(file, load_departments, DepartmentsFileError, seconds=seconds, wall=wall)
        self._held: ContextVar[Departments | None] = ContextVar("departments held", default=None)

    def __call__(self) -> Departments:
        """Return the current departments, or those held for the conversation of this task."""
        current = self._current()
        assert current is not None  # a faulty file was refused at the start
        return self._held.get() or current

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the departments as they are, within the block and in this task: one call sees one set of rules."""
        token = self._held.set(self())
        try:
            yield
        finally:
            self._held.reset(token)

    def _logged(self, content: Departments) -> dict[str, list[str]]:
        return {"departments": list(content)}


def _check_policy(policy: Policy, hours: HoursTable, *place: str) -> None:
    """Refuse hours that the policy lacks, and those that belong to the other policy."""
    of_deadline, of_rounds = ("cutoff", "answer_by"), ("rounds",)
    needed, others = (of_rounds, of_deadline) if policy is Policy.ROUNDS else (of_deadline, of_rounds)
    for key in needed:
        if key not in hours.model_fields_set:
            raise refusal(f"«{key}» is missing: the {policy} policy needs it", *place)
    for key in others:
        if key in hours.model_fields_set:
            raise refusal(f"«{key}» does not belong here: the policy is {policy}", *place, key)
    if hours.cutoff and hours.answer_by and hours.answer_by < hours.cutoff:
        raise refusal("«answer_by» is before «cutoff»", *place, "answer_by")


def _check_within(ringing_hours: tuple[time, time], hours: HoursTable, *place: str) -> None:
    """Refuse a promise for an hour at which patients may not be called: it could never be kept."""
    first, last = ringing_hours
    end = _minute(last) or 24 * 60
    allowed = f"patients are called from {first:%H:%M} to {last:%H:%M} («ringing_hours»)"
    for each in hours.rounds:
        if not _minute(first) <= _minute(each) < end:
            raise refusal(f"there is a round at {each:%H:%M}, but {allowed}", *place, "rounds")
    if hours.answer_by and not _minute(first) < _minute(hours.answer_by) <= end:
        raise refusal(f"the promise is for {hours.answer_by:%H:%M}, but {allowed}", *place, "answer_by")


def _minute(each: time) -> int:
    return 60 * each.hour + each.minute
