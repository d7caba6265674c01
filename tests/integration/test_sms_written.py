"""Texts are written in the same unit of work as their cause; on both engines."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from desk.access.actor import CALLER, SYSTEM
from desk.access.permissions import Scope
from desk.database.engine import Conflict, Database
from desk.database.errors import StorageUnavailable
from desk.database.unit_of_work import Unit
from desk.departments.departments import Departments
from desk.messages import repository as rows
from desk.numbers.phone_number import parse_phone
from tests.support.desk.desk import as_agent, call, person
from tests.support.fakes import FakeClock
from tests.support.sms.outbox import LANDLINE, MOBILE, OTHER_MOBILE, RECEIPTS, Office, another_call


@pytest.fixture
def office(database: Database, clock: FakeClock) -> Office:
    return Office(database, clock)


class Sent:
    """A gateway that stores the texts it gets."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    async def send(self, key: str, to: Any, text: str, *, valid: timedelta) -> str:
        self.texts.append((to.e164, text))
        return key


async def sent(office: Office) -> list[tuple[str, str]]:
    """(number, words) of all texts sent now."""
    gateway = Sent()
    while await office.outbox.send_next(gateway):
        pass
    return gateway.texts


async def test_receipt_states_the_promise_with_its_date_and_no_names(office: Office) -> None:
    callback = await office.rings()
    assert callback.sms == "queued"
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "queued"
    ((to, told),) = await sent(office)
    assert to == MOBILE.e164
    assert told == (
        "Vi har fått innringingen din og ringer deg tirsdag 24. november innen klokken 15, fra 68 05 00 00. "
        "Trenger du ikke at vi ringer? Ring oss."
    )
    assert not any(word in told.lower() for word in ("kirurg", "poliklinikk", "sykehus", "fødselsnummer"))


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Tuesday 24 November by 15:00"), ("nn", "tysdag 24. november innan klokka 15"), ("se", "innen klokken 15")],
)
async def test_receipt_is_in_the_callers_language(office: Office, language: str, words: str) -> None:
    await office.rings(language=language)
    ((_, told),) = await sent(office)
    assert words in told


async def test_repeated_registration_finds_the_first_text(office: Office) -> None:
    await office.rings()
    again = await office.desk.registration.register(CALLER, call(1), "kirurgi", person(1), MOBILE)
    assert (again.created, again.callback.sms) == (False, "queued")
    assert await office.states() == [("receipt", "queued")]


async def test_repeat_call_from_the_same_number_gets_no_text(office: Office) -> None:
    await office.rings()
    assert await office.callers.rang_again(CALLER, another_call(1), "kirurgi", person(1), MOBILE)
    await office.desk.registration.register(CALLER, another_call(2), "kirurgi", person(1), MOBILE)
    assert await office.states() == [("receipt", "queued")]


async def test_retried_unit_of_work_writes_one_text(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    fill, failures = rows.fill, [Conflict()]

    async def interrupted(unit: Unit, id: int, **sealed: bytes) -> None:
        await fill(unit, id, **sealed)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(rows, "fill", interrupted)
    await office.rings()
    assert await office.states() == [("receipt", "queued")]


async def test_callback_and_text_are_stored_together_or_not_at_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(unit: Unit, id: int, **sealed: bytes) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(rows, "fill", broken)
    with pytest.raises(StorageUnavailable):
        await office.rings()
    assert await office.states() == []
    assert (await office.desk.lists.page(as_agent("reader", Scope.of(["kirurgi"])), limit=10)).items == []


async def test_only_allowed_mobile_numbers_get_a_text(office: Office) -> None:
    danish = parse_phone("+4520123456", allow_foreign=True)
    assert danish.mobile
    assert (await office.rings(1, LANDLINE)).sms is None
    assert (await office.rings(2, danish)).sms is None
    rules = replace(RECEIPTS.get("kirurgi"), allow_foreign=True, ring_prefixes=("+",))
    office.departments = Departments([rules])
    assert (await office.rings(3, danish)).sms == "queued"


async def test_no_text_where_the_department_or_sms_is_off(office: Office) -> None:
    registration = await office.desk.registration.register(CALLER, call(1), "hjerte", person(1), MOBILE)
    assert registration.callback.sms is None
    office.on = False
    assert (await office.rings(2)).sms is None
    assert await office.states() == []


async def test_number_and_words_are_sealed_and_deleted_after_sending(office: Office) -> None:
    await office.rings()
    ((phone, words),) = await office.rows("phone, text")
    assert not any(part in bytes(phone) + bytes(words) for part in (b"40612345", b"klokken", b"ringer"))
    assert len(await sent(office)) == 1
    assert await office.rows("phone, text, state") == [(None, None, "sent")]


async def test_new_promise_replaces_an_unsent_receipt(office: Office) -> None:
    callback = await office.rings()
    given = await office.edits.promise_again(
        as_agent("kari"), callback.id, by=callback.promise.by + timedelta(days=2), fence=None, sms=True
    )
    assert (given.sms_queued, given.callback.sms) == (True, "queued")
    ((_, told),) = await sent(office)
    assert told.startswith("Ny tid: Vi ringer deg torsdag 26. november innen klokken 15, fra 68 05 00 00.")
    assert await office.states() == [("receipt", "withdrawn"), ("new_promise", "sent")]
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "sent"


async def test_unsent_text_follows_a_changed_number(office: Office) -> None:
    callback = await office.rings()
    await office.callers.rang_again(CALLER, another_call(1), "kirurgi", person(1), MOBILE)
    changed = await office.callers.change_phone(CALLER, another_call(1), OTHER_MOBILE)
    assert changed.sms == "queued"
    assert [to for to, _ in await sent(office)] == [OTHER_MOBILE.e164]
    assert (await office.desk.lists.get(SYSTEM, callback.id)).sms == "sent"


async def test_changed_number_gets_its_own_receipt_after_the_first_was_sent(office: Office) -> None:
    await office.rings()
    assert [to for to, _ in await sent(office)] == [MOBILE.e164]
    await office.callers.rang_again(CALLER, another_call(1), "kirurgi", person(1), MOBILE)
    assert (await office.callers.change_phone(CALLER, another_call(1), OTHER_MOBILE)).sms == "queued"
    assert [to for to, _ in await sent(office)] == [OTHER_MOBILE.e164]


async def test_no_text_goes_to_a_landline_or_the_old_number(office: Office) -> None:
    callback = await office.rings()
    await office.callers.rang_again(CALLER, another_call(1), "kirurgi", person(1), MOBILE)
    await office.callers.change_phone(CALLER, another_call(1), LANDLINE)
    assert await sent(office) == []
    assert await office.states() == [("receipt", "withdrawn")]
    assert await office.events(callback.id) == [("sms_withdrawn", {"kind": "receipt"})]


async def test_repeat_call_from_another_mobile_is_reported_to_the_old_one(office: Office) -> None:
    await office.rings()
    registration = await office.desk.registration.register(CALLER, another_call(1), "kirurgi", person(1), OTHER_MOBILE)
    assert (registration.created, registration.callback.sms) == (False, "queued")
    (receipt, added) = await sent(office)
    assert (receipt[0], added[0]) == (MOBILE.e164, MOBILE.e164)
    assert "nytt nummer" in added[1]


async def test_cancelled_callback_gets_no_text(office: Office) -> None:
    await office.rings()
    await office.callers.cancel(CALLER, call(1))
    assert await sent(office) == []
    assert await office.states() == [("receipt", "withdrawn")]


async def test_call_after_cancelling_gets_a_new_text(office: Office) -> None:
    await office.rings()
    await office.callers.cancel(CALLER, call(1))
    await office.desk.registration.register(CALLER, another_call(1), "kirurgi", person(1), MOBILE)
    assert len(await sent(office)) == 1
    assert await office.states() == [("receipt", "withdrawn"), ("receipt", "sent")]
