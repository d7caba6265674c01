"""The quick way to write a page says exactly what its model says."""

from datetime import UTC, datetime, timedelta

from api.pages import page_json
from api.schemas.common import CallbackOut, CallbackPage
from desk.callbacks.model import Attempt, AttemptOutcome, Callback
from desk.database.pages import Page
from desk.departments.departments import Policy
from desk.inquiries.model import ClosedReason, Priority, Status
from desk.messages.model import SmsState
from desk.numbers.identity_number import IdentityKind
from desk.promises.model import Promise
from tests.support.desk.desk import phone

NOW = datetime(2026, 11, 22, 7, 30, 15, 123456, tzinfo=UTC)
BARE = Callback(
    id="7e5f1ceb-0000-4000-8000-000000000001",
    department="kirurgi",
    status=Status.WAITING,
    priority=Priority.NORMAL,
    phone=phone(1),
    patient_kind=None,
    patient_masked=None,
    promise=Promise(Policy.DEADLINE, NOW.replace(microsecond=0), NOW + timedelta(hours=4)),
    promise_spoken="i dag innen klokken 15",
    attempts=(),
    call_count=1,
    language="nb",
    created_at=NOW,
    claimed_by=None,
    lease_until=None,
    fence=0,
    version=1,
    closed_reason=None,
    note=None,
)
FULL = Callback(
    id="7e5f1ceb-0000-4000-8000-000000000002",
    department="hjerte",
    status=Status.CLOSED,
    priority=Priority.URGENT,
    phone=phone(2),
    patient_kind=IdentityKind.FNR,
    patient_masked="010150*****",
    promise=Promise(Policy.ROUNDS, NOW, NOW),
    promise_spoken="i morgen klokken 10",
    attempts=(
        Attempt(NOW, "kari", AttemptOutcome.NO_ANSWER, True, 'Prøvde «to» ganger\n\tog \u2028 "til" \\ 😀'),
        Attempt(NOW, "ola", AttemptOutcome.REACHED, False, None),
    ),
    call_count=3,
    language="nn",
    created_at=NOW,
    claimed_by="kari",
    lease_until=NOW,
    fence=4,
    version=9,
    closed_reason=ClosedReason.REACHED,
    note="Vil ha ny time",
    sms=SmsState.SENT,
)


def test_the_same_as_the_model() -> None:
    for items, cursor in (([], None), ([BARE], "abc"), ([FULL, BARE], None)):
        model = CallbackPage(items=[CallbackOut.of(each) for each in items], next_cursor=cursor)
        assert page_json(Page(items, cursor)) == model.model_dump_json(by_alias=True)
