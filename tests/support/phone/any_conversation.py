"""What must hold after any conversation: departments, a calendar, and the checks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from itertools import dropwhile, takewhile
from typing import Any

from sqlalchemy import text

from desk.access.actor import SYSTEM
from desk.callbacks.model import RegistrationResult, WhyEnded
from desk.callbacks.repeat_callers import Standing
from desk.callbacks.services import CallbackServices
from desk.clock import OSLO
from desk.database.engine import Database
from desk.departments.choice import Choice, Topic
from desk.departments.departments import Department, Departments, HalfDay, Policy
from desk.inquiries.model import Priority
from desk.paths import ROOT
from desk.schema.tables import promises
from ivr.prompts.catalogue import load_catalogue
from tests.support.desk.desk import DEPARTMENTS as PLAIN
from tests.support.phone.exchange import Done, Exchange, Line, spoken_time
from tests.support.synthetic import synthetic_identity

EVE, LAST, EASTER_WEDNESDAY = date(2026, 12, 24), date(2026, 12, 31), date(2027, 3, 24)
DEPARTMENTS = Departments(
    [
        replace(
            PLAIN["kirurgi"],
            languages=("nb", "en"),
            choice=Choice({Topic.ADDRESS: "answer_address", Topic.HOURS: "answer_hours"}),
            closed_days=frozenset({LAST}),
            half_days={
                EVE: HalfDay(cutoff=time(10), answer_by=time(11)),
                EASTER_WEDNESDAY: HalfDay(cutoff=time(11), answer_by=time(12)),
            },
        ),
        replace(
            PLAIN["hjerte"],
            languages=("nb", "nn", "en"),
            identity="required",
            choice=Choice(urgent=True),
            capacity=2,
            closed_days=frozenset({EVE, LAST}),
            half_days={EASTER_WEDNESDAY: HalfDay(rounds=(time(10),))},
        ),
        replace(
            PLAIN["kirurgi"],
            slug="oye",
            cutoff=time(12, 30),
            answer_by=time(14, 30),
            identity="off",
            languages=("en", "nb"),
            allow_foreign=True,
            capacity=3,
        ),
    ]
)
HOLIDAYS = {
    *(date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1)),
    *(date(2027, 3, 25), date(2027, 3, 26), date(2027, 3, 28), date(2027, 3, 29)),  # Easter 2027 is 28 March
    *(date(2027, 5, 1), date(2027, 5, 6), date(2027, 5, 16), date(2027, 5, 17)),  # 6: Ascension; 17: Whit Monday too
}
"""Norwegian public holidays of the months the test plays in, from an almanac."""
CATALOGUE = load_catalogue(ROOT / "prompts" / "catalogue.toml")


@dataclass
class Kept:
    """What must not be lost: callbacks whose receipt was started, except those `ended` by agents or their callers.

    `closures` are the current (department, from, until), `promises` the number of checked rows of promises.
    """

    confirmed: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    closures: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    promises: int = 0

    def close(self, department: str, from_: datetime, until: datetime) -> None:
        """A closure replaces those it overlaps."""
        apart = [each for each in self.closures if each[0] != department or each[2] <= from_ or until <= each[1]]
        self.closures = [*apart, (department, from_, until)]


async def holds(exchange: Exchange, line: Line, desk: CallbackServices, database: Database, kept: Kept) -> None:
    """Check a finished call: it has a known ending, is stored, and nothing said in it was false."""
    done = exchange.done[line.id]
    async with database.read() as connection:
        query = text("select callback_id, incomplete, step, why from calls where channel_id = :id")
        rows = (await connection.execute(query, {"id": line.id})).all()
    assert len(rows) == 1, "each call is on record, once"
    (row,) = rows
    if row.callback_id is None:
        assert row.incomplete and row.step and row.why, "a call without a callback is kept with its step and reason"
        assert not line.hung_up or row.why == WhyEnded.ANSWERED, "nobody is hung up on without a callback or an answer"
        assert row.why != WhyEnded.HUNG_UP or line.left_to is None
        assert row.why != WhyEnded.TROUBLE
        assert not {"received", "already_on_list", "we_ring", "declined"} & set(line.prompts)
        return
    callback = await desk.lists.get(SYSTEM, str(row.callback_id))
    _receipt_is_true(line, done, kept)
    _spoken_promises_are_stored(line, done)
    _spoken_number_is_stored(line, done)
    for each in done:
        if each.method == "cancel":
            kept.ended.add(callback.id)
        if isinstance(each.result, Standing) and each.result.tried_in_vain:
            assert each.result.callback.priority is Priority.URGENT, "who was rung in vain is first in line"


def _receipt_is_true(line: Line, done: Sequence[Done], kept: Kept) -> None:
    """Check that it is said only after it is true."""
    stored = [each for each in done if isinstance(each.result, RegistrationResult | Standing)]
    for at, prompt, _ in line.spoken:
        if prompt in ("received", "already_on_list", "we_ring"):
            assert stored and stored[0].at <= at, "said before it was stored"
        if prompt == "declined":
            assert [each for each in done if each.method == "cancel" and each.at <= at]
        if prompt == "received":
            kept.confirmed.add(stored[0].result.callback.id)


def _spoken_promises_are_stored(line: Line, done: Sequence[Done]) -> None:
    spoken = line.spoken
    for place, (heard_at, prompt, language) in enumerate(spoken):
        if prompt not in ("we_ring", "ring_number"):
            continue
        after = list(dropwhile(lambda said: said[1] == "pause" or said[1].startswith("digit_"), spoken[place + 1 :]))
        words = [word for _, word, _ in takewhile(lambda said: said[1] != "pause", after)]
        if len(words) == len(after) or not words[0].startswith(("today_", "tomorrow_", "weekday_")):
            continue  # interrupted by a hang-up or a key, or a number without a promise
        last = [
            each for each in done if isinstance(each.result, RegistrationResult | Standing) and each.at <= heard_at
        ][-1]
        promise = last.result.callback.promise
        is_by, when = spoken_time(words, last.at)
        assert is_by == (promise.policy is Policy.DEADLINE)
        assert when == promise.by.astimezone(OSLO), f"spoken_words {when}, stored {promise.by.astimezone(OSLO)}"
        created = isinstance(last.result, RegistrationResult) and last.result.created
        if created and language == last.result.callback.language:
            assert _written(words, language) == last.result.callback.promise_spoken


def _written(words: Sequence[str], language: str) -> str:
    """Spoken prompts in written form: «tirsdag 30. mars klokken 10»."""
    english, parts = language == "en", []
    for word in words:
        family, _, number = word.rpartition("_")
        match family:
            case "oclock":
                parts.append(f"{number}:00" if english else number)
            case "hour":
                parts.append(number)
            case "minute":
                parts[-1] += f":{number:0>2}" if english else f".{number:0>2}"
            case "date":
                parts.append(number if english else f"{number}.")
            case _:
                parts.append(CATALOGUE.text(language, word))
    return " ".join(parts)


def _spoken_number_is_stored(line: Line, done: Sequence[Done]) -> None:
    """Check that the number in the receipt is the stored one."""
    stored = next((each.result for each in done if isinstance(each.result, RegistrationResult)), None)
    if stored is None or "received" not in line.prompts:
        return
    after = line.prompts[line.prompts.index("received") :]
    if "ring_number" not in after:
        return  # they hung up
    spoken_words = list(
        takewhile(lambda said: said == "pause" or said.startswith("digit_"), after[after.index("ring_number") + 1 :])
    )
    digits = "".join(prompt.removeprefix("digit_") for prompt in spoken_words if prompt.startswith("digit_"))
    assert f"00{stored.callback.phone.e164[1:]}".endswith(digits) or line.prompts[-1] in spoken_words


async def kept_promises_hold(database: Database, kept: Kept, now: datetime) -> None:
    """Check the promises given since the last check: open hours of open days, one per person, no round overfull.

    Called after each step, so that the closures known here are those that the promises were given under.
    """
    async with database.read() as connection:
        query = promises.select().order_by(promises.c.id).offset(kept.promises)
        for row in (await connection.execute(query)).all():
            kept.promises += 1
            _is_open(DEPARTMENTS[row.department], row, kept)
        for column in ("patient_index", "phone"):
            alone = "patient_index is not null" if column == "patient_index" else "patient_index is null"
            opened = f"from inquiries join callbacks using (id) where status <> 'closed' and {alone}"
            twice = f"select 1 {opened} group by department, {column}"
            assert (await connection.execute(text(f"{twice} having count(*) > 1"))).all() == []
        full = "select department, count(*) as n from inquiries where promise_by > :now and status <> 'closed'"
        for row in await connection.execute(
            text(f"{full} group by department, promise_by"), {"now": now.isoformat(" ")}
        ):
            capacity = DEPARTMENTS[row.department].capacity
            assert capacity is None or row.n <= capacity, "more are promised than there is room for"


def _is_open(department: Department, row: Any, kept: Kept) -> None:
    local = row.promise_by.astimezone(OSLO)
    half = department.half_days.get(local.date())
    hours = half.rounds if half else department.rounds
    if department.policy is Policy.DEADLINE:
        answer_by = half.answer_by if half else department.answer_by
        hours = (answer_by,) if answer_by else ()
    assert row.promise_by > row.at, "promised in the past"
    assert local.weekday() < 5 and local.date() not in HOLIDAYS | department.closed_days, (
        f"closed on {local:%a %d %b %Y}"
    )
    assert local.time() in hours, f"promised at {local:%H:%M}"
    for slug, from_, until in kept.closures:
        assert slug != department.slug or not from_ <= row.promise_from < until, "promised into a closed time"


def nothing_personal(logs: Sequence[Any]) -> None:
    """Check that the log has no digits of a person or a phone, and only expected failures."""
    spoken_words = [str(entry) for entry in logs]
    secrets = [synthetic_identity(n) for n in range(1, 4)] + ["6805000", "6805100", "701740605", "82900000"]
    assert not [entry for entry in spoken_words for secret in secrets if secret in entry], "a log holds what was keyed"
    allowed = {"Could not store a callback"}  # a change by the caller, after an agent has closed it
    assert not [each for each in logs if each["log_level"] in ("error", "critical") and each["event"] not in allowed]
