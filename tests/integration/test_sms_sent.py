"""Texts sent to a gateway over real HTTP on loopback, and its delivery reports; on both engines."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from desk.access.actor import SYSTEM
from desk.database.engine import Database
from desk.logging.log import configure_logging
from desk.messages import repository as rows
from desk.messages.model import SmsState, TryLater
from desk.messages.outbox import LEASE, Outbox
from desk.numbers.phone_number import PhoneNumber
from desk.settings.settings import Settings
from tests.support.desk.desk import as_agent
from tests.support.desk.units import a_unit
from tests.support.fakes import FakeClock
from tests.support.sms.link_gateway import PASSWORD, LinkGateway, hangs, link_gateway, says, takes_it_and_dies
from tests.support.sms.outbox import MOBILE, Office, databases, link

TOO_SHORT = 0.2
"""The time limit for a gateway that hangs, in seconds."""


@pytest.fixture
def office(database: Database, clock: FakeClock) -> Office:
    return Office(database, clock)


@pytest.fixture
async def gateway() -> AsyncIterator[LinkGateway]:
    async with link_gateway() as gateway:
        yield gateway


async def send_one(office: Office, gateway: LinkGateway, **more: Any) -> bool:
    async with link(gateway, **more) as ours:
        return await office.outbox.send_next(ours)


async def test_gateway_gets_the_text_in_its_own_format(office: Office, gateway: LinkGateway) -> None:
    callback = await office.rings()
    assert [await send_one(office, gateway), await send_one(office, gateway)] == [True, False]
    (taken,) = gateway.taken
    assert taken.pop("userData").startswith("Vi har fått innringingen din")
    key = await office.key()
    assert taken == {
        "source": "Sykehuset",
        "sourceTON": "ALPHANUMERIC",
        "destination": MOBILE.e164,
        "destinationTON": "MSISDN",
        "dcs": "TEXT",
        "refId": key,
        "platformId": "COMMON_API",
        "platformPartnerId": "4711",
        "useDeliveryReport": True,
        "deliveryReportGates": ["gate-1"],
        "ignoreResponse": False,
        "relativeValidityTime": 6 * 3600 * 1000,  # from 09:00 until the promise at 15:00
    }
    assert await office.rows("state, tries, reference") == [("sent", 1, f"link-{key[:8]}")]
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "sent"
    assert await office.events(callback.id) == [("sms_sent", {"kind": "receipt"})]
    assert (await office.desk.lists.get(SYSTEM, callback.id)).version == callback.version, "nobody's edit is disturbed"


LATER = [
    ("500", says(500, text="<html>oops</html>"), "http_500"),
    ("429", says(429, {"message": "slow down"}), "too_many"),
    ("502 from a proxy", says(502, text=""), "http_502"),
    ("unsure itself", says(400, {"status": 106000, "message": "Unknown"}), "http_400"),
    ("our platform id", says(400, {"status": 106200, "message": "Invalid platformId"}), "refuses_us"),
    ("our gate", says(400, {"resultCode": 106301}), "refuses_us"),
    ("access denied", says(403, {"status": 106101}), "refuses_us"),
    ("not its address", says(404, text="no"), "refuses_us"),
    ("no JSON", says(200, text="OK"), "http_200"),
    ("broken off", takes_it_and_dies, "unreachable"),
]


@pytest.mark.parametrize(("answer", "reason"), [each[1:] for each in LATER], ids=[each[0] for each in LATER])
async def test_text_is_kept_with_its_key_after_a_failure(
    office: Office, gateway: LinkGateway, answer: Any, reason: str
) -> None:
    await office.rings()
    gateway.answers = [answer]
    with pytest.raises(TryLater, match=reason):
        await send_one(office, gateway)
    assert not await send_one(office, gateway), "not at once"
    office.clock.advance(timedelta(seconds=5))
    assert await send_one(office, gateway)
    assert gateway.keys == [await office.key()] * 2
    assert await office.states() == [("receipt", "sent")]


async def test_retries_wait_longer_while_the_gateway_hangs_or_is_unavailable(
    office: Office, gateway: LinkGateway
) -> None:
    await office.rings()
    pauses = []
    for n in range(8):
        gateway.answers = [hangs] if n % 2 else [says(503, {})]
        with pytest.raises(TryLater):
            await send_one(office, gateway, seconds=TOO_SHORT)
        began = office.clock.now()
        ((tries,),) = await office.rows("tries")
        assert tries == n + 1
        while not await due(office):
            office.clock.advance(timedelta(seconds=5))
        pauses.append(int((office.clock.now() - began).total_seconds()))
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert set(gateway.keys) == {await office.key()}


class Peek(Exception):
    """Rolls back a transaction that only read."""


async def due(office: Office) -> bool:
    """Whether a sender would claim a text now."""
    found = []

    with suppress(Peek):
        async with a_unit(office.database, clock=office.clock) as unit:
            found.append(await rows.take(unit, until=unit.now))
            raise Peek
    return found != [None]


async def test_wrong_gateway_password_loses_no_text(office: Office, gateway: LinkGateway) -> None:
    await office.rings()
    async with link(gateway) as ours:
        ours._client.auth = ("hospital", "wrong")  # type: ignore[assignment]
        with pytest.raises(TryLater) as trouble:
            await office.outbox.send_next(ours)
    assert trouble.value.ours
    assert await office.states() == [("receipt", "queued")]


REFUSED = [
    (says(400, {"status": 4001, "message": "Invalid destination +4740612345"}), "link_4001"),
    (says(400, text="bad"), "refused"),
    (says(200, {"messageId": "x", "resultCode": 2106, "description": "Number error"}), "link_2106"),
]


@pytest.mark.parametrize(("answer", "reason"), REFUSED)
async def test_refused_text_has_failed_and_agents_see_it(
    office: Office, gateway: LinkGateway, answer: Any, reason: str
) -> None:
    callback = await office.rings()
    gateway.answers = [answer]
    assert [await send_one(office, gateway), await send_one(office, gateway)] == [True, False]
    assert await office.rows("state, reason, phone, text") == [("failed", reason, None, None)]
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "failed"
    assert await office.events(callback.id) == [("sms_failed", {"kind": "receipt", "reason": reason})]


async def test_crash_after_sending_repeats_the_text_with_the_same_key(
    office: Office, gateway: LinkGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.rings()

    async def dies(self: Outbox, *_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_record_sent", dies)
        with pytest.raises(MemoryError):
            await send_one(office, gateway)
    assert await office.states() == [("receipt", "queued")]
    assert not await send_one(office, gateway), "the dead sender's lease holds"
    office.clock.advance(LEASE)
    assert await send_one(office, gateway)
    assert gateway.keys == [await office.key()] * 2
    assert await office.states() == [("receipt", "sent")]


async def test_stopped_sender_finishes_the_current_text(office: Office) -> None:
    await office.rings()
    begun, may_end = asyncio.Event(), asyncio.Event()

    class Slow:
        async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
            begun.set()
            await may_end.wait()
            return "slow"

    sending = asyncio.create_task(office.outbox.send_next(Slow()))
    await begun.wait()
    sending.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await office.rows("state, reference") == [("sent", "slow")]


async def test_sender_slower_than_its_lease_changes_nothing_of_the_next_one(office: Office) -> None:
    await office.rings()

    class Overtaken:
        async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
            office.clock.advance(LEASE)
            assert await office.outbox.send_next(Quick())
            raise TryLater("timeout")

    class Quick:
        async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
            return "quick"

    with pytest.raises(TryLater):
        await office.outbox.send_next(Overtaken())
    assert await office.rows("state, reference, tries") == [("sent", "quick", 2)]


async def test_several_senders_duplicate_no_text(office: Office, gateway: LinkGateway, migrated_url: str) -> None:
    for n in range(12):
        await office.rings(n, PhoneNumber(f"+47406123{n:02}", mobile=True))  # one phone gets only a few receipts

    async with databases(migrated_url, 3) as opened, link(gateway, seconds=30) as ours:

        async def sender(database: Database) -> int:
            outbox, count = office.another_outbox(database), 0
            while await outbox.send_next(ours):
                count += 1
            return count

        counts = await asyncio.gather(*(sender(each) for each in opened))
    assert sum(counts) == 12
    assert len(gateway.keys) == len(set(gateway.keys)) == 12
    assert {state for _, state in await office.states()} == {"sent"}


async def test_text_with_a_past_promise_is_not_sent(office: Office, gateway: LinkGateway) -> None:
    callback = await office.rings()
    office.at(callback.promise.by)
    assert await send_one(office, gateway)
    assert gateway.taken == []
    assert await office.rows("state, phone, text") == [("expired", None, None)]
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "expired"
    assert await office.events(callback.id) == [("sms_expired", {"kind": "receipt"})]


async def test_leader_sees_undelivered_texts_of_new_promises(office: Office, gateway: LinkGateway) -> None:
    callback = await office.rings()
    by = callback.promise.by + timedelta(days=2)
    await office.edits.promise_again(as_agent("kari"), callback.id, by=by, fence=None, sms=True)
    gateway.answers = [says(400, text="no")]
    while await send_one(office, gateway):
        pass
    found = await office.ledger.promises(SYSTEM, "kirurgi", since=None, state=None, cursor=None, limit=10)
    assert [(each.record.reason, each.sms) for each in found.page.items] == [
        ("registered", "withdrawn"),
        ("by_agent", "failed"),
    ]
    assert found.texts_missed == 1


# --- reports


async def reported(office: Office, *reports: tuple[str, SmsState]) -> str:
    """The state of the text after these reports of its parts, each sent twice."""
    key = await office.key()
    for part, state in reports:
        for _ in range(2):
            assert await office.outbox.report(SYSTEM, key, part, state, "no_such_number")
    ((state_now,),) = await office.rows("state")
    return str(state_now)


SENT, DELIVERED, FAILED = SmsState.SENT, SmsState.DELIVERED, SmsState.FAILED


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([("", SENT)], "sent"),
        ([("", DELIVERED)], "delivered"),
        ([("", FAILED)], "failed"),
        ([("", SENT), ("", DELIVERED)], "delivered"),
        ([("", DELIVERED), ("", SENT)], "delivered"),
        ([("", FAILED), ("", SENT)], "failed"),
        ([("", DELIVERED), ("", FAILED)], "delivered"),
        ([("", FAILED), ("", DELIVERED)], "failed"),
        ([("0", DELIVERED), ("1", SENT)], "delivered"),
        ([("1", SENT), ("0", DELIVERED)], "sent"),
        ([("1", SENT), ("0", DELIVERED), ("1", DELIVERED)], "delivered"),
        ([("0", DELIVERED), ("1", FAILED)], "failed"),
        ([("1", FAILED), ("0", DELIVERED)], "failed"),
    ],
)
async def test_reports_may_arrive_in_any_order_and_repeatedly(
    office: Office, gateway: LinkGateway, reports: list[tuple[str, SmsState]], state: str
) -> None:
    callback = await office.rings()
    await send_one(office, gateway)
    assert await reported(office, *reports) == state
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == state
    events = await office.events(callback.id)
    assert len(events) == len({event for event, _ in events}), "each change is told once"
    assert events[-1][0] == f"sms_{state}"
    assert events[-1][1].get("reason") == ("no_such_number" if state == "failed" else None)


async def test_report_may_arrive_before_the_text_is_marked_as_sent(office: Office) -> None:
    callback = await office.rings()

    class Quick:
        async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
            assert await office.outbox.report(SYSTEM, key, "", SmsState.DELIVERED)
            return "quick"

    assert await office.outbox.send_next(Quick())
    assert await office.rows("state, reference") == [("delivered", "quick")]
    assert await office.events(callback.id) == [("sms_delivered", {"kind": "receipt"})]


@pytest.mark.parametrize("key", ["0f8fad5b-d9cb-469f-a165-70867728950e", "", "no key at all", "+4740612345"])
async def test_report_of_an_unsent_text_changes_nothing(office: Office, key: str) -> None:
    await office.rings()
    assert not await office.outbox.report(SYSTEM, key, "", SmsState.DELIVERED)
    assert await office.states() == [("receipt", "queued")]


# --- the log


async def test_log_has_no_number_no_words_and_no_password(office: Office, gateway: LinkGateway) -> None:
    log = io.StringIO()
    configure_logging(
        Settings.read(environment="demo", **gateway.settings()).secrets(), readable=True, stream=log, level=10
    )
    await office.rings()
    gateway.answers = [says(500, {"to": MOBILE.e164}), hangs, takes_it_and_dies, REFUSED[0][0]]
    for _ in range(3):
        with pytest.raises(TryLater):
            await send_one(office, gateway, seconds=TOO_SHORT)
        office.clock.advance(timedelta(minutes=1))
    assert await send_one(office, gateway)
    said = log.getvalue()
    assert said.count("The gateway did not take an SMS") == 3
    assert not any(word in said for word in ("40612345", "406 12 345", "ringer deg", PASSWORD))
